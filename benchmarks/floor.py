"""The floor: what the contractions of a step alone would cost at this machine's BLAS rate.

    python -m benchmarks floor                          # of conv4, or with --of another work

It counts the floating operations of the first contender and compares the contenders' times with
what the operations take at BLAS's rate, both of the same rounds, in turn. Two rates: one large
product, which nothing here ever reaches, and batched products of the size that layer 2 of the
Omniglot net has, one for each task, which is what the step is made of; by NumPy's BLAS and, where
it is installed, PyTorch's. That the contenders agree is checked by `python -m benchmarks`.
"""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import numpy as np

from .profile import measure_primitives
from .timing import alternate

PRODUCTS = {
    "one product of 2048x2048": ((2048, 2048), (2048, 2048)),
    "32 products of 245x576 by 576x64": ((32, 245, 576), (32, 576, 64)),
}


def _products() -> dict[str, tuple[Callable, float]]:
    """By library and name of a product: a function that computes it, and its operations."""
    rng = np.random.default_rng(0)
    found = {}
    for name, (a_shape, b_shape) in PRODUCTS.items():
        a, b = rng.random(a_shape, np.float32), rng.random(b_shape, np.float32)
        out = a @ b
        operations = 2 * a.size * b.shape[-1]
        found[f"NumPy, {name}"] = (partial(np.matmul, a, b, out=out), operations)
        if find_spec("torch"):
            import torch

            tensors = torch.from_numpy(a), torch.from_numpy(b)
            target = torch.empty(out.shape)
            found[f"torch, {name}"] = (partial(torch.matmul, *tensors, out=target), operations)
    return found


def floor(contenders: dict[str, Callable], rounds: int) -> str:
    """The floors, and how many times longer each contender takes, as lines of text.

    The operations are those of the first contender; times are medians of the same rounds.
    """
    first = next(iter(contenders.values()))
    first()
    total = sum(counted for _, _, counted in measure_primitives(first).values())
    products = _products()
    times = alternate(contenders | {name: run for name, (run, _) in products.items()}, rounds)
    floors = {}
    lines = [f"contractions: {total / 1e9:.2f} GFLOP"]
    for name, (_, operations) in products.items():
        rate = operations / times[name]["median"]
        floors[name] = total / rate
        lines.append(f"{name}: {rate / 1e9:.0f} GFLOP/s, floor {1e3 * floors[name]:.1f} ms")
    for name in contenders:
        median = times[name]["median"]
        ratios = ", ".join(f"{median / seconds:.2f}" for seconds in floors.values())
        lines.append(f"{name}: {1e3 * median:.1f} ms, {ratios} times the floors")
    return "\n".join(lines)
