"""A Tensor is an immutable value and where it came from.

`value`                      an array (or, while tracing, a stand-in with the same shape and dtype)
`primitive, inputs, static`  the operation that made it; None for constants and leaves
`serial`                     0 for a constant; else larger than that of anything it was made from
`order`                      how many derivatives deep the line is that made it

Provenance is all that reverse mode needs: grad.py walks it backwards. The operators (`+`, `@`,
`.sum`) are put on this class by ops/__init__.py, so that nothing here knows a particular operation.
"""

import itertools
import math

import numpy as np

from .checks import as_dtype, shown
from .device import check_name, device_of, move
from .interop import Readable
from .scope import state

serials = itertools.count(1)  # one counter for all threads: `next` is atomic
DLPACK_CUDA = 2  # that standard's number for such a device


class Unknown:
    """A number whose value is not known yet, as a compiler hands it to the function it traces.

    It is weak, as the Python or NumPy number is that it stands for. kind: the type of that number.
    """

    kind: type

    def astype(self, dtype=None) -> "Tensor":
        """The number as a 0-d tensor; None: of the dtype that it has where it meets no array."""
        raise NotImplementedError


WEAK = (bool, int, float, np.bool_, np.integer, np.floating, Unknown)
OF_THE_HOST = (np.ndarray, np.generic, *WEAK, list, tuple)


