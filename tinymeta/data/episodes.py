"""Few-shot tasks, drawn from a set of classes: Characters, or Pictures of one's own.

An episode (Vinyals et al. 2016) is a task of K classes with S labelled examples each to learn from
(support) and Q others to be tested on (query); here T of them are drawn at once, the task axis
first. Rotations follow Finn et al. 2017: each class of a task is rotated by one multiple of 90
degrees, drawn anew, so that a task never holds one character at two rotations. They make four
characters of one, and a 9 of a 6: of Pictures they are not the default.
"""

from typing import NamedTuple

import numpy as np

from ..core.checks import check_whole
from .drawing import Classes, as_float32, check_arguments, check_counts, distinct, rotate
from .pictures import Pictures


class Batch(NamedTuple):
    """Examples: x (T, N, ...), y (T, N, ...)."""

    x: np.ndarray
    y: np.ndarray


class Tasks(NamedTuple):
    """Examples to learn from, the support, and to be tested on, the query; the task axis first."""

    support: Batch
    query: Batch


def episodes(
    characters: Classes,
    rng: np.random.Generator,
    *,
    way: int = 5,
    shot: int = 1,
    query: int = 1,
    tasks: int = 32,
    rotations: bool | None = None,
) -> Tasks:
    """Draw T tasks: support.x (T, K*S, H, W, C) float32 with labels support.y (T, K*S) int64, and
    query likewise with Q in place of S. C is 1 of Characters and of grey Pictures.

    Within a task the K classes differ, and within a class the drawers, or pictures. Examples are
    sorted by class: y = 0 ... 0 1 ... 1 2 ... rotations: of Characters they are the default, of
    Pictures not.

    Raises ValueError when there are fewer classes than ways, when a class has fewer pictures than
    shot + query, and where images that are not square are to be rotated.

    >>> import numpy as np, tinymeta as tm
    >>> glyphs = tm.data.Glyphs().characters(1, per_alphabet=6)
    >>> support, query = tm.data.episodes(glyphs, np.random.default_rng(0), way=5, shot=2, tasks=4)
    >>> support.x.shape, query.y.shape
    ((4, 10, 28, 28, 1), (4, 5))
    """
    if rotations is None:
        rotations = not isinstance(characters, Pictures)
    way, shot, query, tasks = check_whole("episodes", way=way, shot=shot, query=query, tasks=tasks)
    check_arguments("episodes", characters, rng, rotations)
    classes = len(characters)
    if way > classes:
        raise ValueError(
            f"episodes: way={way} needs {way} classes, and this set has {classes}; lower way, or "
            "join more characters"
        )
    examples = shot + query  # of each class
    check_counts("episodes", characters, f"shot={shot} + query={query}", examples)

    chosen = distinct(rng, tasks, classes, way)  # (T, K), which classes
    counts = characters.counts[chosen].ravel()  # (T*K,)
    by = distinct(rng, tasks * way, counts, examples)  # (T*K, S+Q), which pictures of each
    by = by.reshape(tasks, way, examples)
    x = characters.take(np.broadcast_to(chosen[:, :, None], by.shape), by)
    if rotations:
        x = rotate("episodes", x, rng.integers(4, size=(tasks, way)))
    x = as_float32("episodes", x)  # (T, K, S+Q, H, W, C)
    support, query_set = x[:, :, :shot], x[:, :, shot:]
    return Tasks(_labelled(support), _labelled(query_set))


def _labelled(x: np.ndarray) -> Batch:
    """The batch of images (T, K, n, H, W, C), labelled by their place on the axis K."""
    tasks, way, n = x.shape[:3]
    labels = np.repeat(np.arange(way), n)
    images = x.reshape(tasks, way * n, *x.shape[3:])
    return Batch(images, np.tile(labels, (tasks, 1)))
