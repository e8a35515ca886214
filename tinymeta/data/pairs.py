"""What a metric learns from: pairs of images, or a batch all of whose pairs are worth comparing.

Both come from a set of characters and are drawn without rejection, so each costs the same. The hard
pairs are those of two characters of one alphabet, which a person might confuse; how many there are
is the caller's to say.
"""

from typing import NamedTuple

import numpy as np

from ..core.checks import check_share, check_whole
from .drawing import Classes, as_float32, check_arguments, check_counts, distinct, rotate
from .episodes import Batch
from .pictures import Pictures


class Pairs(NamedTuple):
    """P pairs of images: a, b (P, H, W, C) float32; different (P,) bool, True where they show two
    characters, False where they show one."""

    a: np.ndarray
    b: np.ndarray
    different: np.ndarray


def pairs(
    characters: Classes,
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
    check_arguments("pairs", characters, rng, rotations)
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
    by_first, by_second = _two_hands(rng, characters, first, second)
    a = characters.take(first, by_first)  # (P, H, W, C)
    b = characters.take(second, by_second)
    if rotations:
        both = rotate("pairs", np.stack([a, b], axis=1), rng.integers(4, size=count))
        a, b = both.swapaxes(0, 1)
    a = as_float32("pairs", a)
    b = as_float32("pairs", b)
    return Pairs(a, b, first != second)


def _check_pairs(characters: Classes, within: float, n_within: int, n_between: int) -> None:
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
    check_counts("pairs", characters, "a pair", 2, "use a set with more")


def _two_hands(
    rng: np.random.Generator, characters: Classes, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which picture of its class each of a pair is, (P,) and (P,), below the class's count.

    Of Characters two numbers that differ, since a number is a drawer; of Pictures they differ where
    the class is the same, so that no picture is compared with itself.
    """
    counts = characters.counts
    by = distinct(rng, len(first), counts[first], 2)
    if isinstance(characters, Pictures):
        any_picture = rng.integers(counts[second])
        return by[:, 0], np.where(first == second, by[:, 1], any_picture)
    return by[:, 0], by[:, 1]


def groups(
    characters: Classes,
    rng: np.random.Generator,
    *,
    classes: int = 16,
    drawers: int = 8,
    alphabets: int = 1,
    rotations: bool = False,
) -> Batch:
    """Draw a labelled batch whose pairs are all worth comparing: x (N, H, W, C) float32, and y
    (N,) int64, sorted; N = classes * drawers.

    It shows `classes` characters, by `drawers` people each, from `alphabets` alphabets, divided as
    evenly as can be: characters of one alphabet are the hard ones to distinguish. With rotations,
    each alphabet is rotated as a whole by one multiple of 90 degrees, which makes it a new one.

    Raises ValueError for fewer classes than alphabets, and where the set has too few drawers, or
    too few alphabets that are large enough.
    """
    classes, drawers, alphabets = check_whole(
        "groups", classes=classes, drawers=drawers, alphabets=alphabets
    )
    check_arguments("groups", characters, rng, rotations)
    check_counts("groups", characters, f"drawers={drawers}", drawers, "lower drawers")
    if classes < alphabets:
        raise ValueError(
            f"groups: classes={classes} cannot be of alphabets={alphabets}: raise classes, or "
            "lower alphabets"
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
        by = distinct(rng, count, characters.counts[chosen], drawers)
        both = np.broadcast_to(chosen[:, None], by.shape)
        images = characters.take(both, by)  # (count, drawers, H, W, C)
        if rotations:
            (images,) = rotate("groups", images[None], rng.integers(4, size=1))
        parts.append(images)
    x = np.concatenate(parts)  # (classes, drawers, H, W, C)
    x = as_float32("groups", x.reshape(-1, *x.shape[2:]))
    return Batch(x, np.repeat(np.arange(classes), drawers))