class Tensor(Readable):
    """An immutable array of floats, integers or bools, which remembers how it was made.

    `tm.tensor` and `tm.asarray` make one. It has the operators and indexing of NumPy, and the
    operations of `tm` that are often written behind a value as its methods. `primitive(inputs,
    **static)` is what made it, if it is being differentiated; who reads the value of such a one by
    way of NumPy or `float` meets a TypeError, as that would drop the gradient.
    """

    __slots__ = {
        "value": "The array; while a function is traced, what stands in for one.",
        "primitive": "The operation that made it; None of a constant and a leaf.",
        "inputs": "The tensors that it was made of, a tuple.",
        "static": "The metadata of the operation that made it, a dict.",
        "serial": "0 of a constant; else larger than that of anything it was made of.",
        "order": "How many derivatives deep the line is that made it.",
        "__weakref__": "Weak references to it.",
    }
    __hash__ = object.__hash__  # `==` compares elements, identity stays the key

    def __init__(self, value, primitive=None, inputs=(), static=None, serial=0, order=0):
        self.value, self.primitive, self.inputs, self.static = value, primitive, inputs, static
        self.serial, self.order = serial, order

    shape = property(lambda self: self.value.shape, doc="The size of each axis, a tuple of ints.")
    dtype = property(lambda self: self.value.dtype, doc="The NumPy dtype of its elements.")
    ndim = property(lambda self: len(self.value.shape), doc="How many axes it has; 0 of a number.")
    size = property(lambda self: math.prod(self.value.shape), doc="How many elements it has.")
    device = property(lambda self: device_of(self.value), doc='Where it lies: "cpu" or "cuda".')

    def numpy(self) -> np.ndarray:
        """The value as a read-only NumPy view (on a GPU: a copy on the host)."""
        array = move(self.value, "cpu").view()
        array.flags.writeable = False
        return array

    def item(self):
        """The value of a tensor of one element, a Python number. ValueError for any other size."""
        if self.size != 1:
            raise ValueError(f"item() needs a tensor of one element, got shape {self.shape}")
        return self.numpy().item()

    def to(self, device: str) -> "Tensor":
        """The same value on "cpu" or "cuda", as a constant: no gradient flows between devices."""
        check_name(device)
        return Tensor(move(self.value, device))

    def __bool__(self):
        return bool(self.item())

    def __len__(self):
        if not self.shape:
            raise TypeError("a 0-d tensor has no length")
        return self.shape[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __setitem__(self, index, value):
        raise TypeError(
            "tensors are immutable: build a new one with tm.where, tm.concatenate, "
            "tm.pad or `t = t + ...`"
        )

    # ---- looking at it ----
    def __repr__(self):
        if isinstance(self.value, np.ndarray):
            array = self.value
            text = np.array2string(array, precision=4, threshold=20, separator=", ")
        else:
            text = repr(self.value)
        made = ", " + self.history() if self.serial else ""
        return f"Tensor({text}, {self.dtype}{self.shape}{made})"

    def history(self, depth: int = 3) -> str:
        """How it was made, `depth` operations deep: "mul(leaf, exp(...))"."""
        if not self.inputs:
            return "leaf" if self.serial else "constant"
        inner = ", ".join(t.history(depth - 1) for t in self.inputs) if depth > 1 else "..."
        return f"{self.primitive.name}({inner})"


ARRAYS = (Tensor, np.ndarray)


def tensor(data, dtype=None) -> Tensor:
    """A Tensor holding a copy of `data`.

    Lists of floats become float32, of ints int64, of bools bool; arrays, tensors and lists of
    NumPy's floats keep their dtype. The copy carries no gradient.

    Raises TypeError for what is not numeric (ragged lists, strings, objects, complex numbers),
    OverflowError for a Python integer beyond `dtype`.
    """
    dtype = dtype if dtype is None else as_dtype(dtype)
    if isinstance(data, Unknown) or holds(data, (*ARRAYS, Unknown)):
        data = asarray(data, dtype)
    if type(data) is Tensor and hasattr(data.value, "require"):  # what stands in for an array
        return Tensor(asarray(data, dtype).value)
    where = "cuda" if on_gpu(data) else state.device
    return Tensor(move(native(np.array(_array(data, dtype), dtype=dtype, order="C")), where))


def asarray(data, dtype=None) -> Tensor:
    """`data` as a Tensor, sharing memory with an array where it can (then nobody may write to it).

    A Tensor is returned as it is, or cast; a list or tuple that holds arrays or tensors is stacked,
    with its gradient (ValueError if the shapes differ). Anything with `__dlpack__` or
    `__cuda_array_interface__` (a PyTorch tensor, say) is shared too, where it lies.
    """
    dtype = dtype if dtype is None else as_dtype(dtype)
    if type(data) is Tensor:
        return data if dtype is None or dtype == data.dtype else data.astype(dtype)
    if holds(data, (*ARRAYS, Unknown)):
        return Tensor.stacked(
            [x if dtype is None and not holds(x, ARRAYS) else asarray(x, dtype) for x in data]
        )
    if isinstance(data, Unknown):
        return data.astype(dtype)
    if on_gpu(data):
        return shared_on_gpu(data, dtype)
    return Tensor(move(native(np.asarray(_array(data, dtype), dtype=dtype)), state.device))


def holds(data, kinds: tuple) -> bool:
    """Is it a list or tuple with one of these kinds in it, or in a list in it?"""
    return isinstance(data, (list, tuple)) and any(
        isinstance(x, kinds) or holds(x, kinds) for x in data
    )


def dtypes_in(data):
    """The dtypes of NumPy's numbers in a list or tuple, and in the lists in it."""
    for x in data:
        if isinstance(x, (list, tuple)):
            yield from dtypes_in(x)
        elif isinstance(x, np.generic):
            yield x.dtype
        elif isinstance(x, Unknown) and issubclass(x.kind, np.generic):
            yield np.dtype(x.kind)


def on_gpu(data) -> bool:
    """Is it in a GPU's memory: a Tensor or another library's array?"""
    if type(data) is Tensor:
        return data.device == "cuda"
    if isinstance(data, OF_THE_HOST):
        return False
    return (
        hasattr(data, "__cuda_array_interface__")
        or hasattr(data, "__dlpack_device__")
        and data.__dlpack_device__()[0] == DLPACK_CUDA
    )


def shared_on_gpu(data, dtype) -> Tensor:
    value = move(data.value if type(data) is Tensor else data, "cuda")
    if dtype not in (None, value.dtype):
        value = move(move(value, "cpu").astype(dtype), "cuda")
    return Tensor(value)


def _array(data, dtype) -> np.ndarray:
    """Numbers as an array: in its own dtype; Python's floats as NumPy's beside them, or float32."""
    if type(data) is np.ndarray and data.dtype.kind in "biuf":  # nearly always
        return data
    if isinstance(data, Tensor):
        return data.numpy()
    if on_gpu(data):
        return move(move(data, "cuda"), "cpu")
    if not isinstance(data, (np.ndarray, np.generic)) and hasattr(data, "__dlpack__"):
        return np.from_dlpack(data)
    try:
        array = np.asarray(data)
    except ValueError:
        raise TypeError(
            f"cannot make a tensor of {type(data).__name__}: what stands in it differs "
            f"in shape, as in {shown(data)}"
        ) from None
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"cannot make a tensor of {type(data).__name__} "
            f"(NumPy dtype {array.dtype}): tensors hold bools, integers and floats"
        )
    if not isinstance(data, (int, float, list, tuple)):
        if isinstance(data, np.ma.MaskedArray):
            raise TypeError(
                "cannot make a tensor of a masked array, whose mask would be lost: fill "
                "it first, with its filled(value), and pass the mask another way"
            )
        return array
    if dtype is not None:
        return straight(data, dtype)  # `array` is of int64 or float64
    found = [d for d in dtypes_in([data]) if d.kind == "f"] or [np.float32]
    return array.astype(np.result_type(*found), copy=False) if array.dtype.kind == "f" else array


def straight(numbers, dtype: np.dtype) -> np.ndarray:
    """Python's numbers in a dtype. Raises OverflowError, or ValueError for a NaN, if it has them not."""
    try:
        return np.asarray(numbers, dtype)
    except (OverflowError, ValueError) as error:
        raise type(error)(
            f"cannot make a tensor of {shown(numbers)}, which is out of bounds for {dtype}"
        ) from None


def native(array: np.ndarray) -> np.ndarray:
    """The array in the machine's own byte order (files of other machines have the other one)."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
