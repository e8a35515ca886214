"""Where the time of an eager step goes, primitive by primitive.

    python -m benchmarks profile                        # of conv4, or with --of another work

It runs in an interpreter around the eager one: every primitive is dispatched by `bind`, so a
stopwatch and a counter of floating operations there see everything, gradients of gradients too.
Nothing is compared, so no results are checked; the operations counted are, by the tests.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from tinymeta.core.primitive import Primitive, run_eagerly
from tinymeta.core.scope import setting

CONTRACTIONS = ("matmul", "conv", "conv_input", "conv_weight")


def _operations(primitive: Primitive, values: Sequence, static: dict) -> int:
    """Multiplications and additions of a contraction; 0 for everything else."""
    if primitive.name == "matmul":
        a, b = values
        return 2 * a.size * b.shape[-1]
    if primitive.name in CONTRACTIONS:  # all three sum over t, n, i, j, a, b, c, o
        a, b = values
        geometry = static["geometry"]
        images = a.shape[:-3]
        if primitive.name == "conv_weight":
            channels = (a.shape[-1], b.shape[-1])
        else:
            channels = b.shape[-2:]
        sizes = (*images, *geometry.result, *geometry.kernel, *channels)
        return 2 * int(np.prod(sizes))
    return 0


def measure_primitives(run: Callable) -> dict[str, np.ndarray]:
    """[calls, seconds, floating operations] of each primitive in one run, by its name."""
    totals: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(3))

    def interpreter(primitive, values, static):
        start = time.perf_counter()
        value = run_eagerly(primitive, values, static)
        spent = time.perf_counter() - start
        totals[primitive.name] += 1, spent, _operations(primitive, values, static)
        return value

    with setting(interpreter=interpreter):
        run()
    return dict(totals)


def profile(run: Callable, rounds: int) -> str:
    """A table of the time per primitive, in the quickest of some runs, the longest first."""
    run()
    runs = [measure_primitives(run) for _ in range(rounds)]

    def seconds(totals: dict[str, np.ndarray]) -> float:
        return sum(spent for _, spent, _ in totals.values())

    quickest = min(runs, key=seconds)
    total = np.sum(list(quickest.values()), axis=0)
    by_time = sorted(quickest.items(), key=lambda item: -item[1][1])
    lines = [f"{'':16} {'calls':>6} {'ms':>9} {'share':>7} {'us/call':>9} {'GFLOP/s':>9}"]
    for name, (calls, spent, flops) in [*by_time, ("all", total)]:
        rate = f"{flops / spent / 1e9:9.1f}" if name in CONTRACTIONS else ""
        lines.append(
            f"{name:16} {calls:6.0f} {1e3 * spent:9.2f} {spent / total[1]:7.1%} "
            f"{1e6 * spent / calls:9.1f} {rate}"
        )
    return "\n".join(lines)
