"""A Tensor is an immutable value and its provenance: the operation and the inputs that made it.

`value`                      an array (or, while jit traces, a stand-in of its shape and dtype)
`primitive, inputs, static`  the operation that made it, its input tensors, its metadata
`serial`                     0 for a constant; else larger than that of anything it was made from
`order`                      how many derivatives deep it was made: 0 forward, 1 in a gradient
`dual`                       inside a jvp, its primal and its tangent (forward.py)

A constant has no provenance. A leaf is where a derivative begins; what is made from one is a node:
in grad(lambda x: x * sin(2.0 * x)) x is a leaf, 2.0 a constant, and each product and the sine is a
node, the result "mul(leaf, sin(mul(...)))". Leaves and nodes are tracked (serial > 0), and so is
what has a dual. That is all reverse mode needs: tape.py goes from the newest node to the oldest.

ops/__init__.py puts the operators (`+`, `@`, `.sum`) on this class, so that nothing here knows a
particular operation. How data of others become arrays is in convert.py, what others get of a
tensor in interop.py.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .checks import as_dtype
from .convert import (
    TracedScalar,
    as_host_array,
    contains,
    in_native_byte_order,
    on_gpu,
    share_on_gpu,
)
from .device import checked_device_name, device_of, move
from .interop import Readable
from .scope import state

serials = itertools.count(1)  # one counter for all threads: `next` is atomic


class Tensor(Readable):
    """An immutable array of floats, integers or bools, which remembers how it was made.

    `tm.tensor` and `tm.asarray` make one. It has the operators and indexing of NumPy and, as
    methods, the operations of `tm` that are often chained. If it is being differentiated, it was
    made by `primitive(*inputs, **static)`, and NumPy and `float` raise TypeError for it, as they
    would drop the gradient in silence; `numpy()` and `item()` drop it on request.
    """

    __slots__ = {
        "value": "The array; while a function is traced, what stands in for one.",
        "primitive": "The operation that made it; None of a constant.",
        "inputs": "The tensors that it was made of, a tuple.",
        "static": "The metadata of the operation that made it, a dict.",
        "serial": "0 of a constant; else larger than that of anything it was made of.",
        "order": "How many derivatives deep it was made: 0 forward, 1 in a gradient.",
        "dual": "Inside a jvp its primal and its tangent, else None.",
        "__weakref__": "Weak references to it.",
    }
    __hash__ = object.__hash__  # `==` compares elements, identity stays the key

    if TYPE_CHECKING:  # what ops/__init__.py puts here
        stacked: ClassVar[Callable]
        T: Any
        mT: Any
        __array_namespace__: Any

        def _method(self, *args: Any, **kwargs: Any) -> "Tensor": ...

        __add__ = __sub__ = __mul__ = __truediv__ = __matmul__ = __pow__ = _method
        __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rmatmul__ = __rpow__ = _method
        __and__ = __or__ = __xor__ = __rand__ = __ror__ = __rxor__ = __invert__ = _method
        __mod__ = __floordiv__ = __rmod__ = __rfloordiv__ = _method
        __neg__ = __pos__ = __abs__ = __lt__ = __le__ = __gt__ = __ge__ = __getitem__ = _method
        __eq__ = __ne__ = _method  # type: ignore[assignment]
        astype = reshape = transpose = sum = mean = max = min = relu = _method

    def __init__(
        self,
        value: Any,
        primitive: Any = None,
        inputs: tuple["Tensor", ...] = (),
        static: dict[str, Any] | None = None,
        serial: int = 0,
        order: int = 0,
        dual: Any = None,
    ):
        self.value, self.primitive, self.inputs = value, primitive, inputs
        self.static: Any = static
        self.serial, self.order, self.dual = serial, order, dual

    shape = property(lambda self: self.value.shape, doc="The size of each axis, a tuple of ints.")
    dtype = property(lambda self: self.value.dtype, doc="The NumPy dtype of its elements.")
    ndim = property(lambda self: len(self.value.shape), doc="How many axes it has; 0 of a number.")
    size = property(lambda self: math.prod(self.value.shape), doc="How many elements it has.")
    device = property(lambda self: device_of(self.value), doc='Where it lies: "cpu", "cuda", ..')

    def numpy(self) -> np.ndarray:
        """The value as a read-only NumPy view (on a GPU: a copy on the host)."""
        array = move(self.value, "cpu").view()
        array.flags.writeable = False
        return array

    def item(self) -> Any:
        """The value of a tensor of one element, a Python number. ValueError for any other size."""
        if self.size != 1:
            raise ValueError(f"item() needs a tensor of one element, got shape {self.shape}")
        return self.numpy().item()

    def to(self, device: str) -> "Tensor":
        """The same value on another device, a constant: no gradient flows between devices.

        device: "cpu", "cuda" (the first GPU), "cuda:1", and so on. ValueError for any other name.
        """
        return Tensor(move(self.value, checked_device_name(device)))

    def __bool__(self) -> bool:
        return bool(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a 0-d tensor has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator["Tensor"]:
        return (self[i] for i in range(len(self)))

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "tensors are immutable: build a new one with tm.where, tm.concatenate, "
            "tm.pad or `t = t + ...`"
        )

    # ---- looking at it ----
    def __repr__(self) -> str:
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


def tensor(data: Any, dtype: Any = None) -> Tensor:
    """A Tensor holding a copy of `data`.

    Lists of floats become float32, of ints int64, of bools bool; arrays, tensors and lists of
    NumPy's floats keep their dtype. The copy carries no gradient.

    Raises TypeError for what is not numeric (ragged lists, strings, objects, complex numbers),
    OverflowError for a Python integer beyond `dtype`.
    """
    dtype = dtype if dtype is None else as_dtype(dtype)
    if isinstance(data, TracedScalar) or contains(data, (Tensor, np.ndarray, TracedScalar)):
        data = asarray(data, dtype)
    if type(data) is Tensor and hasattr(data.value, "require"):  # a stand-in: nothing to copy yet
        return Tensor(asarray(data, dtype).value)
    array = as_host_array(data, dtype)
    try:
        copy = np.array(array, dtype=dtype, order="C")
    except MemoryError as error:
        raise MemoryError(f"tensor: the copy does not fit the memory: {error}") from None
    device = share_on_gpu(data, None).device if on_gpu(data) else state.device
    return Tensor(move(in_native_byte_order(copy), device))


def asarray(data: Any, dtype: Any = None) -> Tensor:
    """`data` as a Tensor, sharing memory with an array where it can (then nobody may write to it).

    A Tensor is returned as it is, or cast; a list or tuple that holds arrays or tensors is stacked,
    with its gradient (ValueError if the shapes differ). Anything with `__dlpack__` or
    `__cuda_array_interface__` (a PyTorch tensor, say) is shared too, where it lies.
    """
    dtype = dtype if dtype is None else as_dtype(dtype)
    if type(data) is Tensor:
        return data if dtype is None or dtype == data.dtype else data.astype(dtype)
    if contains(data, (Tensor, np.ndarray, TracedScalar)):
        return Tensor.stacked([_as_part(x, dtype) for x in data])  # `stack`, put here by ops/
    if isinstance(data, TracedScalar):  # a Python number, while jit traces
        return data.astype(dtype)
    if on_gpu(data):
        return Tensor(share_on_gpu(data, dtype))
    array = np.asarray(as_host_array(data, dtype), dtype=dtype)
    return Tensor(move(in_native_byte_order(array), state.device))


def _as_part(x: Any, dtype: np.dtype | None) -> Any:
    """A part of a list to be stacked: a number takes the others' dtype unless one is given."""
    if dtype is None and not contains(x, (Tensor, np.ndarray)):
        return x
    return asarray(x, dtype)
