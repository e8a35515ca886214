"""The floor: what the contractions of a step alone would cost at this machine's BLAS rate.

Two rates: one large product, which nothing here ever reaches, and batched products of the size that
layer 2 of the Omniglot net has, one for each task, which is what the step is made of.
"""

from collections.abc import Callable

import numpy as np

from .profile import watched
from .timing import seconds


def rate(a_shape: tuple, b_shape: tuple, rounds: int) -> float:
    """Operations per second of a @ b in float32, the best of some rounds."""
    rng = np.random.default_rng(0)
    a, b = rng.random(a_shape, np.float32), rng.random(b_shape, np.float32)
    out = a @ b
    best = min(seconds(lambda: np.matmul(a, b, out=out)) for _ in range(rounds))
    return 2 * a.size * b.shape[-1] / best


def floor(contenders: dict[str, Callable], rounds: int) -> str:
    """How many times longer than the floor each contender takes; the first is counted."""
    first = next(iter(contenders.values()))
    first()
    work = sum(row[2] for row in watched(first).values())
    rates = {
        "one product of 2048x2048": rate((2048, 2048), (2048, 2048), rounds),
        "32 products of 245x576 by 576x64": rate((32, 245, 576), (32, 576, 64), rounds),
    }
    lines = [f"contractions: {work / 1e9:.2f} GFLOP"]
    for name, r in rates.items():
        lines.append(f"BLAS, {name}: {r / 1e9:.0f} GFLOP/s, floor {1e3 * work / r:.1f} ms")
    for name, run in contenders.items():
        best = min(seconds(run) for _ in range(rounds))
        above = ", ".join(f"{best * r / work:.1f}" for r in rates.values())
        lines.append(f"{name}: {1e3 * best:.1f} ms, {above} times the floors")
    return "\n".join(lines)
