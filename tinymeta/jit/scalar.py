"""The stand-in for a number that a traced function is given: weak, like a Python or NumPy number.

`0.1 * x` takes the dtype of x, and what `lr * 2` does to it later is as exact as Python's
arithmetic. So a program has an input for each dtype in which a number meets arrays, and none for a
number that meets none.

Invariant: a Scalar knows the type of the number (`kind`) and how to get it as a 0-d tensor of any
dtype (`of_dtype`), never its value; reading the value raises `Unreadable`. A number as a float64
tensor would be simpler, and `0.1 * x` of a float32 x would become float64.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.convert import WEAK_SCALARS, TracedScalar
from ..core.tensor import Tensor, asarray

# The dtype of a Python float: in tm.asarray, and in arithmetic among numbers alone. A NumPy number
# keeps its own in both.
_STANDALONE_DTYPE: dict[type, Any] = {float: np.float32}
_ARITHMETIC_DTYPE: dict[type, Any] = {float: np.float64}


class Scalar(TracedScalar):
    """A number that is not known yet.

    kind: its type. of_dtype(dtype): the number as a 0-d tensor of that dtype.
    """

    __array_priority__ = 1000  # so NumPy leaves `array * scalar` to this class
    __hash__ = None  # type: ignore[assignment]  # it has no value yet to hash

    def __init__(self, kind: type, of_dtype: Callable[[Any], Tensor]):
        self.kind, self.of_dtype = kind, of_dtype

    def astype(self, dtype: Any = None) -> Tensor:
        """The number as a 0-d tensor; None: of the dtype that tm.asarray gives it."""
        return self.of_dtype(np.dtype(dtype or _STANDALONE_DTYPE.get(self.kind, self.kind)))

    @property
    def exact(self) -> Tensor:
        """The number as a 0-d tensor of the dtype of arithmetic among numbers."""
        return self.of_dtype(_exact_dtype(self.kind))

    def __repr__(self) -> str:
        return f"<a {self.kind.__name__}, not known yet>"

    def require(self, test: Callable) -> bool:
        """Call `test` with the number before each run of the program, if it is an argument."""
        return self.exact.value.require(test)

    def refuse(self, *args: Any, **kwargs: Any) -> Any:
        """Raise `Unreadable`: every way to read the value leads here."""
        return self.exact.value.refuse()

    __array__ = __bool__ = __float__ = __int__ = __index__ = __round__ = __format__ = refuse


def _exact_dtype(kind: type) -> np.dtype:
    """The dtype in which numbers of this type are computed among themselves."""
    return np.dtype(_ARITHMETIC_DTYPE.get(kind, kind))


def _kind_of(x: Any) -> type:
    """The type of a number, known or not."""
    return x.kind if isinstance(x, Scalar) else type(x)


def _as_tensor(x: Any, dtype: Any) -> Tensor:
    """A number, known or not, as a 0-d tensor of this dtype."""
    return x.of_dtype(dtype) if isinstance(x, Scalar) else asarray(np.array(x, dtype))


def _computed(kind: type, exact: Any) -> Scalar:
    """The Scalar of type `kind` whose value in the dtype of arithmetic is the tensor `exact`."""
    return Scalar(kind, lambda dtype: exact if exact.dtype == dtype else exact.astype(dtype))


def _arithmetic(operation: Callable, reflected: bool = False) -> Callable:
    """The method of an operator: of numbers a number, of the type that Python and NumPy give it."""

    def method(self: Scalar, other: Any) -> Any:
        if isinstance(other, np.ndarray):  # no Tensor is involved, so the dtype is NumPy's
            dtype = operation(np.ones(1, other.dtype), self.kind(1)).dtype
            array, scalar = asarray(other).astype(dtype), _as_tensor(self, dtype)  # type: ignore
            return operation(array, scalar) if reflected else operation(scalar, array)
        if not isinstance(other, WEAK_SCALARS):
            return NotImplemented  # a Tensor has a method of its own
        left, right = (other, self) if reflected else (self, other)
        kind = type(operation(_kind_of(left)(1), _kind_of(right)(1)))
        dtype = _exact_dtype(kind)
        return _computed(kind, operation(_as_tensor(left, dtype), _as_tensor(right, dtype)))

    return method


def _comparison(operation: Callable) -> Callable:
    """The method of a comparison: a bool tensor, which tm.where takes and `if` does not."""

    def method(self: Scalar, other: Any) -> Any:
        if not isinstance(other, WEAK_SCALARS):
            return NotImplemented
        dtype = np.result_type(_exact_dtype(self.kind), _exact_dtype(_kind_of(other)))
        return operation(_as_tensor(self, dtype), _as_tensor(other, dtype))

    return method


def _negative(self: Scalar) -> Scalar:
    return _computed(self.kind, operator.neg(self.exact))  # type: ignore[arg-type]


def _positive(self: Scalar) -> Scalar:
    return self


def _absolute(self: Scalar) -> Scalar:
    return _computed(self.kind, operator.abs(self.exact))  # type: ignore[arg-type]


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Scalar, f"__{_name}__", _arithmetic(getattr(operator, _name)))
    setattr(Scalar, f"__r{_name}__", _arithmetic(getattr(operator, _name), reflected=True))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Scalar, f"__{_name}__", _comparison(getattr(operator, _name)))
for _name, _method in (("neg", _negative), ("pos", _positive), ("abs", _absolute)):
    setattr(Scalar, f"__{_name}__", _method)
