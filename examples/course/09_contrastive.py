# %% [markdown]
# # 9. The contrastive loss where two images meet
#
# A siamese network maps two images to a and b (D,) and learns from the distance alone:
#
#     d = |a - b|,    L = (1 - y) d^2 + y max(0, m - d)^2        y = 1: of different classes
#
# (Hadsell, Chopra & LeCun 2006, times two.) Same class: pull together. Different: push apart, but
# only up to the margin m. And if a = b? The slope of d is (a - b) / d = 0 / 0, and one NaN makes
# NaN of every weight of the network. This has ended many a training after days.

# %%
import numpy as np
from grade import grade

from tinymeta.testing import Foreign, check_grads

a0 = np.array([[1.0, 0.0], [0.5, -0.2], [2.0, 1.0], [0.1, 0.0]])
b0 = np.array([[0.7, 0.2], [0.1, 0.1], [0.0, 0.0], [0.0, 0.3]])
with np.errstate(all="ignore"):
    slope = 0.5 / np.sqrt(np.float64(0.0))
    print("the slope of the square root at 0 is", slope, "and 0 times it is", 0.0 * slope)


# %% [markdown]
# ## Puzzle 1
# The distance of P pairs. Where a = b there is no direction to move apart in, so the gradient is
# taken as 0: the mean of the slopes on all sides. g (P,) has one number for each pair: with a last
# axis, `g[:, None]` (P, 1), it multiplies arrays of points (P, D).


# %%
def distance_rule(g, a, b):
    """(dL/da (P, D), dL/db (P, D)) of the distances |a - b| (P,), given g (P,); 0 where a = b."""
    raise NotImplementedError(
        "which way must a go to come nearer to b? And where they meet, no way is nearer"
    )


def check_distance_rule(distance_rule):
    """Look at: the division by d is the trap: choose the divisor before you divide, not after."""

    def distance(a, b):
        return np.sqrt(((a - b) ** 2).sum(1))

    check_grads(Foreign(distance, backward=distance_rule), a0, b0, order=1)
    for share in distance_rule(np.ones(1), np.ones((1, 2)), np.ones((1, 2))):
        assert not np.any(share), f"at a = b, where d = 0, the gradient is {share} and must be 0"
    try:
        with np.errstate(divide="raise", invalid="raise"):
            distance_rule(np.ones(1), np.ones((1, 2)), np.ones((1, 2)))
    except FloatingPointError as error:
        raise AssertionError(
            f"at a = b the rule returns 0, but it divides by 0 there and hides it afterwards "
            f"({error}): differentiated once more, the NaN comes back"
        ) from error


# %% [markdown]
# ## Puzzle 2
# Now the loss, the mean over P pairs. Three places to go wrong: the 2 of the squares, the hinge
# that is flat beyond the margin, and d = 0 for a pair of different classes.


# %%
def contrastive_rule(g, a, b, different, margin):
    """(dL/da, dL/db), (P, D) each; g is one number, different (P,) of 0 and 1."""
    raise NotImplementedError(
        "first the slope by the distance of each pair, of both kinds; then the rule above"
    )


def check_contrastive_rule(contrastive_rule):
    """Look at: dL/dd for both kinds of pairs, and the mean's 1/P."""
    margin = 1.0
    kinds = {"the same class": np.zeros(4), "different classes": np.ones(4)}
    for kind, different in kinds.items():

        def loss(a, b, y=different):
            d = np.sqrt(((a - b) ** 2).sum(1))
            return ((1 - y) * d**2 + y * np.maximum(0.0, margin - d) ** 2).mean()

        def rule(g, a, b, y=different):
            return contrastive_rule(g, a, b, y, margin)

        try:
            check_grads(Foreign(loss, backward=rule), a0, b0, order=1)
        except AssertionError as error:
            raise AssertionError(f"pairs of {kind}\n{error}") from error
        same_point = np.ones((1, 2))
        for share in rule(1.0, same_point, same_point, different[:1]):
            assert not np.any(share), f"{kind}, d = 0: the gradient is {share} and must be 0"


# %%
if __name__ == "__main__":
    grade(globals())
