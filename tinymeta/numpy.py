"""NumPy's names, for a program that was written for NumPy or for HIPS autograd:

    import tinymeta.numpy as np

Of what tinymeta has under NumPy's name, a call with a tensor among its arguments is tinymeta's, and
has a gradient; any other call is NumPy's own, with its arguments and its dtypes. So is all that
tinymeta has not, such as `np.random`: given a tensor that is being differentiated it raises
TypeError (core/interop.py), so that no gradient is lost in silence.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy

from . import ops
from .core.convert import TracedScalar
from .core.interop import OTHER_NAMES
from .core.tensor import Tensor, asarray

__all__: list[str] = []  # what NumPy has; nothing of it is in the page of public names twice


def array(data: Any, dtype: Any = None) -> Any:
    """NumPy's array of numbers; a tensor of tensors, which are stacked."""
    if not _has_tensor(data) and not _has_tensor(data, TracedScalar):
        return numpy.array(data, dtype)
    found = asarray(data)
    return found if dtype is None else ops.astype(found, dtype)


def _has_tensor(node: Any, kind: type = Tensor) -> bool:
    """Is one among the arguments of a function, in a list or tuple of them, too?"""
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        return any(_has_tensor(x, kind) for x in node)
    return isinstance(node, kind)


def _widened(x: Any) -> Any:
    return x.astype(numpy.float64) if isinstance(x, TracedScalar) else x


def _either(theirs: Callable, ours: Callable) -> Callable:
    """A function that is ours where a tensor is among its arguments."""

    @functools.wraps(ours)
    def function(*args: Any, **kwargs: Any) -> Any:
        if _has_tensor((args, kwargs)):
            return ours(*args, **kwargs)
        if _has_tensor(args, TracedScalar):  # a number, while `jit` traces: NumPy's float64
            return ours(*map(_widened, args), **kwargs)
        return theirs(*args, **kwargs)

    return function


class _Names:
    """The names of one of NumPy's modules, as attributes."""

    def __init__(self, theirs: Any, ours: Any):
        self._theirs, self._ours = theirs, ours

    @functools.cache  # noqa: B019  one object for each module, which is there to the end
    def _named(self, name: str) -> Any:
        theirs = getattr(self._theirs, name)
        ours = getattr(self._ours, OTHER_NAMES.get(name, name), None)
        both_are_functions = callable(theirs) and callable(ours)
        return _either(theirs, ours) if both_are_functions else theirs  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return self._named(name)


linalg = _Names(numpy.linalg, ops.linalg)
_names = _Names(numpy, ops)


def __getattr__(name: str) -> Any:
    return getattr(_names, name)
