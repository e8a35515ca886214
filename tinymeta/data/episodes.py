"""Few-shot tasks, drawn from a set of characters.

An episode (Vinyals et al. 2016) is a task of K classes with S labelled examples each to learn from
(support) and Q others to be tested on (query); here T of them are drawn at once, the task axis
first. Rotations follow Finn et al. 2017: each class of a task is rotated by one multiple of 90
degrees, drawn anew, so that a task never holds one character at two rotations.
"""

from typing import NamedTuple

import numpy as np

from ..core.checks import check_whole
from .characters import Characters
from .drawing import as_float32, check_arguments, distinct, rotate


class Batch(NamedTuple):
    """Examples: x (T, N, ...), y (T, N, ...)."""

    x: np.ndarray
    y: np.ndarray


class Tasks(NamedTuple):
    """Examples to learn from, the support, and to be tested on, the query; the task axis first."""

    support: Batch
    query: Batch


def episodes(
    characters: Characters,
    rng: np.random.Generator,
    *,
    way: int = 5,
    shot: int = 1,
    query: int = 1,
    tasks: int = 32,
    rotations: bool = True,
) -> Tasks:
    """Draw T tasks: support.x (T, K*S, H, W, 1) float32 with labels support.y (T, K*S) int64, and
    query likewise with Q in place of S.

    Within a task the K classes differ, and within a class the drawers. Examples are sorted by
    class: y = 0 ... 0 1 ... 1 2 ...

    Raises ValueError when there are fewer characters than ways or fewer drawers than shot + query,
    and where images that are not square are to be rotated.
    """
    way, shot, query, tasks = check_whole("episodes", way=way, shot=shot, query=query, tasks=tasks)
    check_arguments("episodes", characters, rng, rotations)
    classes, drawers = characters.images.shape[:2]
    if way > classes:
        raise ValueError(
            f"episodes: way={way} needs {way} characters, and this set has {classes}; "
            f"lower way, or join more characters"
        )
    examples = shot + query  # of each class
    if examples > drawers:
        raise ValueError(
            f"episodes: shot={shot} + query={query} needs {examples} drawers of a "
            f"character, and this set has {drawers}; lower shot or query"
        )

    chosen = distinct(rng, tasks, classes, way)  # (T, K), which characters
    by = distinct(rng, tasks * way, drawers, examples)  # (T*K, S+Q), by which drawers
    by = by.reshape(tasks, way, examples)
    x = characters.images[chosen[:, :, None], by]
    if rotations:
        x = rotate("episodes", x, rng.integers(4, size=(tasks, way)))
    x = as_float32("episodes", x)  # (T, K, S+Q, H, W)
    support, query_set = x[:, :, :shot], x[:, :, shot:]
    return Tasks(_labelled(support), _labelled(query_set))


def _labelled(x: np.ndarray) -> Batch:
    """The batch of images (T, K, n, H, W), labelled by their place on the axis K."""
    tasks, way, n, h, w = x.shape
    labels = np.repeat(np.arange(way), n)
    images = x.reshape(tasks, way * n, h, w, 1)
    return Batch(images, np.tile(labels, (tasks, 1)))
