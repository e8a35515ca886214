"""The picture of siamese_images.py: test images beside their nearest by the learned distance."""

import numpy as np

from tinymeta.meta.siamese import distances
from tinymeta.runs.pictures import (
    RIGHT_COLOUR,
    WRONG_COLOUR,
    frame,
    is_ink,
    pyplot,
    save_figure,
    show_image,
)


def draw_neighbours(model, params, characters, rng, path):
    """Test images, each followed by its nearest neighbours among 200 others.

    Blue: the same class.
    """
    plt = pyplot()
    if plt is None:
        return
    chosen = characters.select(rng.choice(len(characters), min(40, len(characters)), replace=False))
    each = min(6, int(chosen.counts.min()))  # pictures of each
    labels = np.repeat(np.arange(len(chosen)), each)
    images = chosen.take(labels, np.tile(np.arange(each), len(chosen))).astype(np.float32)
    embedded = np.asarray(model(params, images))
    queries = np.arange(0, len(labels), max(len(labels) // 6, 1))[:6]
    d = distances(embedded[queries], embedded)
    figure, axes = plt.subplots(6, 7, figsize=(7, 6.8))
    for axis in axes.ravel():
        axis.set_axis_off()
    for row, i in enumerate(queries):
        for column, j in enumerate(np.argsort(d[row])[:7]):
            axis = axes[row, column]
            axis.set_axis_on()
            show_image(axis, images[j], is_ink(characters), f"D = {d[row, j]:.2f}" * (column > 0))
            if column:
                frame(axis, RIGHT_COLOUR if labels[j] == labels[i] else WRONG_COLOUR)
    axes[0, 0].set_title("asked", fontsize=8)
    axes[0, 1].set_title("nearest", fontsize=8)
    nearest = np.argsort(d)[:, 1:2]  # the first is the image itself
    right = np.mean(labels[nearest] == labels[queries][:, None])
    figure.suptitle(
        f"the nearest of {len(labels)} test images by the learned distance D (blue: same class)\n"
        f"accuracy of the very nearest: {right:.2f}",
        fontsize=9,
        y=0.96,
    )
    figure.subplots_adjust(hspace=0.5)
    save_figure(figure, path)
