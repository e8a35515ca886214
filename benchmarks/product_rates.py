"""The products of the steps, each alone on one thread: cpu/gemm.py beside every BLAS at hand.

    python -m benchmarks product_rates

A product is `out (m, n) = x (m, count) @ y (count, n)`, float32; `x^T` and `y^T` are read through
their strides. Results are compared first; then all take turns, in an order that is drawn anew, each
with operands of its own, as those that another has just read would be in the cache. The median of
each gives its rate: operations over seconds.
"""

import ctypes
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from tinymeta.cpu.blas import blas_threads
from tinymeta.cpu.gemm import workspace_size
from tinymeta.jit.fixed_kernels import multiply, product

from .timing import seconds

# (m, n, count, which is transposed)
PRODUCTS = {
    "conv4, layer 1": [(980, 64, 9, ""), (9, 64, 980, "x")],
    "conv4, layer 2": [(245, 64, 576, ""), (245, 576, 64, "y"), (576, 64, 245, "x")],
    "conv4, layer 3": [(80, 64, 576, ""), (80, 576, 64, "y"), (576, 64, 80, "x")],
    "conv4, layer 4": [(20, 64, 576, ""), (20, 576, 64, "y"), (576, 64, 20, "x")],
    "sinusoid": [(10, 40, 40, ""), (10, 40, 40, "y"), (40, 40, 10, "x")],
    "dense, 1M": [(25, 781, 512, ""), (25, 781, 781, "y"), (781, 781, 25, "x")],
    "rows of 4 KB": [(25, 1024, 512, ""), (80, 1024, 1024, "")],
}
_OPERATIONS_OF_A_TURN = 2e7  # a turn is as many calls as have about so many


def product_rates(rounds: int) -> str:
    """GFLOP/s of each product by each contender, and ours over the best BLAS, as lines of text."""
    lines = [f"{'':16}{'m':>5}{'n':>6}{'count':>6} {'':6}  GFLOP/s on one thread"]
    for work, shapes in PRODUCTS.items():
        for m, n, count, transposed in shapes:
            rates = _rates(_contenders(m, n, count, transposed), 2 * m * n * count, rounds)
            best = max(rate for name, rate in rates.items() if name != "tinymeta")
            shown = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in rates.items())
            turned = f"{transposed}^T" if transposed else ""
            ratio = rates["tinymeta"] / best
            lines.append(
                f"{work:16}{m:5}{n:6}{count:6} {turned:6}  {shown}: {ratio:.2f} of the best BLAS"
            )
    return "\n".join(lines)


def _rates(contenders: dict[str, Callable], operations: int, rounds: int) -> dict[str, float]:
    """Operations per second of each, by the median of `rounds` turns, all in turn."""
    calls = max(1, int(_OPERATIONS_OF_A_TURN / operations))
    expected = contenders["NumPy"]()
    for name, run in contenders.items():
        np.testing.assert_allclose(run(), expected, rtol=1e-4, err_msg=name)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    order = np.random.default_rng(0)
    with blas_threads(1):
        for _ in range(rounds):
            for name in order.permutation(list(contenders)):
                run = contenders[name]
                times[name].append(seconds(lambda: [run() for _ in range(calls)]) / calls)
    return {name: operations / float(np.median(t)) for name, t in times.items()}


def _contenders(m: int, n: int, count: int, transposed: str) -> dict[str, Callable]:
    """The product by our kernel, NumPy's BLAS and PyTorch's: functions that return (m, n)."""
    rng = np.random.default_rng(0)
    x = rng.random((count, m) if transposed == "x" else (m, count), np.float32)
    y = rng.random((n, count) if transposed == "y" else (count, n), np.float32)
    operands = (x.T if transposed == "x" else x), (y.T if transposed == "y" else y)
    out = np.empty((m, n), np.float32)
    found = {"tinymeta": _kernel(*operands), "NumPy": lambda: np.matmul(*operands, out=out)}
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
        tensors = [torch.from_numpy(a.copy(order="K")) for a in operands]
        result = torch.empty(m, n)
        found["torch"] = lambda: torch.mm(*tensors, out=result).numpy()
    return found


def _kernel(x: np.ndarray, y: np.ndarray) -> Callable:
    """`x @ y` by the kernel of compiled programs, called as they call it: in a block of memory."""
    (m, count), n = x.shape, y.shape[1]
    sizes = [m * n, x.size, y.size, workspace_size(n, count)]
    starts = np.cumsum([0, *(-(-size // 16) * 16 for size in sizes)])  # at cache lines
    memory = np.zeros(starts[-1] + 16, np.float32)
    memory = memory[-memory.ctypes.data % 64 // 4 :]
    for operand, start in zip((x, y), starts[1:3]):
        memory[start : start + operand.size] = np.ravel(operand, order="K")
    strides = [[s // 4 for s in operand.strides] for operand in (x, y)]
    numbers = [*(4 * starts[:4]), 1, m, n, count, 0, *strides[0], 0, *strides[1], product.address]
    args = np.array(numbers, np.int64)
    kernel = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(multiply.address)
    out, places = memory[: m * n].reshape(m, n), (memory.ctypes.data, args.ctypes.data)

    def run() -> np.ndarray:
        kernel(*places)
        return out

    return run
