"""How the cost of a conv4 meta-gradient grows: with tasks, with inner steps, with filters.

    python -m benchmarks growth

At each point the gradients of tinymeta and, where it is installed, PyTorch are checked to agree in
float64 before they are timed in float32. Results: growth.json and growth.png in --out.
"""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from tinymeta.system.disk import replacing

from . import work
from .rivals import rivals
from .timing import alternate, check_agreement, machine, write

AXES = {"tasks": [4, 8, 16, 32, 64], "steps": [1, 2, 3, 4, 5], "filters": [16, 32, 64, 96]}
RIVAL = "torch.func, vmap and grad"


def _contenders(job: work.Work) -> dict[str, Callable]:
    """tinymeta, compiled and eager, and PyTorch's quickest exact way."""
    others = rivals(job)
    return work.ours(job) | {name: others[name] for name in others if name == RIVAL}


def growth(out: Path, rounds: int) -> None:
    """Time all points, write growth.json and, where matplotlib is installed, growth.png."""
    medians: dict[str, dict[str, list[float]]] = {}  # contender -> axis -> seconds at its values
    for axis, values in AXES.items():
        for value in values:
            job = work.conv4(**{axis: value})
            check_agreement(f"{axis} {value}", _contenders(work.in_double(job)))
            results = alternate(_contenders(job), rounds)
            texts = []
            for name, result in results.items():
                of_contender = medians.setdefault(name, {})
                of_contender.setdefault(axis, []).append(result["median"])
                texts.append(f"{name} {1e3 * result['median']:.0f} ms")
            print(f"{axis} {value}: {', '.join(texts)}", flush=True)
    report = {"machine": machine(), "axes": AXES, "seconds": medians}
    write(out / "growth.json", json.dumps(report, indent=1) + "\n")
    if find_spec("matplotlib"):
        _draw(medians, out / "growth.png")


def _draw(medians: dict, path: Path) -> None:
    """A plot per axis, with a curve of milliseconds for each contender."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(AXES), figsize=(10, 3.2), layout="constrained")
    for plot, (axis, values) in zip(axes, AXES.items()):
        for name, times in medians.items():
            plot.plot(values, [1e3 * t for t in times[axis]], marker="o", label=name)
        plot.set(xlabel={"steps": "inner steps"}.get(axis, axis), xlim=(0, None), ylim=(0, None))
    axes[0].set_ylabel("ms")
    axes[0].legend(fontsize=8, frameon=False)
    figure.suptitle(
        "One conv4 meta-gradient: 32 tasks, 1 inner step, 64 filters, but for one of them",
        fontsize=10,
    )
    with replacing(path) as file:
        figure.savefig(file, dpi=110, format="png")
    plt.close(figure)
