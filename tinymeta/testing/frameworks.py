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

import numpy as np

from ..core import tree
from ..core.checks import check_function, shown
from ..core.tensor import Tensor
from .foreign import Foreign, as_numpy

_METHOD = "loss_and_grad"  # of an object that computes both at once, as scikit-learn's losses do


def as_function_of_arrays(check_name: str, f: Any, args: tuple) -> tuple[Callable, tuple]:
    """(a function of trees of arrays or tensors of ours, its arguments), from any framework's.

    PyTorch: a function, `torch.nn.Module` or `torch.autograd.Function`. If a tensor among the
    arguments requires a gradient, those that do are differentiated, else all floating ones; of a
    module its parameters and all floating arguments. JAX: a function of pytrees of any kind, or a
    callable pytree, such as an Equinox module. An object with a method
    `loss_and_grad(params, *data)` is a function of the parameters. A `Foreign` makes what it takes
    of NumPy arrays, whatever its samples are. All else stays as it is.

    Raises TypeError, naming the check, for what is none of these.
    """
    if not hasattr(f, _METHOD):
        check_function(check_name, f=f)
    if isinstance(f, Foreign):
        return f, tree.map(_of_numpy, args)
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if torch is not None and _is_of_torch(torch, f, args):
        from .from_torch import torch_function

        return torch_function(torch, f, args)
    if jax is not None and _is_of_jax(jax, f, args):
        from .from_jax import jax_function

        return jax_function(jax, f, args)
    if not callable(f) and hasattr(f, _METHOD):
        return _of_loss_and_grad(f, args)
    return f, args


def _is_of_torch(torch: Any, f: Any, args: tuple) -> bool:
    return (
        isinstance(f, torch.nn.Module)
        or isinstance(f, type)
        and issubclass(f, torch.autograd.Function)
        or any(isinstance(x, torch.Tensor) for x in tree.leaves(args))
    )


def _is_of_jax(jax: Any, f: Any, args: tuple) -> bool:
    if not hasattr(jax, "tree_util"):  # it is being imported
        return False
    return any(isinstance(x, jax.Array) for x in jax.tree_util.tree_leaves((f, args)))


def _of_loss_and_grad(model: Any, args: tuple) -> tuple[Callable, tuple]:
    """The loss of model.loss_and_grad(params, *data) -> (loss, gradient), by its parameters alone.

    The gradient is a tree like the parameters; the data stay as they are.
    """
    name = type(model).__name__
    if not args:
        raise ValueError(f"{name}.{_METHOD}(params, *data) needs samples: hand in params and data")
    params, *data = args

    def both(params: Any) -> tuple:
        result = getattr(model, _METHOD)(params, *data)
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"{name}.{_METHOD} returns {shown(result)}: return (loss, gradient)")
        return result

    def loss(params: Any) -> Any:
        return both(params)[0]

    def backward(g: Any, params: Any) -> Any:
        return tree.map(lambda d: g * d, both(params)[1])

    loss.__name__ = name
    return Foreign(loss, backward=backward), (params,)


def on_arrays_of(sample: Any) -> Callable[[Callable], Callable]:
    """A decorator: a function of the framework of the arrays in `sample`, as one of NumPy arrays.

    Floats that are given to a function of PyTorch require a gradient, as parameters do. Of NumPy's
    arrays and ours the function stays as it is.
    """
    framework = _framework_of(sample)
    if framework == "torch":
        from .from_torch import on_tensors

        return lambda f: on_tensors(sys.modules["torch"], f)
    if framework == "jax":
        from .from_jax import on_jax_arrays

        return lambda f: on_jax_arrays(sys.modules["jax"], f)
    return lambda f: f


def maker_of_arrays(sample: Any) -> Callable:
    """What makes of a NumPy array one of the framework of the arrays in `sample`."""
    framework = _framework_of(sample)
    if framework == "torch":
        return sys.modules["torch"].as_tensor
    return sys.modules["jax"].numpy.asarray if framework == "jax" else np.asarray


def _framework_of(sample: Any) -> str:
    """ "torch" or "jax" where an array in `sample` is of it, else "": NumPy's and ours."""
    leaves = tree.leaves(sample)
    for name, kind in (("torch", "Tensor"), ("jax", "Array")):
        arrays = getattr(sys.modules.get(name), kind, ())
        if any(isinstance(x, arrays) for x in leaves):
            return name
    return ""


def _of_numpy(x: Any) -> Any:
    is_known = isinstance(x, (np.ndarray, np.generic, Tensor)) or not hasattr(x, "dtype")
    return x if is_known else as_numpy(x)
