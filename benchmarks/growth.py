"""How the cost of a meta-gradient grows along six axes: is each unit as cheap as the cheapest?

    python -m benchmarks growth

An axis is a work whose size is one number; its unit is what should cost the same at every size: a
task, an inner step, a product operation. At each point the gradients of tinymeta and, where it is
installed and has this work, PyTorch are checked to agree in float64 before they are timed in
float32. The cost of an inner step is a slope, from one point to the next, so that what is done once
does not count. Results: growth.json and growth.png in --out.
"""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from tinymeta.system.disk import replacing

from . import work
from .rivals import rivals
from .timing import alternate, check_agreement, machine, write

RIVAL = "torch.func, vmap and grad"
OURS = "tinymeta, jit"


class Axis(NamedTuple):
    """A work at several sizes; the unit is what `units(size)` counts.

    slope: is the cost that of going from one size to the next? others: the largest size at which
    PyTorch and eager mode are timed, too, as they take minutes and gigabytes beyond; 0: none.
    """

    sizes: list[int]
    make: Callable[[int], work.Work]
    unit: str
    units: Callable[[int], float]
    slope: bool = False
    others: int = 0


def _count(size: int) -> float:
    return size


AXES = {
    "tasks": Axis(
        [4, 8, 16, 32, 64, 128, 256, 512],
        lambda size: work.conv4(tasks=size),
        "task",
        _count,
        others=64,
    ),
    "inner steps": Axis(
        [1, 2, 5, 10, 20, 50],
        lambda size: work.conv4(steps=size, tasks=8),
        "inner step",
        _count,
        slope=True,
        others=5,
    ),
    "filters": Axis(
        [64, 96, 128, 256],
        lambda size: work.conv4(filters=size, tasks=8),
        "filter^2",  # product operations, but for the first layer's
        lambda size: size * size,
        others=96,
    ),
    "million parameters": Axis([1, 10], work.dense, "million parameters", _count),
    "LSTM steps": Axis([20, 50, 100, 200], work.learned_optimizer, "step", _count),
    "tasks of a sinusoid": Axis(
        [25, 100, 400, 1600, 6400, 25600],
        lambda size: work.sinusoid(tasks=size),
        "task",
        _count,
        others=1600,
    ),
}


def growth(out: Path, rounds: int) -> None:
    """Time all points, write growth.json and, where matplotlib is installed, growth.png."""
    medians: dict[str, dict[str, list[float]]] = {}  # axis -> contender -> seconds at its sizes
    for name, axis in AXES.items():
        medians[name] = _along(name, axis, rounds)
        for contender, seconds in medians[name].items():
            shown = ", ".join(f"{size}: {1e3 * t:.1f}" for size, t in zip(axis.sizes, seconds))
            print(f"{name}, {contender}, ms: {shown}")
        print(f"  {_verdict(axis, medians[name][OURS])}", flush=True)
    sizes = {name: axis.sizes for name, axis in AXES.items()}
    report = {"machine": machine(), "axes": sizes, "seconds": medians}
    write(out / "growth.json", json.dumps(report, indent=1) + "\n")
    if find_spec("matplotlib"):
        _draw(medians, out / "growth.png")


def _along(name: str, axis: Axis, rounds: int) -> dict[str, list[float]]:
    """For each contender, its median seconds at the axis's sizes.

    All sizes take turns, as contenders do: what disturbs one round disturbs each of them alike.
    """
    points = {}
    for size in axis.sizes:
        job = axis.make(size)
        check_agreement(f"{name} {size}", _contenders(work.in_double(job), axis, size))
        points |= {(who, size): run for who, run in _contenders(job, axis, size).items()}
    medians: dict[str, list[float]] = {}
    for (contender, _), result in alternate(points, rounds).items():
        medians.setdefault(contender, []).append(result["median"])
    return medians


def _contenders(job: work.Work, axis: Axis, size: int) -> dict[str, Callable]:
    """tinymeta compiled; up to a size also eager, and PyTorch's quickest exact way."""
    found = work.ours(job)
    if size > axis.others:
        return {OURS: found[OURS]}
    others = rivals(job)
    return found | {name: others[name] for name in others if name == RIVAL}


def unit_costs(axis: Axis, seconds: list[float]) -> list[float]:
    """Seconds for a unit at each size; of a slope, between each two neighbouring sizes."""
    counts = [axis.units(size) for size in axis.sizes]
    if not axis.slope:
        return [time / count for time, count in zip(seconds, counts)]
    pairs = zip(zip(counts, seconds), zip(counts[1:], seconds[1:]))
    return [(later - time) / (more - count) for (count, time), (more, later) in pairs]


def _verdict(axis: Axis, seconds: list[float]) -> str:
    """The cost of a unit along the axis, and the largest in terms of the least."""
    costs = unit_costs(axis, seconds)
    shown = ", ".join(f"{1e3 * cost:.3g}" for cost in costs)
    return f"ms for each {axis.unit}: {shown}; at most {max(costs) / min(costs):.2f}x the least"


def _draw(medians: dict, path: Path) -> None:
    """A plot per axis, with a curve of milliseconds for each contender."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator

    columns = 3
    rows = -(-len(AXES) // columns)
    figure, plots = plt.subplots(rows, columns, figsize=(10, 3 * rows), layout="constrained")
    for plot, (name, axis) in zip(plots.flat, AXES.items()):
        for contender, times in medians[name].items():
            sizes = axis.sizes[: len(times)]
            plot.loglog(sizes, [1e3 * t for t in times], marker="o", label=contender)
        plot.minorticks_off()
        plot.set_xticks(axis.sizes, axis.sizes, fontsize=8)
        plot.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        plot.yaxis.set_major_formatter("{x:g}")
        plot.set(xlabel=name, ylabel="ms")
    plots.flat[0].legend(fontsize=8, frameon=False)
    with replacing(path) as file:
        figure.savefig(file, dpi=110, format="png")
    plt.close(figure)
