"""A page of answers: each picture beside its most likely classes, as bars."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import pictures

_MOST = 12  # answers on a page, in two columns
_BARS = 3  # classes of each


def draw_answers(
    images: np.ndarray,
    shares: np.ndarray,
    names: Sequence[str],
    titles: Sequence[str],
    path: Path,
    *,
    ink: bool = True,
) -> None:
    """The first answers: images (Q, H, W, C), shares (Q, K) of the K names, Q titles."""
    plt = pictures.pyplot()
    if plt is None:
        return
    shown = min(len(images), _MOST)
    rows = -(-shown // 2)
    figure, axes = plt.subplots(
        rows,
        4,
        figsize=(8, 1.35 * rows + 0.5),
        squeeze=False,
        gridspec_kw={"width_ratios": (1, 2, 1, 2)},
        layout="constrained",
    )
    for axis in axes.ravel():
        axis.set_axis_off()
    for k in range(shown):
        picture, bars = axes[k // 2, 2 * (k % 2) :][:2]
        picture.set_axis_on()
        pictures.show_image(picture, images[k], ink, titles[k])
        bars.set_axis_on()
        order = np.argsort(-shares[k])[:_BARS]
        heights = shares[k][order]
        colours = [pictures.RIGHT_COLOUR, *["0.7"] * (len(order) - 1)]
        bars.barh(range(len(order)), heights, color=colours)
        bars.set_yticks(range(len(order)), [names[c] for c in order], fontsize=8)
        bars.set(xlim=(0, 1), xticks=(0, 0.5, 1))
        bars.invert_yaxis()
        bars.tick_params(axis="x", labelsize=7)
        bars.set_xlabel("probability", fontsize=7)
    of_all = "" if shown == len(images) else f" (the first {shown} of {len(images)})"
    figure.suptitle(f"what it says of each picture{of_all}", fontsize=10)
    pictures.save_figure(figure, path)
