"""What happens before an operation sees its inputs: one dtype, one shape.

Python and NumPy scalars, and lists of them, are weak: they take the dtype of the tensors they meet.
Where they meet none, NumPy scalars keep theirs. An integer with a float becomes that float. float32
with float64 is an error: silent float64 doubles time and memory.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..core.checks import is_array, shown
from ..core.convert import WEAK_SCALARS, TracedScalar, scalar_dtypes
from ..core.scope import state
from ..core.tensor import Tensor, asarray
from .broadcast import broadcast_to
from .movement import astype

_COMPARISONS = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}
_INSTEAD_OF_BOOLS = {
    "neg": "use ~ for the opposite",
    "sub": "use ^ or != for where they differ",
    **dict.fromkeys(
        ("sign", "relu", "relu_gradient", "product_or_zero", "mod", "floor_divide"),
        "cast with astype first",
    ),
}
_LARGE_INT = 2**63  # from here on an int64 does not hold it

# ---- one dtype ----------------------------------------------------------------------------------


def promote(name: str, inputs: tuple, floating: bool = False) -> tuple[Tensor, ...]:
    """The inputs of the operation `name` as Tensors of one dtype; with `floating`, of a float.

    Raises TypeError for dtypes that do not mix or that the operation has no meaning for, ValueError
    for a number that is beyond the dtype.
    """
    first = inputs[0]
    if type(first) is Tensor and first.value.dtype.kind == "f":  # nothing to do, nearly always
        for x in inputs:
            if type(x) is not Tensor or x.value.dtype != first.value.dtype:
                break
        else:
            return inputs
    if len(inputs) == 2:
        beside_number = _beside_number(*inputs)
        if beside_number is not None:
            return beside_number
    strong: list[np.dtype] = []  # of tensors and arrays, which decide
    weak: set[np.dtype] = (
        set()
    )  # of numbers: of these only the kind matters where there is a tensor
    for x in inputs:
        if _is_weak(x):
            weak.update(map(np.dtype, _number_types(x)))
        else:
            strong.append(asarray(x).dtype)
    weak_kinds = {d.kind for d in weak}
    dtype = _common_dtype(name, strong) if strong else _dtype_of_numbers(inputs, weak)
    if (floating or "f" in weak_kinds) and dtype.kind != "f":
        dtype = np.dtype(np.float32)
    if dtype.kind == "b" and weak_kinds & {"i", "u"}:  # True + 1 counts: it is 2
        dtype = np.dtype(np.int64)
    if dtype.kind == "b" and name in _INSTEAD_OF_BOOLS:
        raise TypeError(f"{name} has no meaning for bools: {_INSTEAD_OF_BOOLS[name]}")
    if dtype.kind in "iu" and weak:
        inputs = tuple(_within_dtype(name, x, dtype) for x in inputs)
        if any(isinstance(x, float) for x in inputs):  # an infinity, to compare with
            dtype = np.dtype(np.float32)
    return tuple([cast(x, dtype) for x in inputs])


def _beside_number(a: Any, b: Any) -> tuple[Tensor, Tensor] | None:
    """A float tensor and a Python number, in either order, as `promote` returns them.

    None for anything else. All that is asked below would find the tensor's dtype for both, as in
    each `lr * g`, and take three times as long as the product of two small tensors.
    """
    if type(a) is Tensor and _is_plain_number(b):
        dtype = a.value.dtype
        return (a, Tensor(np.asarray(b, dtype))) if dtype.kind == "f" else None
    if type(b) is Tensor and _is_plain_number(a):
        dtype = b.value.dtype
        return (Tensor(np.asarray(a, dtype)), b) if dtype.kind == "f" else None
    return None


def _is_plain_number(x: Any) -> bool:
    """A Python float, or an int that NumPy holds, where new numbers are made on the CPU."""
    kind = type(x)
    if kind is not float and not (kind is int and -_LARGE_INT < x < _LARGE_INT):
        return False
    return state.device == "cpu"


def promote_parts(name: str, xs: Any) -> tuple[Tensor, ...]:
    """Several tensors, of one dtype: a list or tuple of them, or one along its first axis.

    Raises TypeError for anything else, and what `promote` raises.
    """
    has_first_axis = is_array(xs) and xs.shape
    if not isinstance(xs, (tuple, list)) and not has_first_axis:
        raise TypeError(f"{name}: a list or tuple of tensors is needed, got {shown(xs)}")
    return promote(name, tuple(xs)) if len(xs) else ()


def cast(x: Any, dtype: np.dtype) -> Tensor:
    """`x` as a Tensor of `dtype`, itself if it is one."""
    if _is_weak(x):
        return asarray(x, dtype)
    x = asarray(x)
    return x if x.dtype == dtype else astype(x, dtype)


def _is_weak(x: Any) -> bool:
    """Is it a number, or a list of numbers, that takes the dtype of what it meets?"""
    if isinstance(x, (list, tuple)):
        return all(map(_is_weak, x))
    return isinstance(x, WEAK_SCALARS)


def _numbers_in(x: Any) -> Iterator:
    """A number, or those in a list and in the lists in it."""
    if not isinstance(x, (list, tuple)):
        yield x
    else:
        for part in x:
            yield from _numbers_in(part)


def _number_types(x: Any) -> set[type]:
    """The type of a number, or those of the numbers in a list; of an empty list, float."""
    if isinstance(x, (list, tuple)):
        found: set[type] = set()
        return found.union(*map(_number_types, x)) or {float}
    return {x.kind if isinstance(x, TracedScalar) else type(x)}


def _dtype_of_numbers(inputs: tuple, weak: set[np.dtype]) -> np.dtype:
    """The dtype of numbers that meet no tensor: NumPy's, of its scalars; else that of lists."""
    typed = list(scalar_dtypes(inputs))
    if typed:
        return np.result_type(*typed)
    dtype = np.result_type(*weak)
    return np.dtype(np.float32) if dtype.kind == "f" else dtype


