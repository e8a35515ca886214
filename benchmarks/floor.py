"""The floor: what the contractions of a step alone would cost at this machine's BLAS rate.

    python -m benchmarks floor                          # of conv4, or with --of another work

It counts the floating operations of the first contender, measures the rate of BLAS, and compares
the contenders' times with the quotient. Two rates: one large product, which nothing here ever
reaches, and batched products of the size that layer 2 of the Omniglot net has, one for each task,
which is what the step is made of. That the contenders agree is checked by `python -m benchmarks`.
"""

from collections.abc import Callable

import numpy as np

from .profile import measure_primitives
from .timing import seconds


def _rate(a_shape: tuple, b_shape: tuple, rounds: int) -> float:
    """Operations per second of a @ b in float32, the best of some rounds."""
    rng = np.random.default_rng(0)
    a, b = rng.random(a_shape, np.float32), rng.random(b_shape, np.float32)
    out = a @ b
    best = min(seconds(lambda: np.matmul(a, b, out=out)) for _ in range(rounds))
    return 2 * a.size * b.shape[-1] / best


def floor(contenders: dict[str, Callable], rounds: int) -> str:
    """The floors, and how many times longer each contender takes, as lines of text.

    The operations are those of the first contender; a time is the best of some rounds.
    """
    first = next(iter(contenders.values()))
    first()
    flops = sum(counted for _, _, counted in measure_primitives(first).values())
    rates = {
        "one product of 2048x2048": _rate((2048, 2048), (2048, 2048), rounds),
        "32 products of 245x576 by 576x64": _rate((32, 245, 576), (32, 576, 64), rounds),
    }
    lines = [f"contractions: {flops / 1e9:.2f} GFLOP"]
    for name, r in rates.items():
        lines.append(f"BLAS, {name}: {r / 1e9:.0f} GFLOP/s, floor {1e3 * flops / r:.1f} ms")
    for name, run in contenders.items():
        best = min(seconds(run) for _ in range(rounds))
        ratios = ", ".join(f"{best * r / flops:.1f}" for r in rates.values())
        lines.append(f"{name}: {1e3 * best:.1f} ms, {ratios} times the floors")
    return "\n".join(lines)
