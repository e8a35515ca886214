"""What happens before an operation sees its inputs: one dtype, one shape.

Python and NumPy scalars are weak: they take the dtype of the tensors they meet. An integer with a
float becomes that float. float32 with float64 is an error: silent float64 doubles time and memory.
"""

import numpy as np

from ..core.tensor import WEAK, Tensor, Unknown, asarray
from . import movement


def promote(name: str, inputs: tuple, floating: bool = False) -> tuple:
    """The inputs as Tensors of one dtype; with `floating`, of a floating one."""
    first = inputs[0]
    if type(first) is Tensor and first.value.dtype.kind == "f":       # nothing to do, nearly always
        for x in inputs:
            if type(x) is not Tensor or x.value.dtype != first.value.dtype:
                break
        else:
            return inputs
    strong = [asarray(x).dtype for x in inputs if not isinstance(x, WEAK)]
    dtype = common_dtype(name, strong)
    weak_float = any(isinstance(x, (float, np.floating, Unknown)) for x in inputs)
    if dtype is None:
        dtype = np.result_type(*((x.astype() if isinstance(x, Unknown) else np.asarray(x)).dtype for x in inputs))
        dtype = np.dtype(np.float32) if dtype.kind == "f" else dtype
    if (floating or weak_float) and dtype.kind != "f":
        dtype = np.dtype(np.float32)
    if dtype.kind == "b" and any(isinstance(x, WEAK) and not isinstance(x, (bool, np.bool_))
                                 for x in inputs):
        dtype = np.dtype(np.int64)
    return tuple(cast(x, dtype) for x in inputs)


def common_dtype(name, dtypes):
    floats = {d for d in dtypes if d.kind == "f"}
    if len(floats) > 1:
        mixed = " and ".join(sorted(map(str, floats)))
        raise TypeError(f"{name}: {mixed} do not mix: cast one with astype")
    if floats:
        return floats.pop()
    return np.result_type(*dtypes) if dtypes else None


def cast(x, dtype) -> Tensor:
    if isinstance(x, Unknown):
        return x.astype(dtype)
    if isinstance(x, WEAK):
        return asarray(np.array(x, dtype))
    x = asarray(x)
    return x if x.dtype == dtype else movement.astype(x, dtype)


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
        raise ValueError(f"{name}: the shapes {shapes} do not broadcast: "
                         "trailing axes must be equal or 1") from None
    return tuple(x if x.shape == shape or not (x.shape or x.serial)
                 else movement.broadcast_to(x, shape) for x in inputs)
