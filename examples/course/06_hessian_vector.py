# %% [markdown]
# # 6. The Hessian times a vector
#
# The Hessian of a loss of a million parameters has 10^12 entries. Nobody needs them: what MAML,
# Newton's method and implicit gradients need is H v for one v. And that is the gradient of one
# number,
#
#     H v = grad <grad f(x), v>        (v is held still; Pearlmutter 1994)
#
# at the cost of a few evaluations of f.

# %%
import numpy as np
from grade import grade

import tinymeta as tm
from tinymeta.testing import Foreign, check_grads


def f(x):
    return (x**4).sum() + tm.sin(x[0] * x[1]) + x[1] * x[2] ** 2


x0 = np.array([0.5, -1.0, 2.0])
print("the gradient there:", tm.grad(f)(x0))


# %% [markdown]
# ## Puzzle 1
# The map x -> grad f(x) has the Jacobian H. Its backward pass is g -> H^T g, and H is symmetric: so
# that is your H v, with v = g, and the kit can check it as the derivative of the gradient.


# %%
def hvp(f, x, v):
    """H v (D,), a tensor: H the Hessian of f at x (D,), f a function to one number, v (D,)."""
    raise NotImplementedError(
        "H v is how the gradient changes along v: make one number of the gradient and v"
    )


def check_hvp(hvp):
    """Look at: two gradients, one in the other, and nothing of the inner one made a constant."""

    def gradient(x):
        return np.asarray(tm.grad(f)(x))

    def backward(g, x):
        return np.asarray(hvp(f, x, g))

    check_grads(Foreign(gradient, backward=backward), x0, order=1)
    v = np.arange(1.0, 1.0 + len(x0))
    found, right = np.asarray(hvp(f, x0, v)), np.asarray(tm.hvp(f, x0, v))
    assert np.abs(found - right).max() <= 1e-12 * np.abs(right).max(), (
        f"H v is {right} and yours {found}: near, as differences are, and exact is asked for"
    )


# %% [markdown]
# ## Puzzle 2
# With H v alone one can solve H x = b: conjugate gradients (Hestenes & Stiefel 1952) need n
# products for n unknowns, for a positive definite H. Start at x = 0, r = b, p = r, and repeat
#
#     a = <r, r> / <p, H p>,   x <- x + a p,   r' = r - a H p,   p <- r' + (<r', r'> / <r, r>) p.


# %%
def solve(product, b, steps):
    """x (D,) with product(x) = b (D,), after so many steps of conjugate gradients, in NumPy.

    product(v) is H v. If <r, r> is 0, for b = 0 at once, stop before dividing by it.
    """
    raise NotImplementedError(
        "go along p as far as it helps, see what is left, turn the next p by what is left"
    )


def check_solve(solve):
    """Look at: r is the residual b - H x all along, and each p is H-orthogonal to the last."""
    root = np.random.default_rng(0).normal(size=(4, 4))
    matrix, b = root @ root.T + np.eye(4), np.array([1.0, -2.0, 3.0, 0.5])
    calls = []

    def product(v):
        calls.append(1)
        return matrix @ v

    x = np.asarray(solve(product, b, 4))
    residual = np.abs(matrix @ x - b).max()
    assert residual < 1e-8, f"after 4 steps for 4 unknowns H x is {matrix @ x} and b is {b}"
    assert len(calls) <= 5, f"4 steps took {len(calls)} products with H: one for each is enough"
    early = np.asarray(solve(product, b, 2))
    assert np.abs(matrix @ early - b).max() > 1e-3, (
        "2 steps cannot solve for 4 unknowns, and yours did: take as many as are asked for"
    )
    assert not np.any(solve(product, np.zeros(4), 4)), "for b = 0 the answer is 0, no 0 / 0"


# %%
if __name__ == "__main__":
    grade(globals())
