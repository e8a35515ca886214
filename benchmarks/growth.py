"""How the cost of a conv4 meta-gradient grows: with tasks, with inner steps, with filters."""

import json
from importlib.util import find_spec
from pathlib import Path

from tinymeta.core.disk import replacing

from . import work
from .rivals import rivals
from .timing import agreed, alternate, machine, write

AXES = {"tasks": [4, 8, 16, 32, 64], "steps": [1, 2, 3, 4, 5], "filters": [16, 32, 64, 96]}
RIVAL = "torch.func, vmap and grad"


def contenders(job: work.Work) -> dict:
    return work.ours(job) | {name: run for name, run in rivals(job).items() if name == RIVAL}


def growth(out: Path, rounds: int) -> None:
    """Times it all, writes growth.json and, with matplotlib, growth.png."""
    found = {}
    for axis, values in AXES.items():
        for value in values:
            job = work.conv4(**{axis: value})
            agreed(f"{axis} {value}", contenders(work.in_double(job)))
            results = alternate(contenders(job), rounds)
            for name, r in results.items():
                found.setdefault(name, {}).setdefault(axis, []).append(r["median"])
            print(
                f"{axis} {value}: "
                + ", ".join(f"{name} {1e3 * r['median']:.0f} ms" for name, r in results.items()),
                flush=True,
            )
    write(
        out / "growth.json",
        json.dumps({"machine": machine(), "axes": AXES, "seconds": found}, indent=1) + "\n",
    )
    if find_spec("matplotlib"):
        draw(found, out / "growth.png")


def draw(found: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(AXES), figsize=(10, 3.2), layout="constrained")
    for place, (axis, values) in zip(axes, AXES.items()):
        for name, times in found.items():
            place.plot(values, [1e3 * t for t in times[axis]], marker="o", label=name)
        place.set(xlabel={"steps": "inner steps"}.get(axis, axis), xlim=(0, None), ylim=(0, None))
    axes[0].set_ylabel("ms")
    axes[0].legend(fontsize=8, frameon=False)
    figure.suptitle(
        "One conv4 meta-gradient: 32 tasks, 1 inner step, 64 filters, but for one of them",
        fontsize=10,
    )
    with replacing(path) as file:
        figure.savefig(file, dpi=110, format="png")
    plt.close(figure)
