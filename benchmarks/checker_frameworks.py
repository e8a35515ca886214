"""A case of the checkers' benchmark as a function of each framework, and that framework's checkers.

Each is used as its own documentation has it: a backward pass by hand is a torch.autograd.Function,
a jax.custom_vjp, or a primitive of HIPS autograd with its vjp.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinymeta.testing import Foreign, check_grads

from .checker_cases import Case


class Checker(NamedTuple):
    """A checker and the framework that its functions are of."""

    name: str
    framework: str
    check: Callable  # (function, arrays) -> None, or raises


# ---- a case as a function of each framework -----------------------------------------------------


def _in_torch(torch: Any, case: Case) -> Callable:
    """The case as a function of torch tensors."""
    m = _Namespace(
        torch, array=torch.as_tensor, stop=lambda x: x.detach(), plain=lambda x: x.detach()
    )
    if case.backward is None:
        return lambda *xs: case.f(m, *xs)

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *xs: Any) -> Any:
            ctx.save_for_backward(*xs)
            return case.f(m, *xs)

        @staticmethod
        def backward(ctx: Any, *gs: Any) -> Any:
            return case.backward(m, _one_or_all(gs), *ctx.saved_tensors)

    return Function.apply


def _in_jax(jax: Any, case: Case) -> Callable:
    """The case as a function of JAX's arrays."""
    m = _Namespace(jax.numpy, stop=jax.lax.stop_gradient, amax=jax.numpy.max)
    if case.backward is None:
        return lambda *xs: case.f(m, *xs)
    function = jax.custom_vjp(lambda *xs: case.f(m, *xs))
    function.defvjp(
        lambda *xs: (case.f(m, *xs), xs), lambda xs, g: _as_tuple(case.backward(m, g, *xs))
    )
    return function


def _in_autograd(autograd: Any, case: Case) -> Callable:
    """The case as a function of NumPy arrays, for HIPS autograd."""
    value = autograd.tracer.getval
    m = _Namespace(autograd.numpy, stop=value, plain=value, amax=autograd.numpy.max)
    if case.backward is None:
        return lambda *xs: case.f(m, *xs)
    function = autograd.extend.primitive(lambda *xs: case.f(_Namespace(np, amax=np.max), *xs))

    def rule(place: int) -> Callable:
        return lambda ans, *xs: lambda g: _as_tuple(case.backward(m, g, *xs))[place]

    autograd.extend.defvjp(function, *map(rule, range(len(case.inputs))))
    return function


class _Namespace:
    """A module, with some names of ours in it."""

    def __init__(self, module: Any, **names: Any):
        self.module = module
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)


def _as_tuple(x: Any) -> tuple:
    return x if isinstance(x, tuple) else (x,)


def _one_or_all(gs: tuple) -> Any:
    return gs if len(gs) > 1 else gs[0]


# ---- the checkers -------------------------------------------------------------------------------


def _torch_checkers() -> tuple[Callable, list[Checker]]:
    """(a case as torch's function, the checkers of such functions)."""
    import torch

    torch.set_num_threads(1)

    def tracked(xs: list) -> list:
        return [torch.tensor(x, requires_grad=True) for x in xs]

    def once(f: Callable, xs: list) -> None:
        torch.autograd.gradcheck(f, tracked(xs))

    def twice(f: Callable, xs: list) -> None:
        torch.autograd.gradcheck(f, tracked(xs))
        torch.autograd.gradgradcheck(f, tracked(xs))

    def fast(f: Callable, xs: list) -> None:
        torch.autograd.gradcheck(f, tracked(xs), fast_mode=True)
        torch.autograd.gradgradcheck(f, tracked(xs), fast_mode=True)

    return lambda case: _in_torch(torch, case), [
        Checker("check_grads", "torch", lambda f, xs: check_grads(f, *map(torch.tensor, xs))),
        Checker("torch gradcheck", "torch", once),
        Checker("torch gradcheck and gradgradcheck", "torch", twice),
        Checker("the same, fast mode", "torch", fast),
    ]


def _jax_checkers() -> tuple[Callable, list[Checker]]:
    """(a case as JAX's function, the checkers of such functions)."""
    import jax
    import jax.test_util

    jax.config.update("jax_enable_x64", True)
    theirs = jax.test_util.check_grads
    arrays = lambda xs: [jax.numpy.asarray(x) for x in xs]
    return lambda case: _in_jax(jax, case), [
        Checker("check_grads", "jax", lambda f, xs: check_grads(f, *arrays(xs))),
        Checker(
            "jax.test_util.check_grads",
            "jax",
            lambda f, xs: theirs(f, arrays(xs), order=2, modes=("rev",)),
        ),
    ]


def _autograd_checkers() -> tuple[Callable, list[Checker]]:
    """(a case as a function for HIPS autograd, the checkers of such functions)."""
    import autograd
    import autograd.extend
    import autograd.numpy
    import autograd.test_util
    import autograd.tracer
    from autograd.core import make_vjp

    theirs = autograd.test_util.check_grads

    def vjp(f: Callable, *xs: Any) -> tuple:
        box = autograd.builtins.tuple
        pull, y = make_vjp(lambda xs: box(_as_tuple(f(*xs))), box(xs))

        def gradients(us: tuple) -> list:
            found = pull(box(us))
            return [found[k] for k in range(len(xs))]

        return y, gradients

    return lambda case: _in_autograd(autograd, case), [
        Checker("check_grads", "autograd", lambda f, xs: check_grads(Foreign(f, vjp=vjp), *xs)),
        Checker(
            "autograd check_grads",
            "autograd",
            lambda f, xs: theirs(f, argnum=tuple(range(len(xs))), modes=["rev"], order=2)(*xs),
        ),
    ]


MAKERS = {"torch": _torch_checkers, "jax": _jax_checkers, "autograd": _autograd_checkers}
