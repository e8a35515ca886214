# %% [markdown]
# # 1. The product rule
#
# Somewhere downstream there is one number, the loss L. A **rule** of an operation y = f(a, b)
# answers one question: given g = dL/dy, how does L change with a and with b? It multiplies g by
# the slope of f. That is all a backward pass ever does, again and again. The **share** of a is what
# reaches L through a: g times the slope by a. g and a are arrays, each entry of which stands for
# itself.
#
# You write what now raises `NotImplementedError`; its text says what is missing. Then run this
# file, or `python examples/course 1`.

# %%
import numpy as np
from grade import grade

from tinymeta.testing import Foreign, check_grads


def square(x):
    return x * x


def square_rule(g, x):
    """dL/dx, given g = dL/dy of y = x * x: the slope is 2 x."""
    return g * 2.0 * x


# %% [markdown]
# Why believe it? Because (L(x + h) - L(x - h)) / 2h says the same. The kit tries random directions,
# with a bound on what rounding may do. `Foreign(f, backward=rule)` is a function with your rule.
# Read the row: what the rule says along a direction (analytic), and what the difference says
# (numeric); it is right if their error is at most the tolerance.

# %%
x = np.array([1.0, 2.0, 3.0])
print(check_grads(Foreign(square, backward=square_rule), x, order=1))


# %% [markdown]
# ## Puzzle 1
# y = a b. Hold b still and move a: how much does y move? Then the other way round.


# %%
def times_rule(g, a, b):
    """(dL/da, dL/db) of y = a * b, given g = dL/dy; all four are arrays of one shape."""
    raise NotImplementedError("hold one factor still and move the other: how much does y move?")


def check_times_rule(times_rule):
    """Look at: each share is g times the slope, and the slope by a is b."""

    def times(a, b):
        return a * b

    a, b = np.array([1.0, -2.0, 3.0]), np.array([0.5, 4.0, -1.0])
    check_grads(Foreign(times, backward=times_rule), a, b, order=1)


# %% [markdown]
# ## Puzzle 2
# y = x sin(x): x stands there twice, and each place has its share. Shares **add**.


# %%
def wave_rule(g, x):
    """dL/dx of y = x * np.sin(x), given g = dL/dy."""
    raise NotImplementedError("x stands at two places; find the share of each, and add them")


def check_wave_rule(wave_rule):
    """Look at: two shares are added, one for x and one for sin(x), whose slope is cos(x)."""

    def wave(x):
        return x * np.sin(x)

    check_grads(Foreign(wave, backward=wave_rule), np.array([0.3, 1.0, -2.0]), order=1)


# %% [markdown]
# ## Puzzle 3
# y = a / b is the product of a and 1/b, and the slope of 1/b is -1/b^2.


# %%
def quotient_rule(g, a, b):
    """(dL/da, dL/db) of y = a / b, given g = dL/dy."""
    raise NotImplementedError("a / b is the product of a and 1 / b: a slope for each factor")


def check_quotient_rule(quotient_rule):
    """Look at: the share of b has a minus sign, and a in it."""

    def quotient(a, b):
        return a / b

    a, b = np.array([1.0, -2.0, 3.0]), np.array([0.5, 4.0, -1.5])
    check_grads(Foreign(quotient, backward=quotient_rule), a, b, order=1)


# %%
if __name__ == "__main__":
    grade(globals())
