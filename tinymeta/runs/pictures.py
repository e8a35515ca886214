"""Pictures, where matplotlib is installed: learning curves, images, answers and mistakes."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tinymeta as tm

from .run_files import write_file

_BELOW = dict(loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False, fontsize=9)
_DPI, _PADDING = 120, 0.1  # of a file; its margin, in inches
RIGHT_COLOUR, WRONG_COLOUR = "tab:blue", "tab:orange"  # which the colour-blind can tell, too


@functools.cache
def pyplot() -> Any:
    """matplotlib.pyplot drawing to files, or None where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        print("no pictures: matplotlib is not installed (pip install 'tinymeta[examples]')")
        return None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def save_figure(figure: Any, path: Path) -> None:
    """Write the figure as a PNG, and close it: pyplot would keep all figures in memory else.

    The file is cut to what is drawn. Matplotlib's own "tight" goes through a whole drawing before
    it measures, which only a layout engine needs.
    """
    figure.set_dpi(_DPI)
    box: Any = "tight"
    if figure.get_layout_engine() is None:
        box = figure.get_tightbbox(figure.canvas.get_renderer()).padded(_PADDING)
    options = dict(dpi=_DPI, bbox_inches=box, format="png")
    write_file(path, lambda file: figure.savefig(file, **options))
    pyplot().close(figure)


def legend_below(axis: Any, *others: Any, columns: int = 2) -> None:
    """One legend for the lines of these axes, under them, where it hides nothing."""
    found = [each.get_legend_handles_labels() for each in (axis, *others)]
    handles = [handle for pair in found for handle in pair[0]]
    labels = [label for pair in found for label in pair[1]]
    axis.legend(handles, labels, ncol=columns, **_BELOW)


def figure_legend(figure: Any, axis: Any, columns: int = 6) -> None:
    """One legend for a figure whose axes show the same lines, under all of them."""
    figure.legend(
        *axis.get_legend_handles_labels(),
        loc="upper center",
        bbox_to_anchor=(0.5, -0.03),
        ncol=columns,
        frameon=False,
        fontsize=9,
    )


def draw_curve(curve: list, path: Path, measure: str, title: str = "") -> None:
    """Loss on the left axis, the validation score with its interval on the right one.

    measure: what the score is called, as in the terminal and in the file of the curve.
    """
    plt = pyplot()
    if plt is None:
        return
    figure, left = plt.subplots(figsize=(6, 3.5))
    steps = [row.iteration for row in curve]
    losses = [row.metrics["loss"] for row in curve]
    left.plot(steps, losses, color="0.45", linestyle="--", label="loss in training")
    left.set(xlabel="meta-updates", ylabel="loss in training", title=title)
    scored = [row for row in curve if row.score]
    axes = []
    if scored:
        right = left.twinx()
        right.errorbar(
            [r.iteration for r in scored],
            [r.score.mean for r in scored],
            [r.score.interval for r in scored],
            color="tab:blue",
            capsize=2,
            label=f"{measure}, with its 95 % interval",
        )
        right.set_ylabel(measure, color="tab:blue")
        axes.append(right)
    legend_below(left, *axes)
    save_figure(figure, path)


# ---- images --------------------------------------------------------------------------------------


def show_image(axis: Any, image: np.ndarray, ink: bool = True, caption: str = "") -> None:
    """An image (H, W, C) without ticks; ink: 1 is ink and shown dark, on light paper."""
    image = np.clip(np.asarray(image), 0, 1)
    if image.shape[-1] == 1:
        grey = image[..., 0]
        axis.imshow(1 - grey if ink else grey, cmap="gray", vmin=0, vmax=1)
    else:
        axis.imshow(image)
    axis.set(xticks=[], yticks=[])
    axis.set_xlabel(caption, fontsize=8)


def is_ink(classes: Any) -> bool:
    """Whether 1 is ink in the pictures of a set: of Characters it is, of Pictures if inverted."""
    return bool(getattr(classes, "inverted", True))


