"""What happens before an operation sees its inputs: one dtype, one shape.

Python and NumPy scalars, and lists of them, are weak: they take the dtype of the tensors they meet.
Where they meet none, NumPy scalars keep theirs. An integer with a float becomes that float. float32
with float64 is an error: silent float64 doubles time and memory.
"""

import functools

import numpy as np

from ..core.checks import is_array, shown
from ..core.convert import WEAK_SCALARS, TracedScalar, scalar_dtypes
from ..core.tensor import Tensor, asarray
from . import movement

COMPARISONS = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}
INSTEAD_OF_BOOLS = {
    "neg": "use ~ for the opposite",
    "sub": "use ^ or != for where they differ",
    **dict.fromkeys(("sign", "relu", "gate", "product_or_zero"), "cast with astype first"),
}


def promote(name: str, inputs: tuple, floating: bool = False) -> tuple:
    """The inputs as Tensors of one dtype; with `floating`, of a floating one.

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
    strong = [asarray(x).dtype for x in inputs if not is_weak(x)]
    weak = {np.dtype(kind) for x in inputs if is_weak(x) for kind in kinds_in(x)}
    kinds = {d.kind for d in weak}
    dtype = common_dtype(name, strong) if strong else dtype_alone(inputs, weak)
    if (floating or "f" in kinds) and dtype.kind != "f":
        dtype = np.dtype(np.float32)
    if dtype.kind == "b" and kinds & {"i", "u"}:
        dtype = np.dtype(np.int64)
    if dtype.kind == "b" and name in INSTEAD_OF_BOOLS:
        raise TypeError(f"{name} has no meaning for bools: {INSTEAD_OF_BOOLS[name]}")
    if dtype.kind in "iu" and weak:
        inputs = [fitting(name, x, dtype) if is_weak(x) else x for x in inputs]
        if any(isinstance(x, float) for x in inputs):  # an infinity, to compare with
            dtype = np.dtype(np.float32)
    return tuple([cast(x, dtype) for x in inputs])


def parts(name: str, xs) -> tuple:
    """Several tensors, of one dtype: a list or tuple of them, or one along its first axis."""
    if not isinstance(xs, (tuple, list)) and not (is_array(xs) and xs.shape):
        raise TypeError(f"{name}: a list or tuple of tensors is needed, got {shown(xs)}")
    return promote(name, tuple(xs)) if len(xs) else ()


def is_weak(x) -> bool:
    """Is it a number, or a list of numbers, that takes the dtype of what it meets?"""
    return isinstance(x, WEAK_SCALARS) or isinstance(x, (list, tuple)) and all(map(is_weak, x))


def numbers_in(x):
    """A number, or those in a list and in the lists in it."""
    if not isinstance(x, (list, tuple)):
        yield x
    else:
        for part in x:
            yield from numbers_in(part)


def kinds_in(x) -> set:
    """The types of a number, or of the numbers in a list; an empty one is of floats."""
    if isinstance(x, (list, tuple)):
        return set().union(*map(kinds_in, x)) or {float}
    return {x.kind if isinstance(x, TracedScalar) else type(x)}


def dtype_alone(inputs, weak) -> np.dtype:
    """The dtype of numbers that meet no tensor: NumPy's, of its scalars; else that of lists."""
    typed = [*scalar_dtypes(inputs)]
    dtype = np.result_type(*(typed or weak))
    return dtype if typed or dtype.kind != "f" else np.dtype(np.float32)


def fitting(name: str, x, dtype):
    """Whole numbers as they are, if an integer dtype can hold them.

    One that it cannot hold is larger, or smaller, than all that it can: it compares as an infinity
    does, and never is the smaller, or the larger, of two. Raises ValueError elsewhere.
    """
    info = np.iinfo(dtype)
    for n in map(int, numbers_in(x)):
        if not info.min <= n <= info.max:
            if isinstance(x, WEAK_SCALARS) and name in COMPARISONS:
                return np.inf if n > 0 else -np.inf
            if isinstance(x, WEAK_SCALARS) and name == ("minimum" if n > 0 else "maximum"):
                return info.max if n > 0 else info.min
            raise ValueError(
                f"{name}: {n} is beyond {dtype}, which holds {info.min} to "
                f"{info.max}: cast the tensor with astype first"
            )
    return x


def common_dtype(name, dtypes):
    floats = {d for d in dtypes if d.kind == "f"}
    if len(floats) > 1:
        mixed = " and ".join(sorted(map(str, floats)))
        raise TypeError(f"{name}: {mixed} do not mix: cast one with astype")
    return floats.pop() if floats else np.result_type(*dtypes)


def cast(x, dtype) -> Tensor:
    if is_weak(x):
        return asarray(x, dtype)
    x = asarray(x)
    return x if x.dtype == dtype else movement.astype(x, dtype)


def by_float32(name: str):
    """`@by_float32(name)`: the operation, a loop that is compiled, for floats that no compiler has.

    float16 is computed in float32, which holds all of it, and rounded at the end. Raises TypeError
    for longdouble.
    """

    def with_more_dtypes(operation):
        @functools.wraps(operation)
        def wrapped(x, *args, **kwargs):
            x = asarray(x)
            if x.dtype.kind != "f" or x.dtype in (np.float32, np.float64):
                return operation(x, *args, **kwargs)
            if x.dtype != np.float16:
                raise TypeError(f"{name} has no loop for {x.dtype}: cast to float64 with astype")
            wide = np.dtype(np.float32)
            args = [cast(a, wide) if type(a) is Tensor and a.dtype == x.dtype else a for a in args]
            return cast(operation(cast(x, wide), *args, **kwargs), x.dtype)

        return wrapped

    return with_more_dtypes


def broadcast(name: str, inputs: tuple) -> tuple:
    """The inputs at their common shape.

    A 0-d constant that nobody differentiates stays 0-d: kernels let it ride along, and its
    derivative rule, which would have to sum, is never called.
    """
    shape = inputs[-1].value.shape
    for x in inputs:
        if x.value.shape != shape:
            break
    else:
        return inputs
    try:
        shape = np.broadcast_shapes(*(x.shape for x in inputs))
    except ValueError:
        shapes = " and ".join(str(x.shape) for x in inputs)
        raise ValueError(
            f"{name}: the shapes {shapes} do not broadcast: trailing axes must be equal or 1"
        ) from None
    return tuple(
        x if x.shape == shape or not (x.shape or x.serial) else movement.broadcast_to(x, shape)
        for x in inputs
    )
