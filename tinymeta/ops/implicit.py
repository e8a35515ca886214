"""The derivative of a solution, by what it solves and not by how it was found.

An example before the mechanism: x = sqrt(a), found by any means, solves F(x, a) = x x - a = 0.
Where a moves, x moves so that F stays 0: 2 x dx - da = 0, so dx / da = 1 / (2 x).

    F(x(a), a) = 0    so    A dx + B da = 0,    A = dF/dx,  B = dF/da    (Dini 1878)

    the cotangent u of x becomes    w = A^-T u,    and that of a is    -B'w

Both are made of operations at the solution alone: B'w is a pullback of F, and w is the solution of
a linear system, which again has its derivative by what it solves (A' w - u = 0). So every order is
there, in both modes, and the steps of the solver are forgotten as soon as they are taken. A is
never formed, unless the linear solver does: it is asked for products alone.

Cost of a first derivative: one linear solve, two pullbacks of F.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..core import tree
from ..core.checks import check_function, check_one_of, check_real
from ..core.forward import jvp
from ..core.grad import detach, stop_gradient, vjp
from ..core.primitive import require
from ..core.tensor import Tensor, asarray
from ..core.transpose import Undefined
from .custom import custom_vjp
from .elementwise import abs, neg, sub
from .linear import conjugate_gradient, eliminate, inner_product
from .movement import expand_dims, squeeze

_MOST_STEPS = 100  # of conjugate gradients; while tracing, all of them are taken


def implicit(
    solve: Callable,
    optimality: Callable,
    *,
    linear: str | Callable = "cg",
    tol: float | None = 1e-6,
) -> Callable:
    """`solve`, with derivatives of every order by the implicit function theorem.

    x = solve(*args) is a floating tensor or a tree of them, with optimality(x, *args) = 0, a tree
    like x: of a minimum, the gradient. Arguments are trees; what is differentiated may be used by
    the two functions only as an argument.
    linear: how the systems with A = d optimality / dx, or its transpose, are solved. "cg": by
    conjugate gradients, for symmetric A; "dense": by elimination, for any A that is small; or a
    function linear(apply, b) -> x with apply(x) = b, for trees like the solution.
    tol: how far from 0 optimality may be at the solution, as a share of 1 + |x|; None: anyhow.

    Raises ValueError where `solve` did not converge, so that optimality is not 0 or is unlike x,
    and where the linear system is singular, or indefinite so that conjugate gradients have no next
    step, or they did not converge; while a program is traced, values are not looked at.
    """
    check_function("implicit", solve=solve, optimality=optimality)
    if tol is not None:
        check_real("implicit", least=0, tol=tol)
    if not callable(linear):
        check_one_of("implicit", tuple(_LINEAR), linear=linear)
        linear = _LINEAR[linear]

    def solution(*args: Any) -> Any:
        leaves, rebuild = tree.flatten(args)
        moving = [k for k, x in enumerate(leaves) if type(x) is Tensor and x.serial]

        def arguments(tensors: tuple) -> Any:
            full = list(leaves)
            for k, t in zip(moving, tensors):
                full[k] = t
            return rebuild(full)

        def system(x: Any, *tensors: Tensor) -> Any:
            return optimality(x, *arguments(tensors))

        def found(*tensors: Tensor) -> Any:
            return forward(*tensors)[0]

        def forward(*tensors: Tensor) -> tuple:
            constants = arguments(tuple(map(stop_gradient, tensors)))
            x = tree.map(_floating, solve(*constants))
            rest = optimality(x, *constants)
            _check_optimal(x, rest, tol)
            return x, (x, tensors, rest)  # custom_vjp looks through these for what is closed over

        def backward(residuals: tuple, u: Any) -> tuple:
            x, tensors, _ = residuals
            w = _linear_solution(linear, _pulled(system), _pushed(system), u, (x, tensors))
            _, pull = vjp(partial(system, x), *tensors)
            return tuple(map(neg, pull(w)))

        found.__name__ = "a function of implicit"
        differentiable = custom_vjp(found, forward, backward)
        return differentiable(*(leaves[k] for k in moving))

    return solution


def _pulled(system: Callable) -> Callable:
    """(w, (x, arguments)) -> A'w, for A the Jacobian of the system at x."""

    def apply(w: Any, at: tuple) -> Any:
        x, tensors = at
        _, pull = vjp(lambda x: system(x, *tensors), x)
        return pull(w)[0]

    return apply


