"""What drawing tasks and drawing pairs share: distinct choices, quarter turns, float32 images."""

import warnings

import numpy as np

from ..core.checks import check_flag, check_generator, check_instance
from .characters import Characters
from .pictures import Pictures

Classes = Characters | Pictures  # what tasks and pairs are drawn from


def as_float32(caller: str, x: np.ndarray) -> np.ndarray:
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


def check_arguments(
    caller: str, characters: Classes, rng: np.random.Generator, rotations: bool
) -> None:
    """Raise TypeError for what is no set of classes, no Generator or no bool."""
    check_instance(caller, (Characters, Pictures), "a set of classes", characters=characters)
    check_generator(caller, rng)
    check_flag(caller, rotations=rotations)


def check_counts(
    caller: str, characters: Classes, asked: str, needed: int, remedy: str = "lower shot or query"
) -> None:
    """Raise ValueError where a class has fewer pictures than are needed; asked: words on why."""
    counts = characters.counts
    if needed <= counts.min():
        return
    if isinstance(characters, Characters):
        raise ValueError(
            f"{caller}: {asked} needs {needed} drawers of a character, and this set has "
            f"{characters.drawers}; {remedy}"
        )
    raise ValueError(
        f"{caller}: {asked} needs {needed} pictures of a class, and "
        f"{characters.names[counts.argmin()]!r} has {counts.min()}; {remedy}, or draw from "
        f"pictures.select(pictures.counts >= {needed})"
    )


def distinct(rng: np.random.Generator, rows: int, n: int | np.ndarray, k: int) -> np.ndarray:
    """k different whole numbers below n in each row, in random order -> (rows, k); n: one number,
    or one for each row, (rows,).

    They are the places of the k smallest of n random keys, sorted by key: O(n) a row, and all rows
    at once, where rng.choice without replacement draws one row a call.
    """
    most = int(np.max(n))
    keys = rng.random((rows, most), np.float32)
    is_below = np.arange(most) < np.reshape(n, (-1, 1))  # (rows or 1, most)
    keys = np.where(is_below, keys, np.float32(2))  # never among the smallest
    smallest = np.argpartition(keys, k - 1, axis=1)[:, :k]  # (rows, k), in no order to rely on
    order = np.take_along_axis(keys, smallest, 1).argsort(1)
    return np.take_along_axis(smallest, order, 1)


def rotate(caller: str, x: np.ndarray, quarters: np.ndarray) -> np.ndarray:
    """Rotate images x (..., n, H, W, C) by `quarters` (...) times 90 degrees, the n of a row alike.

    Raises ValueError for images that are not square.
    """
    h, w = x.shape[-3:-1]
    if h != w:
        raise ValueError(
            f"{caller}: quarter turns need square images, got {h}x{w}; use rotations=False"
        )
    rotated = x.copy()
    for k in (1, 2, 3):
        chosen = quarters == k
        rotated[chosen] = np.rot90(x[chosen], k, axes=(-3, -2))
    return rotated
