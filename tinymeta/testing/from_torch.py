"""A function, module or `autograd.Function` of PyTorch as one of arrays; torch is handed in.

Its pullback is `torch.autograd.grad`, the way in which people's programs take it, and not
`torch.func.vjp`, which refuses an `autograd.Function` without `setup_context`. A module is a
function of its parameters and its input; its buffers are copied for each call, so that a batch norm
that counts what it has seen is the same function each time.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core import tree
from .constants import Constant, split_arguments
from .foreign import Foreign, as_numpy
from .refusals import name_of


def torch_function(torch: Any, f: Any, args: tuple) -> tuple[Callable, tuple]:
    """(a `Foreign`, its arguments as arrays); see `as_function_of_arrays`."""
    name = name_of(f)
    if isinstance(f, torch.nn.Module):
        name = type(f).__name__
        f, args = _function_of_module(torch, f, args)
        chosen = set()
    else:
        is_function = isinstance(f, type) and issubclass(f, torch.autograd.Function)
        f = f.apply if is_function else f
        leaves = tree.leaves(args)
        chosen = {k for k, x in enumerate(leaves) if getattr(x, "requires_grad", False)}

    def moves(k: int, x: Any) -> bool:
        if not isinstance(x, torch.Tensor):
            return isinstance(x, float)
        return k in chosen if chosen else x.is_floating_point()

    leaves, rebuild = tree.flatten(args)
    device = next((x.device for x in leaves if isinstance(x, torch.Tensor)), None)

    def of_tensors(*given: Any) -> tuple:
        found = tree.leaves(given)
        dtype = next((x.dtype for x in found if _is_floating(torch, x)), None)
        return _outputs(torch, f(*rebuild([_as_given(torch, x, dtype) for x in found])))

    foreign = Foreign(
        of_tensors,
        vjp=lambda f, *xs: _vjp(torch, f, *xs),
        asarray=lambda x: torch.as_tensor(x, device=device),
    )
    foreign.__name__ = name
    return foreign, rebuild(split_arguments(leaves, moves, as_numpy))


def _is_floating(torch: Any, x: Any) -> bool:
    return isinstance(x, torch.Tensor) and x.is_floating_point()


def _as_given(torch: Any, x: Any, dtype: Any) -> Any:
    """A leaf as `f` takes it: constants in the dtype of what moves, numbers as numbers."""
    if not isinstance(x, Constant):
        return x
    value = x.value
    if _is_floating(torch, value):
        return value.detach().to(dtype)
    return value.clone() if isinstance(value, torch.Tensor) else value


def _outputs(torch: Any, result: Any) -> tuple:
    """Its tensors, whatever holds them; of a complex one the real and the imaginary parts."""
    if isinstance(result, torch.Tensor):
        return (torch.view_as_real(result.resolve_conj()) if result.is_complex() else result,)
    if isinstance(result, Mapping):
        result = tuple(result.values())
    if not isinstance(result, (tuple, list)):
        return (result,) if isinstance(result, float) else ()
    return tuple(y for part in result for y in _outputs(torch, part))


def _vjp(torch: Any, f: Callable, *xs: Any) -> tuple[Any, Callable]:
    """(f(*xs), its pullback), of tensors; differentiable where xs or the cotangents are tracked."""
    is_inner = any(x.requires_grad for x in xs)
    xs = tuple(x if x.requires_grad else x.detach().requires_grad_() for x in xs)
    with torch.enable_grad():
        ys = f(*xs)

    def pull(us: tuple) -> tuple:
        moving = [(y, u) for y, u in zip(ys, us) if y.requires_grad]
        if not moving:
            return tuple(map(torch.zeros_like, xs))
        again = is_inner or any(u.requires_grad for u in us)
        found = torch.autograd.grad(
            [y for y, _ in moving],
            xs,
            [u for _, u in moving],
            create_graph=again,
            retain_graph=True,
            allow_unused=True,
        )
        return tuple(torch.zeros_like(x) if g is None else g for x, g in zip(xs, found))

    return ys, pull


def _function_of_module(torch: Any, module: Any, args: tuple) -> tuple[Callable, tuple]:
    """(a function of (parameters that are trained, ..args), these arguments)."""
    params = {name: p for name, p in module.named_parameters() if p.requires_grad}
    fixed = {name: p for name, p in module.named_parameters() if not p.requires_grad}
    buffers = dict(module.named_buffers())

    def call(params: dict, *given: Any) -> Any:
        dtype = next(
            (x.dtype for x in tree.leaves((params, given)) if _is_floating(torch, x)), None
        )
        state = {
            name: x.detach().to(dtype).clone() if x.is_floating_point() else x.clone()
            for name, x in {**fixed, **buffers}.items()
        }
        return torch.func.functional_call(module, {**state, **params}, given)

    return call, (params, *args)


def on_tensors(torch: Any, f: Callable) -> Callable:
    """`f` of trees of tensors, as a function of trees of NumPy arrays."""

    def tensor(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        return torch.tensor(x, requires_grad=x.dtype.kind == "f")

    def on_arrays(*args: Any) -> Any:
        return tree.map(as_numpy, f(*(tree.map(tensor, x) for x in args)))

    return on_arrays
