"""How many operations a second a GPU's products and convolutions do, beside cuBLAS.

On random numbers: on zeros a GPU draws less power, and its clock stays higher than it would.
"""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

from .timing import seconds

# Products: M, N, K and how many at a time.
SIZES = [(2048, 2048, 2048, 1), (4096, 4096, 4096, 1), (1024, 1024, 1024, 8), (980, 64, 576, 32)]


def calls(small: bool, array: Callable) -> Iterator[tuple[str, Any, list, dict]]:
    """(primitive, out, its other arrays, static) of each product and convolution.

    array: makes one, of a shape and float32. The convolutions are that of the second layer of
    conv4, and its two derivatives.
    """
    from tinymeta.ops.conv import geometry_of

    for m, n, k, tasks in [(16, 16, 16, 1)] if small else SIZES:
        out, x, y = (array((tasks, *shape), np.float32) for shape in ((m, n), (m, k), (k, n)))
        yield "matmul", out, [x, y], {}
    tasks, images, size, channels = (1, 1, 4, 2) if small else (32, 5, 14, 64)
    geometry = geometry_of("conv", (size, size), (3, 3), 2, "same")
    x = array((tasks, images, size, size, channels), np.float32)
    w = array((tasks, 3, 3, channels, channels), np.float32)
    g = array((tasks, images, *geometry.result, channels), np.float32)
    for name, out, arrays in (
        ("conv", g, [x, w]),
        ("conv_weight", w, [x, g]),
        ("conv_input", x, [g, w]),
    ):
        yield name, out, arrays, {"geometry": geometry}


def rates(small: bool) -> Iterator[tuple[str, dict]]:
    """(name, {"tinymeta": tera-operations a second, "cuBLAS": those of the same product})."""
    for name, out, arrays, static in calls(small, random_array):
        if name == "matmul":
            (tasks, m, n), k = out.shape, arrays[0].shape[-1]
            operations = 2 * tasks * m * n * k
            rival = cublas_rate(m, n, k, tasks)
            title = f"product {tasks} x {m} x {n} x {k}"
        else:
            tasks, images, *_, channels = arrays[0].shape
            operations = 2 * tasks * images * np.prod(static["geometry"].result) * 9 * channels**2
            rival, title = None, f"{name}, layer 2"
        mine = kernel_rate(name, out, arrays, int(operations), small, **static)
        beside = f"   cuBLAS {rival:8.2f}   {100 * mine / rival:.0f} %" if rival else ""
        print(f"{title:36} {mine:8.2f} TFLOP/s{beside}", flush=True)
        yield title, {"tinymeta": mine, "cuBLAS": rival}


def random_array(shape: tuple, dtype: Any) -> Any:
    """Normal random numbers on the GPU."""
    from tinymeta.cuda import move

    return move(np.random.default_rng(0).standard_normal(shape, dtype), "cuda")


def kernel_rate(
    name: str, out: Any, arrays: list, operations: int, small: bool, **static: Any
) -> float:
    """Tera-operations a second of a primitive's kernel, launched many times without waiting."""
    from tinymeta.core.device import find_kernel
    from tinymeta.core.primitive import registry
    from tinymeta.cuda.driver import current
    from tinymeta.cuda.launch import record_launches

    with record_launches() as recording:
        find_kernel(registry[name], "cuda")(out, *arrays, **static)
    count = 1 if small else 20

    def many_launches() -> None:
        for _ in range(count):
            for launch in recording.launches:
                launch()
        current().synchronize()

    many_launches()
    return operations * count / min(seconds(many_launches) for _ in range(3)) / 1e12


def torch_on_gpu() -> Any:
    """The module, if it is installed and finds a GPU, or None."""
    if not find_spec("torch"):
        return None
    import torch

    return torch if torch.cuda.is_available() else None


def cublas_rate(m: int, n: int, k: int, tasks: int) -> float | None:
    """Tera-operations a second of the same product by PyTorch, which calls cuBLAS."""
    torch = torch_on_gpu()
    if torch is None:
        return None
    torch.backends.cuda.matmul.allow_tf32 = False
    x, y = torch.randn((tasks, m, k), device="cuda"), torch.randn((tasks, k, n), device="cuda")

    def many_products() -> None:
        for _ in range(20):
            torch.matmul(x, y)
        torch.cuda.synchronize()

    many_products()
    return 2 * m * n * k * tasks * 20 / min(seconds(many_products) for _ in range(3)) / 1e12