def _within_dtype(name: str, x: Any, dtype: np.dtype) -> Any:
    """Whole numbers as they are, if an integer dtype can hold them; a tensor or array as it is.

    One that it cannot hold is larger, or smaller, than all that it can: it compares as an infinity
    does, and never is the smaller, or the larger, of two. Raises ValueError elsewhere.
    """
    if not _is_weak(x):
        return x
    info = np.iinfo(dtype)
    for n in map(int, _numbers_in(x)):
        if not info.min <= n <= info.max:
            is_scalar = isinstance(x, WEAK_SCALARS)
            if is_scalar and name in _COMPARISONS:
                return np.inf if n > 0 else -np.inf
            if is_scalar and name == ("minimum" if n > 0 else "maximum"):
                return info.max if n > 0 else info.min
            raise ValueError(
                f"{name}: {n} is beyond {dtype}, which holds {info.min} to "
                f"{info.max}: cast the tensor with astype first"
            )
    return x


def _common_dtype(name: str, dtypes: list[np.dtype]) -> np.dtype:
    """The only floating dtype, or NumPy's for integers; TypeError for two floating ones."""
    floats = {d for d in dtypes if d.kind == "f"}
    if len(floats) > 1:
        mixed = " and ".join(sorted(map(str, floats)))
        raise TypeError(f"{name}: {mixed} do not mix: cast one with astype")
    return floats.pop() if floats else np.result_type(*dtypes)


def float16_by_float32(name: str) -> Callable[[Callable], Callable]:
    """`@float16_by_float32(name)`: for an operation whose kernel is compiled for 32 and 64 bits.

    float16 is computed in float32, which holds all of it, and rounded at the end. Raises TypeError
    for longdouble.
    """

    def with_more_dtypes(operation: Callable) -> Callable:
        @functools.wraps(operation)
        def wrapped(x: Any, *args: Any, **kwargs: Any) -> Tensor:
            x = asarray(x)
            has_loop = x.dtype in (np.float32, np.float64)
            if x.dtype.kind != "f" or has_loop:
                return operation(x, *args, **kwargs)
            if x.dtype != np.float16:
                raise TypeError(f"{name} has no loop for {x.dtype}: cast to float64 with astype")
            wide = np.dtype(np.float32)
            wide_args = []
            for a in args:
                if type(a) is Tensor and a.dtype == x.dtype:
                    a = cast(a, wide)
                wide_args.append(a)
            result = operation(cast(x, wide), *wide_args, **kwargs)
            return cast(result, x.dtype)

        return wrapped

    return with_more_dtypes


# ---- one shape ----------------------------------------------------------------------------------


def to_common_shape(name: str, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The inputs broadcast to their common shape. Raises ValueError if there is none.

    A 0-d constant stays 0-d: kernels broadcast it themselves, and its derivative rule, which would
    have to sum, is never called.
    """
    shape = inputs[-1].value.shape
    for x in inputs:
        if x.value.shape != shape:
            break
    else:
        return inputs
    if len({x.value.shape for x in inputs if x.value.shape or x.serial}) == 1:
        return inputs  # but for constants of one number all have one shape
    try:
        shape = np.broadcast_shapes(*(x.shape for x in inputs))
    except ValueError:
        shapes = " and ".join(str(x.shape) for x in inputs)
        raise ValueError(
            f"{name}: the shapes {shapes} do not broadcast: trailing axes must be equal or 1"
        ) from None
    found = []
    for x in inputs:
        is_scalar_constant = not x.shape and not x.serial
        if x.shape != shape and not is_scalar_constant:
            x = broadcast_to(x, shape)
        found.append(x)
    return tuple(found)
