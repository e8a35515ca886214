"""A function of any framework's arrays, as one of NumPy arrays that every check takes.

In: `f` and sample arguments, of PyTorch, JAX, NumPy or this engine. Out: a function and arguments
for `examine` (subject.py). Which framework it is, the samples say by their type: so a test names
the function and what to call it with, and nothing else. A framework that nobody has imported made
none of the arguments, so none is imported here.

Invariant: what comes out computes in the dtype of the arrays that it is given, so that a check can
ask for float64 of a function whose samples are float32.
"""

import sys
from collections.abc import Callable
from typing import Any

from ..core import tree
from .foreign import Foreign
from .refusals import name_of

_METHOD = "loss_and_grad"  # of an object that computes both at once, as scikit-learn's losses do


def as_function_of_arrays(f: Any, args: tuple) -> tuple[Callable, tuple]:
    """(a function of trees of arrays or tensors of ours, its arguments), from any framework's.

    PyTorch: a function, `torch.nn.Module` or `torch.autograd.Function`. If a tensor among the
    arguments requires a gradient, those that do are differentiated, else all floating ones; of a
    module its parameters and all floating arguments. JAX: a function of pytrees of any kind, or a
    callable pytree, such as an Equinox module. An object with a method
    `loss_and_grad(params, *data)` is a function of the parameters. All else stays as it is.
    """
    if isinstance(f, Foreign):
        return f, args
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if torch is not None and _is_of_torch(torch, f, args):
        from .from_torch import torch_function

        return torch_function(torch, f, args)
    if jax is not None and _is_of_jax(jax, f, args):
        from .from_jax import jax_function

        return jax_function(jax, f, args)
    if not callable(f) and hasattr(f, _METHOD):
        return _of_loss_and_grad(getattr(f, _METHOD), args, type(f).__name__)
    return f, args


def _is_of_torch(torch: Any, f: Any, args: tuple) -> bool:
    classes = (torch.nn.Module,)
    return (
        isinstance(f, classes)
        or isinstance(f, type)
        and issubclass(f, torch.autograd.Function)
        or any(isinstance(x, torch.Tensor) for x in tree.leaves(args))
    )


def _is_of_jax(jax: Any, f: Any, args: tuple) -> bool:
    if not hasattr(jax, "tree_util"):  # it is being imported
        return False
    return any(isinstance(x, jax.Array) for x in jax.tree_util.tree_leaves((f, args)))


def _of_loss_and_grad(
    loss_and_grad: Callable, args: tuple, name: str | None = None
) -> tuple[Callable, tuple]:
    """The loss of `loss_and_grad(params, *data) -> (loss, gradient)`, by its parameters alone.

    The gradient is a tree like the parameters; the data stay as they are.
    """
    params, *data = args

    def loss(params: Any) -> Any:
        return loss_and_grad(params, *data)[0]

    def backward(g: Any, params: Any) -> Any:
        return tree.map(lambda d: g * d, loss_and_grad(params, *data)[1])

    loss.__name__ = name or name_of(loss_and_grad)
    return Foreign(loss, backward=backward), (params,)


def on_arrays_of(sample: Any) -> Callable[[Callable], Callable]:
    """A decorator: a function of the framework of the arrays in `sample`, as one of NumPy arrays.

    Floats that are given to a function of PyTorch require a gradient, as parameters do. Of NumPy's
    arrays and ours the function stays as it is.
    """
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    leaves = tree.leaves(sample)
    if torch is not None and any(isinstance(x, torch.Tensor) for x in leaves):
        from .from_torch import on_tensors

        return lambda f: on_tensors(torch, f)
    if jax is not None and hasattr(jax, "Array") and any(isinstance(x, jax.Array) for x in leaves):
        from .from_jax import on_jax_arrays

        return lambda f: on_jax_arrays(jax, f)
    return lambda f: f