def _pushed(system: Callable) -> Callable:
    """(v, (x, arguments)) -> A v."""

    def apply(v: Any, at: tuple) -> Any:
        x, tensors = at
        return jvp(lambda x: system(x, *tensors), (x,), (v,))[1]

    return apply


def _linear_solution(
    linear: Callable, apply: Callable, transposed: Callable, b: Any, at: tuple
) -> Any:
    """w with apply(w, at) = b, whose derivative is the solution of a system with `transposed`."""

    def solve(b: Any, at: tuple) -> Any:
        if any(type(t.value) is Undefined for t in tree.leaves(b)):
            return tree.map(detach, b)  # of which shape and dtype are all that is asked, too
        constants = stop_gradient(at)
        return linear(lambda v: apply(v, constants), stop_gradient(b))

    def forward(b: Any, at: tuple) -> tuple:
        w = solve(b, at)
        return w, (w, at)

    def backward(residuals: tuple, u: Any) -> tuple:
        w, at = residuals
        z = _linear_solution(linear, transposed, apply, u, at)
        _, pull = vjp(lambda at: apply(w, at), at)
        return z, tree.map(neg, pull(z)[0])

    return custom_vjp(solve, forward, backward)(b, at)


def _floating(x: Any) -> Tensor:
    """What `solve` returned, as a tensor. Raises ValueError for one that cannot move."""
    x = asarray(x)
    if x.dtype.kind != "f":
        raise ValueError(
            f"implicit: solve returned {x.dtype}{x.shape}: a solution that can be differentiated "
            "is of floats, cast it with astype"
        )
    return x


def _check_optimal(x: Any, residual: Any, tol: float | None) -> None:
    """Raise ValueError if the residual is unlike x, or not zero."""
    shapes = [[t.shape for t in tree.leaves(tree.map(asarray, y))] for y in (x, residual)]
    if tree.paths(x) != tree.paths(residual) or shapes[0] != shapes[1]:
        raise ValueError(
            f"implicit: optimality returns arrays of shapes {shapes[1]} and solve {shapes[0]}: "
            "there must be one equation for each unknown, in a tree like the solution"
        )
    if tol is None:
        return
    for value, rest in zip(tree.leaves(x), tree.leaves(residual)):
        if value.size:
            share = abs(rest).max() / (1.0 + abs(value).max())
            require(share, partial(_refuse_not_optimal, tol))


def _refuse_not_optimal(tol: float, share: np.ndarray) -> None:
    if not share <= tol:
        raise ValueError(
            f"implicit: optimality is {share:.1e} of 1 + |x| at the solution and not 0 to tol={tol}"
            ": solve did not converge (more steps), or solves something else"
        )


def _by_conjugate_gradient(apply: Callable, b: Any) -> Any:
    """The solution of one system; ValueError if there is none, or too few steps."""
    alone = partial(tree.map, lambda t: squeeze(t, 0))
    among_systems = partial(tree.map, lambda t: expand_dims(t, 0))
    unknowns = int(np.sum([t.size for t in tree.leaves(b)]))
    steps = min(2 * unknowns, _MOST_STEPS)
    b = among_systems(b)
    image = lambda v: among_systems(apply(alone(v)))
    x = conjugate_gradient(image, b, steps)
    rest = tree.map(sub, b, image(x))
    square, rest_square = inner_product(b, b), inner_product(rest, rest)
    unsolved = rest_square > float(np.finfo(square.dtype).eps) * square
    require(unsolved, partial(_refuse_unsolved, steps))
    return alone(x)


def _refuse_unsolved(steps: int, unsolved: np.ndarray) -> None:
    if unsolved.any():
        raise ValueError(
            f"implicit: conjugate gradients did not converge in {steps} steps: the system is "
            'ill-conditioned or not symmetric; use linear="dense", or a solver of your own'
        )


_LINEAR = {"cg": _by_conjugate_gradient, "dense": eliminate}
