"""A number that a traced function is given: weak, like the Python or NumPy number it stands for.

`0.1 * x` takes the dtype of x, and what `lr * 2` does to it later is as exact as Python would have
it. So a program has an input for each dtype in which a number is met, and none for a number that
no array meets.
"""

import operator
from collections.abc import Callable

import numpy as np

from ..core.convert import WEAK_SCALARS, TracedScalar
from ..core.tensor import Tensor, asarray

ALONE = {float: np.float32}  # what tm.asarray makes of one; a NumPy number keeps its own
EXACT = {float: np.float64}  # what arithmetic among numbers alone is done in


class Scalar(TracedScalar):
    """kind: the type of the number. of_dtype(dtype): it, as a 0-d tensor of that dtype."""

    __array_priority__ = 1000  # `array * scalar` is the scalar's to answer
    __hash__ = None

    def __init__(self, kind: type, of_dtype: Callable):
        self.kind, self.of_dtype = kind, of_dtype

    def astype(self, dtype=None) -> Tensor:
        return self.of_dtype(np.dtype(dtype or ALONE.get(self.kind, self.kind)))

    @property
    def exact(self) -> Tensor:
        return self.of_dtype(np.dtype(EXACT.get(self.kind, self.kind)))

    def __repr__(self):
        return f"<a {self.kind.__name__}, not known yet>"

    def require(self, test: Callable) -> bool:
        return self.exact.value.require(test)

    def refuse(self, *args, **kwargs):
        return self.exact.value.refuse()

    __array__ = __bool__ = __float__ = __int__ = __index__ = __round__ = __format__ = refuse


def derived(kind: type, exact: Tensor) -> Scalar:
    """The number that arithmetic among numbers gives."""
    return Scalar(kind, lambda dtype: exact if exact.dtype == dtype else exact.astype(dtype))


def kind_of(x) -> type:
    return x.kind if isinstance(x, Scalar) else type(x)


def arithmetic(operation: Callable, turned: bool = False) -> Callable:
    """The method of an operator: of numbers a number, of the type that Python and NumPy give it."""

    def method(self, other):
        if isinstance(other, np.ndarray):  # nothing of ours: NumPy's dtype, then
            dtype = operation(np.ones(1, other.dtype), self.kind(1)).dtype
            array, own = asarray(other).astype(dtype), number(self, dtype)
            return operation(array, own) if turned else operation(own, array)
        if not isinstance(other, WEAK_SCALARS):
            return NotImplemented  # a Tensor answers for itself
        pair = (other, self) if turned else (self, other)
        kind = type(operation(*(kind_of(x)(1) for x in pair)))
        dtype = np.dtype(EXACT.get(kind, kind))
        return derived(kind, operation(*(number(x, dtype) for x in pair)))

    return method


def comparison(operation: Callable) -> Callable:
    """Of numbers a bool that is not known yet: it may choose in tm.where, and cannot in an `if`."""

    def method(self, other):
        if not isinstance(other, WEAK_SCALARS):
            return NotImplemented
        dtype = np.result_type(*(EXACT.get(kind_of(x), kind_of(x)) for x in (self, other)))
        return operation(number(self, dtype), number(other, dtype))

    return method


def number(x, dtype) -> Tensor:
    return x.of_dtype(dtype) if isinstance(x, Scalar) else asarray(np.array(x, dtype))


for _name in ("add", "sub", "mul", "truediv", "pow"):
    setattr(Scalar, f"__{_name}__", arithmetic(getattr(operator, _name)))
    setattr(Scalar, f"__r{_name}__", arithmetic(getattr(operator, _name), turned=True))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Scalar, f"__{_name}__", comparison(getattr(operator, _name)))
Scalar.__neg__ = lambda self: derived(self.kind, -self.exact)
Scalar.__pos__ = lambda self: self
Scalar.__abs__ = lambda self: derived(self.kind, abs(self.exact))
