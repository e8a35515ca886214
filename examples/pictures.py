"""Pictures, where matplotlib is installed."""

import functools
from pathlib import Path

from run_files import write_file


@functools.cache
def pyplot():
    """matplotlib.pyplot drawing to files, or None where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        print("no pictures: matplotlib is not installed (pip install 'tinymeta[examples]')")
        return None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def save_figure(figure, path: Path):
    """Write the figure as a PNG, and close it: pyplot would keep all figures in memory else."""
    write_file(path, lambda file: figure.savefig(file, dpi=120, bbox_inches="tight", format="png"))
    pyplot().close(figure)


def draw_curve(curve, path: Path, measure: str):
    """Loss on the left axis, the validation score with its interval on the right one."""
    plt = pyplot()
    if plt is None:
        return
    figure, left = plt.subplots(figsize=(6, 3.5))
    steps = [row.iteration for row in curve]
    left.plot(
        steps, [row.metrics["loss"] for row in curve], color="tab:gray", label="training loss"
    )
    left.set(xlabel="meta-updates", ylabel="training loss")
    scored = [row for row in curve if row.score]
    if scored:
        right = left.twinx()
        right.errorbar(
            [r.iteration for r in scored],
            [r.score.mean for r in scored],
            [r.score.interval for r in scored],
            color="tab:blue",
            capsize=2,
        )
        right.set_ylabel(f"validation {measure}", color="tab:blue")
    save_figure(figure, path)
