"""Few-shot tasks and image pairs, drawn from a set of characters.

An episode (Vinyals et al. 2016) is a task of K classes with S labelled examples each to learn from
(support) and Q others to be tested on (query); here T of them are drawn at once, the task axis
first. Rotations follow Finn et al. 2017: each class of a task is rotated by one multiple of 90
degrees, drawn anew, so that a task never holds one character at two rotations.
"""

import warnings
from typing import NamedTuple

import numpy as np

from ..core.checks import check_flag, check_generator, check_instance, check_share, check_whole
from .characters import Characters


class Batch(NamedTuple):
    """Examples: x (T, N, ...), y (T, N, ...)."""

    x: np.ndarray
    y: np.ndarray


class Tasks(NamedTuple):
    """Examples to learn from, the support, and to be tested on, the query; the task axis first."""

    support: Batch
    query: Batch


class Pairs(NamedTuple):
    """P pairs of images: a, b (P, H, W, 1) float32; different (P,) bool, True where they show two
    characters, False where they show one."""

    a: np.ndarray
    b: np.ndarray
    different: np.ndarray


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
    _check_arguments("episodes", characters, rng, rotations)
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

    chosen = _distinct(rng, tasks, classes, way)  # (T, K), which characters
    by = _distinct(rng, tasks * way, drawers, examples)  # (T*K, S+Q), by which drawers
    by = by.reshape(tasks, way, examples)
    x = characters.images[chosen[:, :, None], by]
    if rotations:
        x = _rotate("episodes", x, rng.integers(4, size=(tasks, way)))
    x = _as_float32("episodes", x)  # (T, K, S+Q, H, W)
    support, query_set = x[:, :, :shot], x[:, :, shot:]
    return Tasks(_labelled(support), _labelled(query_set))


def _labelled(x: np.ndarray) -> Batch:
    """The batch of images (T, K, n, H, W), labelled by their place on the axis K."""
    tasks, way, n, h, w = x.shape
    labels = np.repeat(np.arange(way), n)
    images = x.reshape(tasks, way * n, h, w, 1)
    return Batch(images, np.tile(labels, (tasks, 1)))


def pairs(
    characters: Characters,
    rng: np.random.Generator,
    *,
    count: int = 128,
    within: float = 0.5,
    same: float = 0.5,
    rotations: bool = False,
) -> Pairs:
    """Draw P pairs of images, a share `same` of them showing one character twice.

    Of the others a share `within` are two characters of one alphabet, the hard kind, and the rest
    are of two alphabets. Shares are met exactly, up to rounding, in a random order. The two drawers
    of a pair always differ, so that the drawer is no hint; with rotations both images are rotated
    by the same multiple of 90 degrees.

    Raises ValueError for shares outside [0, 1] and where the set cannot give what a share asks for.
    """
    (count,) = check_whole("pairs", count=count)
    check_share("pairs", within=within, same=same)
    _check_arguments("pairs", characters, rng, rotations)
    n_same = round(count * same)
    n_within = round((count - n_same) * within)
    n_between = count - n_same - n_within
    _check_pairs(characters, within, n_within, n_between)

    # Sorted by alphabet, the classes form a ring of C places, on which each alphabet is a stretch
    # of consecutive ones. A partner is then a random step away: within the stretch and around it
    # for the same alphabet, beyond the stretch and around the ring for another one. No draw is ever
    # rejected, and all partners are equally likely.
    ring = np.argsort(characters.alphabet, kind="stable")  # (C,), the class at each place
    _, which, sizes = np.unique(characters.alphabet, return_inverse=True, return_counts=True)
    starts = np.cumsum(sizes) - sizes  # (alphabets,)
    size, start = sizes[which][ring], starts[which][ring]  # (C,), of the stretch around each place

    same_place = rng.integers(len(ring), size=n_same)
    a_within = np.zeros(0, int)
    if n_within:
        a_within = rng.choice(np.flatnonzero(size > 1), n_within)
    step = 1 + rng.integers(size[a_within] - 1)
    place = (a_within - start[a_within] + step) % size[a_within]  # in the stretch
    b_within = start[a_within] + place
    a_between = rng.integers(len(ring), size=n_between)
    step = rng.integers(len(ring) - size[a_between])
    b_between = (start[a_between] + size[a_between] + step) % len(ring)

    order = rng.permutation(count)
    first = ring[np.concatenate([same_place, a_within, a_between])][order]  # (P,)
    second = ring[np.concatenate([same_place, b_within, b_between])][order]
    by = _distinct(rng, count, characters.drawers, 2)  # (P, 2)
    a = characters.images[first, by[:, 0]]  # (P, H, W)
    b = characters.images[second, by[:, 1]]
    if rotations:
        both = _rotate("pairs", np.stack([a, b], axis=1), rng.integers(4, size=count))
        a, b = both.swapaxes(0, 1)
    a = _as_float32("pairs", a[..., None])
    b = _as_float32("pairs", b[..., None])
    return Pairs(a, b, first != second)


