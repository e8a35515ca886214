# %% [markdown]
# # 2. Unbroadcasting
#
# NumPy repeats the smaller operand: (4, 3) + (3,) uses each of the three numbers four times. What
# is used four times has four shares, and shares add. So **the rule of repeating is summing**, over
# the very axes that were repeated.

# %%
import numpy as np
from grade import grade

from tinymeta.testing import Foreign, check_grads

x, b = np.ones((4, 3)), np.array([10.0, 20.0, 30.0])
print("(4, 3) + (3,) is", (x + b).shape, "and each number of b is in", x.shape[0], "of its rows")


# %% [markdown]
# ## Puzzle 1
# A gradient g arrives with the broadcast shape. Sum it to the shape that the operand had.
#
# NumPy aligns shapes at their **ends**. So there are two kinds of repeated axes: those in front,
# which the operand did not have at all, and those where its size was 1.


# %%
def unbroadcast(g, shape):
    """g (any shape that `shape` broadcasts to), summed to `shape`."""
    raise NotImplementedError(
        "what was read many times gets the sum of the shares of all places: find the axes "
        "along which it was repeated"
    )


def check_unbroadcast(unbroadcast):
    """Look at: shapes are aligned at their ends; an axis of size 1 stays, as an axis of size 1."""
    cases = [((4, 3), (3,)), ((3, 3), (3,)), ((4, 3), (4, 1)), ((4, 3), ()), ((2, 4, 3), (4, 1))]
    rng = np.random.default_rng(0)
    for big, small in cases:

        def shifted(b, big=big):
            return np.broadcast_to(b, big) + 1.0

        def rule(g, b, small=small):
            share = unbroadcast(g, small)
            assert np.shape(share) == small, (
                f"of g {g.shape} the sum to {small} is asked for, and yours is {np.shape(share)}"
            )
            return share

        try:
            check_grads(Foreign(shifted, backward=rule), rng.normal(size=small), order=1)
        except AssertionError as error:
            raise AssertionError(f"an operand {small} repeated to {big}\n{error}") from error


# %% [markdown]
# ## Puzzle 2
# The other way round: the mean over rows, y = x.mean(0), of x (N, D). Every row has the same share,
# so the rule of a sum is repeating. Mind the 1/N.


# %%
def mean_rule(g, x):
    """dL/dx (N, D) of y = x.mean(0), given g = dL/dy (D,)."""
    raise NotImplementedError("a mean is a sum and a division: how much does one row move it?")


def check_mean_rule(mean_rule):
    """Look at: the mean is the sum times 1/N, and N is the number of rows."""

    def mean(x):
        return x.mean(0)

    x = np.random.default_rng(1).normal(size=(4, 3))
    check_grads(Foreign(mean, backward=mean_rule), x, order=1)


# %%
if __name__ == "__main__":
    grade(globals())