def frame(axis: Any, colour: str) -> None:
    """A frame of this colour, thick enough to be seen beside a picture."""
    for spine in axis.spines.values():
        spine.set(edgecolor=colour, linewidth=2.5)


# ---- answers -------------------------------------------------------------------------------------


class Mistake(NamedTuple):
    """A query image whose most likely class is not its own.

    asked, said, true: images (H, W, C): the query, and a support image of the class that was said
    and of the right one; share_said, share_true: their probabilities. names: of the two classes.
    """

    asked: np.ndarray
    said: np.ndarray
    true: np.ndarray
    share_said: float
    share_true: float
    names: tuple[str, str]


def probabilities(logits: Any) -> np.ndarray:
    """exp(logits) / sum of them, over the last axis, in float64; -inf has the share 0."""
    logits = np.asarray(logits, np.float64)
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def mistakes_of_task(
    support: Any, query: Any, shares: np.ndarray, names: Sequence[str]
) -> list[Mistake]:
    """The wrong answers of one task, the most certain first.

    support, query: batches x (N, H, W, C) and y (N,); shares (N, K): probabilities; names: of the
    K classes.
    """
    said = shares.argmax(-1)
    first = {int(label): support.x[k] for k, label in reversed([*enumerate(support.y)])}
    found = []
    for k in np.flatnonzero(said != query.y):
        s, t = int(said[k]), int(query.y[k])
        pair = (names[s], names[t])
        blank = np.zeros_like(query.x[k])
        images = query.x[k], first.get(s, blank), first.get(t, blank)
        found.append(Mistake(*images, float(shares[k, s]), float(shares[k, t]), pair))
    return sorted(found, key=lambda mistake: -mistake.share_said)


def mistakes_of_tasks(
    predict: Callable, params: Any, sample: Callable, *, tasks: int = 20
) -> tuple[list[Mistake], int]:
    """The wrong answers in so many tasks, the most certain first, and how many answers there were.

    predict(params, support, x): a Method's; sample(n) -> Tasks of n.
    """
    support, query = sample(tasks)
    shares = probabilities(predict(params, support, query.x))  # (T, N, K)
    names = [f"class {k}" for k in range(shares.shape[-1])]
    found = []
    for t in range(tasks):
        seen = tm.Batch(support.x[t], support.y[t])
        asked = tm.Batch(query.x[t], query.y[t])
        found += mistakes_of_task(seen, asked, shares[t], names)
    return sorted(found, key=lambda mistake: -mistake.share_said), query.y.size


def draw_mistakes(
    mistakes: list[Mistake], answers: int, path: Path, *, ink: bool = True, most: int = 12
) -> None:
    """A page of mistakes: each query beside the class that was said and its own; none: no page."""
    plt = pyplot()
    if plt is None or not mistakes:
        return
    shown = mistakes[:most]
    rows = -(-len(shown) // 2)
    figure, axes = plt.subplots(
        rows,
        7,
        figsize=(8, 1.4 * rows + 0.5),
        squeeze=False,
        gridspec_kw={"width_ratios": (4, 4, 4, 1, 4, 4, 4)},
    )
    for axis in axes.ravel():
        axis.set_axis_off()
    for k, mistake in enumerate(shown):
        row, left = k // 2, 4 * (k % 2)  # the column between stays empty
        parts = (
            (mistake.asked, "asked", "0.6"),
            (mistake.said, f"says {mistake.names[0]}: {mistake.share_said:.2f}", WRONG_COLOUR),
            (mistake.true, f"is {mistake.names[1]}: {mistake.share_true:.2f}", RIGHT_COLOUR),
        )
        for axis, (image, caption, colour) in zip(axes[row, left:], parts):
            axis.set_axis_on()
            show_image(axis, image, ink, caption)
            frame(axis, colour)
    certain = "all" if len(shown) == len(mistakes) else f"the {len(shown)} most certain"
    figure.suptitle(
        f"{certain} of {len(mistakes)} mistakes in {answers} answers, with probabilities",
        fontsize=10,
    )
    figure.subplots_adjust(hspace=0.4, top=1 - 0.42 / (1.4 * rows + 0.5))
    save_figure(figure, path)