def _check_pairs(characters: Characters, within: float, n_within: int, n_between: int) -> None:
    """Raise ValueError where the set has no pairs of a kind that is asked for."""
    sizes = np.unique(characters.alphabet, return_counts=True)[1]
    if n_within and (sizes == 1).all():
        raise ValueError(
            f"pairs: within={within} needs an alphabet of two characters or more, and "
            f"each of these {len(sizes)} alphabets has one; use within=0"
        )
    if n_between and len(sizes) == 1:
        raise ValueError(
            f"pairs: within={within} asks for pairs across alphabets, and this set "
            f"has one, {characters.alphabets[0]}; use within=1"
        )
    if characters.drawers < 2:
        raise ValueError(
            "pairs: a pair needs two drawers of a character, and this set has one; "
            "use a set with more"
        )


def groups(
    characters: Characters,
    rng: np.random.Generator,
    *,
    classes: int = 16,
    drawers: int = 8,
    alphabets: int = 1,
    rotations: bool = False,
) -> Batch:
    """Draw a labelled batch whose pairs are all worth comparing: x (N, H, W, 1) float32, and y
    (N,) int64, sorted; N = classes * drawers.

    It shows `classes` characters, by `drawers` people each, from `alphabets` alphabets, divided as
    evenly as can be: characters of one alphabet are the hard ones to distinguish. With rotations,
    each alphabet is rotated as a whole by one multiple of 90 degrees, which makes it a new one.

    Raises ValueError where the set has too few drawers, or too few alphabets that are large enough.
    """
    classes, drawers, alphabets = check_whole(
        "groups", classes=classes, drawers=drawers, alphabets=alphabets
    )
    _check_arguments("groups", characters, rng, rotations)
    if drawers > characters.drawers:
        raise ValueError(
            f"groups: drawers={drawers}, and this set has {characters.drawers}; lower drawers"
        )
    counts = np.diff(np.arange(alphabets + 1) * classes // alphabets)  # classes of each alphabet
    sizes = np.bincount(characters.alphabet)
    large = np.flatnonzero(sizes >= counts.max())
    if len(large) < alphabets:
        raise ValueError(
            f"groups: {classes} classes of {alphabets} alphabet(s) need as many "
            f"alphabets of {counts.max()} characters, and this set has {len(large)}; "
            "lower classes, or raise alphabets"
        )

    parts = []
    for alphabet, count in zip(rng.choice(large, alphabets, replace=False), counts):
        members = np.flatnonzero(characters.alphabet == alphabet)
        chosen = rng.choice(members, count, replace=False)
        by = _distinct(rng, count, characters.drawers, drawers)
        images = characters.images[chosen[:, None], by]  # (count, drawers, H, W)
        if rotations:
            (images,) = _rotate("groups", images[None], rng.integers(4, size=1))
        parts.append(images)
    x = np.concatenate(parts)  # (classes, drawers, H, W)
    x = _as_float32("groups", x.reshape(-1, *x.shape[2:], 1))
    return Batch(x, np.repeat(np.arange(classes), drawers))


def _as_float32(caller: str, x: np.ndarray) -> np.ndarray:
    """The images as float32. Warns, once for each place that calls `caller`, of those whose numbers
    are far from 1; to be called by `caller` itself, for the warning to name the user's line."""
    most = 1 if x.dtype.kind in "iu" else 20  # standardised images are below 20
    if x.max() > most:
        warnings.warn(
            f"{caller}: the images hold numbers up to {x.max()}, and networks learn from "
            "0 to 1: divide them first, as images / 255",
            stacklevel=3,
        )
    return x.astype(np.float32)


def _check_arguments(
    caller: str, characters: Characters, rng: np.random.Generator, rotations: bool
) -> None:
    """Raise TypeError for what is no set of characters, no Generator or no bool."""
    check_instance(caller, Characters, "a set of classes", characters=characters)
    check_generator(caller, rng)
    check_flag(caller, rotations=rotations)


def _distinct(rng: np.random.Generator, rows: int, n: int, k: int) -> np.ndarray:
    """k different whole numbers below n in each row, in random order -> (rows, k).

    They are the places of the k smallest of n random keys, sorted by key: O(n) a row, and all rows
    at once, where rng.choice without replacement draws one row a call.
    """
    keys = rng.random((rows, n), np.float32)
    smallest = np.argpartition(keys, k - 1, axis=1)[:, :k]  # (rows, k), in no order to rely on
    order = np.take_along_axis(keys, smallest, 1).argsort(1)
    return np.take_along_axis(smallest, order, 1)


def _rotate(caller: str, x: np.ndarray, quarters: np.ndarray) -> np.ndarray:
    """Rotate images x (..., n, H, W) by `quarters` (...) times 90 degrees, the n of a row alike.

    Raises ValueError for images that are not square.
    """
    h, w = x.shape[-2:]
    if h != w:
        raise ValueError(
            f"{caller}: quarter turns need square images, got {h}x{w}; use rotations=False"
        )
    rotated = x.copy()
    for k in (1, 2, 3):
        chosen = quarters == k
        rotated[chosen] = np.rot90(x[chosen], k, axes=(-2, -1))
    return rotated
