# %% [markdown]
# # 8. Kinks
#
# relu, |x|, max: at a kink the slopes on the two sides differ and there is no derivative. An engine
# has to return something all the same. This one says what, and tests it: relu'(0) = 0, |x|'(0) = 0,
# and a tie's share is split.
#
# A check by differences says nothing at a kink: with one foot on each side, any mistake could hide
# there. So the kit says where a kink is instead of blaming the rule.

# %%
import numpy as np
from grade import grade

import tinymeta as tm
from tinymeta.testing import Foreign, Kink, check_grads

try:
    check_grads(tm.relu, np.array([1.0, 0.0, -2.0]), order=1, kinks="raise")
except Kink as kink:
    print(str(kink).splitlines()[0])


# %% [markdown]
# ## Puzzle 1


# %%
def absolute_rule(g, x):
    """dL/dx of y = |x|, given g; 0 where x is 0."""
    raise NotImplementedError("three cases: left of the kink, right of it, and at it")


def check_absolute_rule(absolute_rule):
    """Look at: three cases, x < 0, x = 0 and x > 0."""
    f = Foreign(np.abs, backward=absolute_rule)
    check_grads(f, np.array([1.0, -2.0, 0.5]), order=1)
    at_zero = np.asarray(absolute_rule(np.array([3.0]), np.array([0.0])))
    assert at_zero == 0.0, (
        f"|x|'(0) is 0, halfway between -1 and 1; your rule makes {at_zero} of g=3"
    )


# %% [markdown]
# ## Puzzle 2
# y = max(a, b). The larger one has it all. Where a = b, who has moved y? Each has half: then the
# shares always add up to g, as they must, because moving both moves y by as much.


# %%
def maximum_rule(g, a, b):
    """(dL/da, dL/db) of y = np.maximum(a, b), given g; a tie is shared equally."""
    raise NotImplementedError("the larger one gets all of g; what is fair between equals?")


def check_maximum_rule(maximum_rule):
    """Look at: at a tie the two shares are g/2 each, so that together they are g."""
    a, b = np.array([1.0, -2.0, 0.5]), np.array([0.0, 3.0, 0.2])
    check_grads(Foreign(np.maximum, backward=maximum_rule), a, b, order=1)
    g, tied = np.array([4.0]), np.array([1.0])
    shares = [float(np.squeeze(share)) for share in maximum_rule(g, tied, tied)]
    assert shares == [2.0, 2.0], f"at a = b = 1, g = 4 has to be split into 2 and 2, not {shares}"


# %% [markdown]
# ## Puzzle 3
# relu that a check can be given: the points where the slope of x <- relu(x) is tested must lie
# further from 0 than the step of a difference. Write what draws them.


# %%
def away_from_zero(rng, size, distance):
    """`size` random floats of either sign, none nearer to 0 than `distance`."""
    raise NotImplementedError("draw how far from zero it is, and then on which side")


def check_away_from_zero(away_from_zero):
    """Look at: both signs, or half of relu is never tested; and never nearer than the distance."""
    x = np.asarray(away_from_zero(np.random.default_rng(0), 200, 0.25))
    assert x.shape == (200,), f"the shape is {x.shape} and must be (200,)"
    nearest = x[np.abs(x).argmin()]
    assert abs(nearest) >= 0.25, f"{nearest:.3g} is nearer to 0 than 0.25"
    assert (x > 0).any() and (x < 0).any(), f"all of them have the sign of {x[0]:.3g}"
    assert len(np.unique(x)) > 100, "they are not random: draw them from rng"
    check_grads(tm.relu, x, order=1, kinks="raise")


# %%
if __name__ == "__main__":
    grade(globals())
