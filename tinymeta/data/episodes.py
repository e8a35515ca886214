"""Few-shot tasks and image pairs, drawn from a set of characters.

An episode (Vinyals et al. 2016) is K classes with S labelled examples each to learn from (support)
and Q others to be judged on (query); here T of them are drawn at once, the task axis first.
Rotations follow Finn et al. 2017: each class of a task is turned by one multiple of 90 degrees,
drawn anew, so that a task never holds one character at two rotations.
"""

import warnings
from typing import NamedTuple

import numpy as np

from ..core.checks import flag, generator, instance, share, whole
from .characters import Characters


class Batch(NamedTuple):
    """Examples: x (T, N, ...), y (T, N, ...)."""

    x: np.ndarray
    y: np.ndarray


class Tasks(NamedTuple):
    """What to learn from, the support, and what to be judged on, the query; task axis first."""

    support: Batch
    query: Batch


class Pairs(NamedTuple):
    """Images a, b (P, H, W, 1) float32; different (P,) bool: True for two characters, not one."""

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

    Within a task the K classes differ, and so do a class's drawers. Examples lie class by class:
    y = 0 ... 0 1 ... 1 2 ...

    Raises ValueError when there are fewer characters than ways or fewer drawers than shot + query.
    """
    way, shot, query, tasks = whole("episodes", way=way, shot=shot, query=query, tasks=tasks)
    drawable("episodes", characters, rng, rotations)
    classes, drawers, h, w = characters.images.shape
    if way > classes:
        raise ValueError(
            f"episodes: way={way} needs {way} characters, and this set has {classes}; "
            f"lower way, or join more characters"
        )
    if shot + query > drawers:
        raise ValueError(
            f"episodes: shot={shot} + query={query} needs {shot + query} drawers of a "
            f"character, and this set has {drawers}; lower shot or query"
        )

    chosen = _distinct(rng, tasks, classes, way)  # (T, K)
    by = _distinct(rng, tasks * way, drawers, shot + query).reshape(tasks, way, shot + query)
    x = characters.images[chosen[:, :, None], by]  # (T, K, S+Q, H, W)
    if rotations:
        x = _turn("episodes", x, rng.integers(4, size=(tasks, way)))

    def batch(x):  # (T, K, n, H, W)
        n = x.shape[2]
        y = np.tile(np.repeat(np.arange(way), n), (tasks, 1))  # (T, K*n)
        return Batch(x.reshape(tasks, way * n, h, w, 1), y)

    x = _as_numbers("episodes", x)

    return Tasks(batch(x[:, :, :shot]), batch(x[:, :, shot:]))


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
    always differ, so that the drawer tells nothing; with rotations both images turn alike.

    Raises ValueError for shares outside [0, 1] and where the set cannot give what a share asks for.
    """
    (count,) = whole("pairs", count=count)
    share("pairs", within=within, same=same)
    drawable("pairs", characters, rng, rotations)
    n_same = round(count * same)
    n_within = round((count - n_same) * within)
    n_between = count - n_same - n_within

    # Sorted by alphabet, each alphabet is a stretch of a ring: a partner is a random step away.
    ring = np.argsort(characters.alphabet, kind="stable")  # (C,)
    _, which, sizes = np.unique(characters.alphabet, return_inverse=True, return_counts=True)
    size = sizes[which][ring]  # (C,), of the place's alphabet
    start = (np.cumsum(sizes) - sizes)[which][ring]
    crowd = np.flatnonzero(size > 1)
    if n_within and not len(crowd):
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

    once = rng.integers(len(ring), size=n_same)
    p = rng.choice(crowd, n_within) if n_within else np.zeros(0, int)
    mate = start[p] + (p - start[p] + 1 + rng.integers(size[p] - 1)) % size[p]
    q = rng.integers(len(ring), size=n_between)
    other = (start[q] + size[q] + rng.integers(len(ring) - size[q])) % len(ring)

    shuffled = rng.permutation(count)
    first = ring[np.concatenate([once, p, q])][shuffled]  # (P,)
    second = ring[np.concatenate([once, mate, other])][shuffled]
    by = _distinct(rng, count, characters.drawers, 2)  # (P, 2)
    a, b = characters.images[first, by[:, 0]], characters.images[second, by[:, 1]]  # (P, H, W)
    if rotations:
        a, b = _turn("pairs", np.stack([a, b], axis=1), rng.integers(4, size=count)).swapaxes(0, 1)
    return Pairs(
        _as_numbers("pairs", a[..., None]), _as_numbers("pairs", b[..., None]), first != second
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
    """Draw a labelled batch whose pairs are all worth comparing: x (N, H, W, 1) float32, y (N,).

    It shows `classes` characters, by `drawers` hands each, from so many alphabets, as evenly as
    can be: characters of one alphabet are the hard ones to tell apart. With rotations, each
    alphabet is turned as a whole, which makes it another. N = classes * drawers, class by class.

    Raises ValueError where the set has too few drawers, or too few alphabets that are large enough.
    """
    classes, drawers, alphabets = whole(
        "groups", classes=classes, drawers=drawers, alphabets=alphabets
    )
    drawable("groups", characters, rng, rotations)
    if drawers > characters.drawers:
        raise ValueError(
            f"groups: drawers={drawers}, and this set has {characters.drawers}; lower drawers"
        )
    shares = np.diff(np.arange(alphabets + 1) * classes // alphabets)
    sizes = np.bincount(characters.alphabet)
    large = np.flatnonzero(sizes >= shares.max())
    if len(large) < alphabets:
        raise ValueError(
            f"groups: {classes} classes of {alphabets} alphabet(s) need as many "
            f"alphabets of {shares.max()} characters, and this set has {len(large)}; "
            "lower classes, or raise alphabets"
        )
    parts = []
    for which, count in zip(rng.choice(large, alphabets, replace=False), shares):
        own = rng.choice(np.flatnonzero(characters.alphabet == which), count, replace=False)
        by = _distinct(rng, count, characters.drawers, drawers)
        x = characters.images[own[:, None], by][None]  # (1, K, S, H, W)
        parts.append(_turn("groups", x, rng.integers(4, size=1))[0] if rotations else x[0])
    x = np.concatenate(parts)  # (K, S, H, W)
    x = _as_numbers("groups", x.reshape(-1, *x.shape[2:], 1))
    return Batch(x, np.repeat(np.arange(classes), drawers))


def _as_numbers(who: str, x: np.ndarray) -> np.ndarray:
    """Pictures as float32. Warns, once for each place that draws, of those that are not about 1."""
    if x.max() > (1 if x.dtype.kind in "iu" else 20):  # 20: standardised ones are below
        warnings.warn(
            f"{who}: the images hold numbers up to {x.max()}, and networks learn from "
            "0 to 1: divide them first, as images / 255",
            stacklevel=3,
        )
    return x.astype(np.float32)


def drawable(who: str, characters, rng, rotations) -> None:
    """Raise TypeError for what nothing can be drawn from, or with."""
    instance(who, Characters, "a set of classes", characters=characters)
    generator(who, rng)
    flag(who, rotations=rotations)


def _distinct(rng, rows: int, n: int, k: int) -> np.ndarray:
    """In each row k different numbers below n, in random order: the places of the k smallest of n
    random keys, ordered by key."""
    keys = rng.random((rows, n), np.float32)
    least = np.argpartition(keys, k - 1, axis=1)[:, :k]  # (rows, k)
    return np.take_along_axis(least, np.take_along_axis(keys, least, 1).argsort(1), 1)


def _turn(who: str, x: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Rotate x (..., n, H, W) by `turns` (...) quarter turns, the n images of a row alike."""
    h, w = x.shape[-2:]
    if h != w:
        raise ValueError(
            f"{who}: quarter turns need square images, got {h}x{w}; use rotations=False"
        )
    out = x.copy()
    for k in (1, 2, 3):
        out[turns == k] = np.rot90(x[turns == k], k, axes=(-2, -1))
    return out
