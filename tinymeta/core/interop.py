"""What NumPy, Python's own functions and other libraries get when they are given a Tensor.

To read the value of a tensor that is being differentiated is to drop its gradient in silence. So
NumPy and Python's functions may read untracked tensors; a tracked one raises TypeError, which names
what to write instead. `.numpy()`, `.item()`, comparisons, `bool` and printing say plainly that a
value is read, and may. Integers and bools have no gradient to lose. While a function is traced
there is no value: the stand-in of the array raises by itself.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

# fmt: off
# What `array * tensor` becomes: NumPy calls with the ufunc's name, the tensor is the right operand.
_REFLECTED = {
    "add": "__radd__",          "subtract": "__rsub__",      "multiply": "__rmul__",
    "divide": "__rtruediv__",   "matmul": "__rmatmul__",     "power": "__rpow__",
    "equal": "__eq__",          "less": "__gt__",            "less_equal": "__ge__",
    "not_equal": "__ne__",      "greater": "__lt__",         "greater_equal": "__le__",
    "bitwise_and": "__rand__",  "bitwise_or": "__ror__",     "bitwise_xor": "__rxor__"}
# NumPy's names of what tinymeta has under another one.
OTHER_NAMES = {
    "absolute": "abs",          "subtract": "sub",           "multiply": "mul",
    "divide": "div",            "true_divide": "div",        "negative": "neg",
    "array": "asarray",         "remainder": "mod",          "amax": "max",
    "amin": "min",              "multiply.reduce": "prod",   "add.accumulate": "cumsum",
    "add.reduce": "sum",        "maximum.reduce": "max",     "minimum.reduce": "min"}
# fmt: on


class Readable:
    """The methods of Tensor by which others read it. They use only the attributes named here."""

    __slots__ = ()
    value: Any
    serial: int
    shape: Any
    dtype: Any
    size: Any
    item: Callable
    numpy: Callable

    def read(self, how: str) -> np.ndarray:
        """The value, for a reader who does not know of gradients.

        Raises TypeError, naming the reader, if there is one to lose.
        """
        if _loses_gradient(self):
            raise TypeError(
                f"{how} of a tensor that is being differentiated would drop the "
                f"gradient: {_instead(how)}.numpy() or .item() if the value alone is "
                "what you want"
            )
        return self.numpy()

    # ---- NumPy ----
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        convert = np.array if copy else np.asarray
        return convert(self.read("np.array"), dtype=dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__":
            inputs, options = _read_all((inputs, options), f"np.{ufunc.__name__}.{method}")
            return getattr(ufunc, method)(*inputs, **options)
        operator = _REFLECTED.get(ufunc.__name__)
        if operator and not options and not isinstance(inputs[0], Readable):
            return getattr(inputs[-1], operator)(inputs[0])
        inputs, options = _read_all((inputs, options), f"np.{ufunc.__name__}")
        return ufunc(*inputs, **options)

    def __array_function__(self, function: Any, types: Any, args: tuple, kwargs: dict) -> Any:
        module = function.__module__.removeprefix("numpy").strip(".")
        name = f"{module}.{function.__name__}" if module else function.__name__
        args, kwargs = _read_all((args, kwargs), f"np.{name}")
        return function(*args, **kwargs)

    # ---- other libraries ----
    def __dlpack__(self, **kwargs: Any) -> Any:
        self.read("__dlpack__")
        return self.value.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.value.__dlpack_device__()

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return self.value.__cuda_array_interface__  # AttributeError, as it should be, on a CPU

    # ---- Python ----
    def __float__(self) -> float:
        return float(_only_element(self, "float(x)"))

    def __int__(self) -> int:
        return int(_only_element(self, "int(x)"))

    def __index__(self) -> int:
        if self.shape or self.dtype.kind not in "iu":
            raise TypeError(
                f"only a 0-d tensor of an integer counts or indexes, not {self.dtype}{self.shape}"
            )
        return self.item()

    def __round__(self, digits: int | None = None) -> Any:
        return round(_only_element(self, "round(x)"), digits)

    def __format__(self, how: str) -> str:
        return format(self.item(), how) if how else str(self)

    def tolist(self) -> Any:
        """The values as Python numbers, in lists of lists."""
        return self.numpy().tolist()


def _loses_gradient(x: Readable) -> bool:
    """Would a reader of this tensor drop a gradient?"""
    return bool(x.serial) and isinstance(x.value, np.ndarray) and x.value.dtype.kind == "f"


def _only_element(x: Readable, how: str) -> Any:
    """The only element, for a reader who does not know of gradients."""
    if x.size == 1:
        x.read(how)
    return x.item()


def _read_all(node: Any, how: str) -> Any:
    """Arguments of a NumPy function, with an array for each Tensor in them."""
    if isinstance(node, Readable):
        return node.read(how)
    if type(node) in (list, tuple):
        return type(node)([_read_all(x, how) for x in node])
    if type(node) is dict:
        return {key: _read_all(x, how) for key, x in node.items()}
    return node


def _instead(how: str) -> str:
    """The beginning of an advice: the function of tinymeta to use, if there is one."""
    name = how.removeprefix("np.")
    name = OTHER_NAMES.get(name, name)
    found: Any = sys.modules.get("tinymeta")
    for part in name.split("."):  # "linalg.solve" is in a module of the package
        found = getattr(found, part, None)
    return "use " if found is None else f"use tm.{name}, or "
