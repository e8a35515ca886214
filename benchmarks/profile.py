"""Where the time of an eager step goes, primitive by primitive, and how far it is from the floor.

Both are an interpreter around the eager one: every primitive passes the doorway, so a stopwatch and
a counter of floating operations there see everything, gradients of gradients included.
"""

import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np

from tinymeta.core.primitive import run_eagerly
from tinymeta.core.scope import setting

CONTRACTIONS = ("matmul", "conv", "conv_input", "conv_weight")


def operations(primitive, values, static) -> int:
    """Multiplications and additions of a contraction; 0 for everything else."""
    if primitive.name == "matmul":
        a, b = values
        return 2 * a.size * b.shape[-1]
    if primitive.name in CONTRACTIONS:  # all three sum over t, n, i, j, a, b, c, o
        a, b = values
        geometry, images = static["geometry"], a.shape[:-3]
        channels = (a.shape[-1], b.shape[-1]) if primitive.name == "conv_weight" else b.shape[-2:]
        return 2 * int(np.prod((*images, *geometry.result, *geometry.kernel, *channels)))
    return 0


def watched(run: Callable) -> dict[str, np.ndarray]:
    """[calls, seconds, floating operations] of each primitive in one run."""
    rows = defaultdict(lambda: np.zeros(3))

    def interpreter(primitive, values, static):
        start = time.perf_counter()
        value = run_eagerly(primitive, values, static)
        spent = time.perf_counter() - start
        rows[primitive.name] += 1, spent, operations(primitive, values, static)
        return value

    with setting(interpreter=interpreter):
        run()
    return dict(rows)


def profile(run: Callable, rounds: int) -> str:
    """A table of time per primitive, of the quickest of some runs."""
    run()
    runs = [watched(run) for _ in range(rounds)]
    rows = min(runs, key=lambda rows: sum(row[1] for row in rows.values()))
    total = sum(rows.values())
    lines = [f"{'':16} {'calls':>6} {'ms':>9} {'share':>7} {'us/call':>9} {'GFLOP/s':>9}"]
    for name, row in sorted(rows.items(), key=lambda item: -item[1][1]) + [("all", total)]:
        calls, spent, work = row
        rate = f"{work / spent / 1e9:9.1f}" if name in CONTRACTIONS else ""
        lines.append(
            f"{name:16} {calls:6.0f} {1e3 * spent:9.2f} {spent / total[1]:7.1%} "
            f"{1e6 * spent / calls:9.1f} {rate}"
        )
    return "\n".join(lines)
