# %% [markdown]
# # 4. Softmax with cross entropy
#
# A classifier returns scores z (N, K), one for each class; softmax makes probabilities of them,
#
#     p_k = exp(z_k) / sum_j exp(z_j),        L = mean over N of -log p[label].
#
# Two beautiful facts. Softmax does not change when all scores of a row grow by the same number,
# which saves it from overflow. And through exp, sum and log the gradient becomes p minus the truth.

# %%
import numpy as np
from grade import grade

from tinymeta.testing import Foreign, check_grads

labels = np.array([2, 0, 1, 2])
scores = np.random.default_rng(0).normal(size=(4, 3))
with np.errstate(all="ignore"):
    print("exp(1000) / exp(1000) is", np.exp(1000.0) / np.exp(1000.0))


# %% [markdown]
# ## Puzzle 1


# %%
def softmax(z):
    """Probabilities (N, K) of scores z (N, K), for scores of any size."""
    raise NotImplementedError(
        "exp(1000) is infinite, but a number may be taken off a whole row: which?"
    )


def check_softmax(softmax):
    """Look at: each row by itself, its maximum subtracted, divided by its own sum."""
    right = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    for size in (0.0, 1000.0):
        shifted = scores + size * np.array([[1.0], [0.0], [-1.0], [0.5]])
        p = np.asarray(softmax(shifted))
        assert p.shape == scores.shape, f"the shape is {p.shape} and must be {scores.shape}"
        for place in np.ndindex(p.shape):
            assert abs(p[place] - right[place]) < 1e-9, (
                f"row {place[0]} of the scores, {shifted[place[0]]}: "
                f"p[{place[1]}] is {p[place]:.6g} and must be {right[place]:.6g}"
            )


# %% [markdown]
# ## Puzzle 2
# -log p[label] = log sum_j exp(z_j) - z[label]. Move z_k: the first term moves by p_k, the second
# by 1 if k is the label. `p[np.arange(N), labels]` is one entry of each row, `p[:, labels]` is not.


# %%
def cross_entropy_rule(g, z, labels):
    """dL/dz (N, K) of the mean over N of -log softmax(z)[label]; g is one number."""
    raise NotImplementedError(
        "what the net says minus the truth, row by row; and the loss is a mean"
    )


def check_cross_entropy_rule(cross_entropy_rule):
    """Look at: p - 1 at the label, p elsewhere; then the mean's 1/N; then g."""

    def cross_entropy(z):
        normalisers = np.log(np.exp(z).sum(1))
        return (normalisers - z[np.arange(len(z)), labels]).mean()

    f = Foreign(cross_entropy, backward=lambda g, z: cross_entropy_rule(g, z, labels))
    check_grads(f, scores, order=1)


# %%
if __name__ == "__main__":
    grade(globals())
