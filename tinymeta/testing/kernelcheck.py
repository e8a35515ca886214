"""What is asked of a kernel: that it fills `out`, reads strides, and computes the same everywhere.

The references are the operation itself: in float64, on contiguous copies, on the CPU. So what is
found is a kernel that differs from itself; whether its value is right, the tests of ops say.
"""

import numpy as np

from ..core.device import device, find_kernel, move
from ..core.primitive import Primitive
from ..core.tensor import Tensor
from .cases import Case
from .layouts import SAME_ENTRIES, repeated_row

EDGES = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.5])
ULPS = 64  # how far two computations may be apart, in roundings of the largest
_LONG = 10_001  # entries: more than a block, a chunk or a vector register holds


def check_kernel(op: Primitive, case: Case, dtype: np.dtype, where: str, seed: int) -> None:
    """Its kernel keeps to its shape rule, fills all of `out` and writes into no input.

    On any other device it gives what the CPU gives, but for rounding.
    """
    arrays = in_dtype(case, dtype)
    inputs = [Tensor(move(x.copy(), where)) for x in arrays]
    kernel = find_kernel(op, where)
    shape, out_dtype = op.shape(*arrays, **case.static)
    value = op(*inputs, **case.static).numpy()
    again = op(*inputs, **case.static).numpy()
    assert (value.shape, value.dtype) == (shape, out_dtype), (
        f"{op.name} makes {value.dtype}{value.shape}, its shape rule says {out_dtype}{shape}"
    )
    if value.dtype.kind == "f" and "dtype" not in case.static:
        assert value.dtype == dtype, f"{op.name} makes {value.dtype} of {dtype}"
    for x, y in zip(inputs, arrays):
        np.testing.assert_array_equal(x.numpy(), y, f"{op.name} writes into an input")
    np.testing.assert_array_equal(value, again, f"{op.name} gives two values for one input")

    before = [] if op.view else _memory_before(shape, value.dtype, seed)  # a view fills nothing
    for memory in before:
        out = move(memory, where)
        kernel(out, *(x.value for x in inputs), **case.static)
        filled = move(out, "cpu")
        np.testing.assert_array_equal(filled, value, f"{op.name} does not fill all of out")

    if where != "cpu":
        with device("cpu"):
            expected = op(*arrays, **case.static).numpy()
        _assert_close(value, expected, dtype, f"{op.name} on {where} is not what it is on the CPU")


def _memory_before(shape: tuple, dtype: np.dtype, seed: int) -> list[np.ndarray]:
    """Two arrays of what memory may hold before a kernel fills it, different in every entry.

    NaN and 0, or random bits and their opposites for what is no float: an entry that is not filled
    cannot be right by chance in both.
    """
    if dtype.kind == "f":
        return [np.full(shape, np.nan, dtype), np.zeros(shape, dtype)]
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 2 if dtype.kind == "b" else 2**62, shape)
    bits = np.asarray(drawn, dtype)  # of a 0-d array NumPy makes a number
    return [bits, np.asarray(~bits)]


def check_equal_values(op: Primitive, case: Case, dtype: np.dtype, where: str) -> None:
    """It computes the same in float64, on views with any strides, and on long arrays.

    Long: an elementwise operation has no other axis; of any other, a larger case is its strategy's.
    """

    def value(arrays: list) -> np.ndarray:
        inputs = [Tensor(move(x, where)) for x in arrays]
        return op(*inputs, **case.static).numpy()

    def same(found: np.ndarray, expected: np.ndarray, what: str) -> None:
        _assert_close(found, expected, dtype, f"{op.name} {what}")

    arrays = in_dtype(case, dtype)
    expected = value(arrays)
    in_float64 = value(in_dtype(case, np.dtype(np.float64)))
    same(expected, in_float64, f"in {dtype} is not what it is in float64")

    def same_in_any_layout(arrays: list, expected: np.ndarray) -> None:
        for layout in SAME_ENTRIES:
            found = value([layout(x) for x in arrays])
            same(found, expected, f"{reads_memory} are {layout.__name__}")

    reads_memory = "reads memory, not strides: its inputs"
    if where == "cpu":  # what moves to a device becomes contiguous
        same_in_any_layout(arrays, expected)
        repeated = [repeated_row(x) for x in arrays]
        contiguous = [np.array(x) for x in repeated]
        same(value(repeated), value(contiguous), f"{reads_memory} have an axis of stride 0")

    if op.family != "elementwise":
        return
    if all(x.dtype.kind == "f" for x in arrays):
        edges_of_inputs = [EDGES] * len(arrays)
        grids = np.meshgrid(*edges_of_inputs)  # each edge of an input with each of the others
        edges = [x.astype(dtype) for x in grids]
        with np.errstate(all="ignore"):
            found = value(edges)
            in_float64 = value([*grids])
            if where == "cpu":  # a comparison may be False on all that a strategy draws
                same_in_any_layout(edges, found)
        what = f"in {dtype} is not what it is in float64, of infinities, NaN and zeros"
        same(found, in_float64, what)
    if expected.size:
        times = -(-_LONG // expected.size)  # rounded up
        found = value([np.tile(x.ravel(), times) for x in arrays])
        what = f"is another on {times * expected.size} entries than on {expected.size}"
        same(found, np.tile(expected.ravel(), times), what)


def in_dtype(case: Case, dtype: np.dtype) -> list[np.ndarray]:
    return [x.astype(dtype) if x.dtype.kind == "f" else x for x in case.inputs]


def _assert_close(found: np.ndarray, expected: np.ndarray, dtype: np.dtype, message: str) -> None:
    """Equal but for the rounding of a computation in `dtype`."""
    close = ULPS * np.finfo(dtype).eps
    np.testing.assert_allclose(found, expected, close, close, err_msg=message)
