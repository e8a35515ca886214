# %% [markdown]
# # 3. The product of matrices
#
# y = a @ b, that is y_ij = sum_k a_ik b_kj. Move one a_ik: it moves row i of y, by b_kj in column
# j. So its share is sum_j g_ij b_kj, a product of matrices again. Nobody has to remember where the
# transpose goes: only one arrangement has the right shape.
#
#     a (N, C)   b (C, O)   y and g (N, O)

# %%
import numpy as np
from grade import grade

from tinymeta.testing import Foreign, check_grads

rng = np.random.default_rng(0)


# %% [markdown]
# ## Puzzle 1


# %%
def product_rule(g, a, b):
    """(dL/da (N, C), dL/db (C, O)) of y = a @ b, given g (N, O)."""
    raise NotImplementedError(
        "write y_ij as a sum and look what a_ik meets in it; or ask which product has the "
        "shape of a, and of b"
    )


def check_product_rule(product_rule):
    """Look at: sum_j g_ij b_kj sums over the columns of both; the other share, over the rows."""

    def product(a, b):
        return a @ b

    f = Foreign(product, backward=product_rule)
    check_grads(f, rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), order=1)
    check_grads(f, rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), order=1)  # all shapes fit


# %% [markdown]
# ## Puzzle 2
# A dense layer for T tasks at once: x (T, N, C) @ w (C, O). The tasks share w. What was shared is
# repeated, and what is repeated has shares that add: chapter 2 in another dress.


# %%
def dense_rule(g, x, w):
    """(dL/dx (T, N, C), dL/dw (C, O)) of y = x @ w, given g (T, N, O)."""
    raise NotImplementedError(
        "for each task it is the rule above; w is one for all tasks, and shares add"
    )


def check_dense_rule(dense_rule):
    """Look at: w has no task axis, so neither has its gradient: add up the tasks."""

    def dense(x, w):
        return x @ w

    f = Foreign(dense, backward=dense_rule)
    check_grads(f, rng.normal(size=(2, 4, 3)), rng.normal(size=(3, 2)), order=1)


# %%
if __name__ == "__main__":
    grade(globals())
