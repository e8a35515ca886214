"""A tensor among others: what NumPy, Python's own functions and other libraries get when they ask.

Whoever reads the value of a tensor that is being differentiated would drop its gradient in silence.
So NumPy and Python's functions read untracked tensors, and a tracked one refuses, naming the way
out; `.numpy()`, `.item()`, comparisons, `bool` and printing say plainly that a value is read. What
is no float has no gradient to lose. While a function is traced there is no value: the stand-in of
the array refuses by itself.
"""

import sys

import numpy as np

# What `array * tensor` becomes: NumPy asks with the ufunc's name,
# the tensor answers as right operand.
REFLECTED = {
    "add": "__radd__",
    "subtract": "__rsub__",
    "multiply": "__rmul__",
    "equal": "__eq__",
    "divide": "__rtruediv__",
    "matmul": "__rmatmul__",
    "power": "__rpow__",
    "not_equal": "__ne__",
    "less": "__gt__",
    "less_equal": "__ge__",
    "greater": "__lt__",
    "greater_equal": "__le__",
    "bitwise_and": "__rand__",
    "bitwise_or": "__ror__",
    "bitwise_xor": "__rxor__",
}
NAMED_OTHERWISE = {
    "absolute": "abs",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "negative": "neg",
    "linalg.norm": "norm",
    "array": "asarray",
    "dot": "matmul",
    "vstack": "concatenate",
    "hstack": "concatenate",
    "amax": "max",
    "amin": "min",
    "add.reduce": "sum",
    "maximum.reduce": "max",
    "minimum.reduce": "min",
}


class Readable:
    """The methods by which others read a tensor; it has `value`, `serial`, `item` and `numpy`."""

    __slots__ = ()

    def read(self, how: str) -> np.ndarray:
        """The value, for a reader who does not know of gradients.

        Raises TypeError, naming the reader, if there is one to lose.
        """
        if is_tracked(self):
            raise TypeError(
                f"{how} of a tensor that is being differentiated would drop the "
                f"gradient: {advice(how)}.numpy() or .item() if the value alone is "
                "what you want"
            )
        return self.numpy()

    # ---- NumPy ----
    def __array__(self, dtype=None, copy=None):
        convert = np.array if copy else np.asarray
        return convert(self.read("np.array"), dtype=dtype)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        if method != "__call__":
            inputs, options = arrays_in((inputs, options), f"np.{ufunc.__name__}.{method}")
            return getattr(ufunc, method)(*inputs, **options)
        operator = REFLECTED.get(ufunc.__name__)
        if operator and not options and not isinstance(inputs[0], Readable):
            return getattr(inputs[-1], operator)(inputs[0])
        inputs, options = arrays_in((inputs, options), f"np.{ufunc.__name__}")
        return ufunc(*inputs, **options)

    def __array_function__(self, function, types, args, kwargs):
        module = function.__module__.removeprefix("numpy").strip(".")
        name = f"{module}.{function.__name__}" if module else function.__name__
        args, kwargs = arrays_in((args, kwargs), f"np.{name}")
        return function(*args, **kwargs)

    # ---- other libraries ----
    def __dlpack__(self, **kwargs):
        self.read("__dlpack__")
        return self.value.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.value.__dlpack_device__()

    @property
    def __cuda_array_interface__(self):
        return self.value.__cuda_array_interface__  # AttributeError, as it should be, on a CPU

    # ---- Python ----
    def __float__(self):
        return float(one(self, "float(x)"))

    def __int__(self):
        return int(one(self, "int(x)"))

    def __index__(self):
        if self.shape or self.dtype.kind not in "iu":
            raise TypeError(
                f"only a 0-d tensor of an integer counts or indexes, not {self.dtype}{self.shape}"
            )
        return self.item()

    def __round__(self, digits=None):
        return round(one(self, "round(x)"), digits)

    def __format__(self, how: str):
        return format(self.item(), how) if how else str(self)

    def tolist(self):
        """The values as Python numbers, in lists of lists."""
        return self.numpy().tolist()


def is_tracked(x) -> bool:
    """Would a reader of this tensor drop a gradient?"""
    return bool(x.serial) and isinstance(x.value, np.ndarray) and x.value.dtype.kind == "f"


def one(x, how: str):
    """The only element, for a reader who does not know of gradients."""
    if x.size == 1:
        x.read(how)
    return x.item()


def arrays_in(node, how: str):
    """Arguments of a NumPy function, all tensors in them read."""
    if isinstance(node, Readable):
        return node.read(how)
    if type(node) in (list, tuple):
        return type(node)([arrays_in(x, how) for x in node])
    if type(node) is dict:
        return {key: arrays_in(x, how) for key, x in node.items()}
    return node


def advice(how: str) -> str:
    """What there is of ours instead, if there is anything."""
    name = how.removeprefix("np.")
    name = NAMED_OTHERWISE.get(name, name)
    return f"use tm.{name}, or " if hasattr(sys.modules.get("tinymeta"), name) else "use "
