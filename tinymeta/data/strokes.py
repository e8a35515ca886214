"""A grammar of invented alphabets: strokes, and how a few of them make a character.

A stroke is a turtle's walk of P steps, each a turn and a length: bar, arc, hook and loop are short
lists of numbers, and a shaky hand is noise added to them. A character joins strokes of its
alphabet's small repertoire end to end, at the middle, or stands them side by side, the relations of
Lake et al. 2015. Points are complex numbers x + iy, y pointing down as in images.
"""

from math import pi
from typing import NamedTuple

import numpy as np

P = 64  # steps of a stroke
ENDS = (0, P // 2, P - 1)  # where strokes like to be joined

# Slow waves along a stroke, the slower the stronger: smooth noise is (..., 3) @ WOBBLE.
WOBBLE = np.cos(pi * np.outer([1, 2, 3], (np.arange(P) + 0.5) / P)) / [[1], [2], [3]]  # (3, P)

# A kind of stroke is a list of pieces (length, bend along it, corner after it), drawn anew for each
# alphabet by u = rng.uniform. Lengths are in heights of a large letter, angles in degrees.
STRAIGHT = (
    lambda u: [(u(0.8, 1.1), 0, 0)],  # bar
    lambda u: [(u(0.3, 0.6), 0, 0)],  # short bar
    lambda u: [(u(0.5, 1.0), 0, u(60, 130)), (u(0.4, 0.8), 0, 0)],  # corner L V
    lambda u: [(u(0.3, 0.5), 0, 90), (u(0.4, 0.8), 0, -90), (u(0.3, 0.5), 0, 0)],  # step
    lambda u: [(0.5, 0, u(110, 140)), (u(0.6, 0.8), 0, u(-140, -110)), (0.5, 0, 0)],  # zigzag Z
    lambda u: [(0.6, 0, 90), (u(0.4, 0.6), 0, 90), (0.6, 0, 0)],  # cup
    lambda u: [(0.6, 0, 120), (0.6, 0, 120), (0.6, 0, 0)],  # triangle
)
ROUND = (
    lambda u: [(u(0.7, 1.1), u(40, 100), 0)],  # bow
    lambda u: [(u(0.9, 1.4), u(160, 270), 0)],  # arc C U
    lambda u: [(u(1.0, 1.6), u(340, 380), 0)],  # ring O
    lambda u: [(u(0.5, 0.8), 0, 0), (u(0.4, 0.6), u(120, 220), 0)],  # hook J
    lambda u: [(u(0.5, 0.8), u(90, 220), 0), (u(0.5, 0.8), u(-220, -90), 0)],  # wave S
    lambda u: [(u(0.5, 0.9), 0, 0), (u(0.9, 1.3), u(290, 340), 0)],  # stem, loop
    lambda u: [(0.7, u(160, 200), -180), (0.7, u(160, 200), 0)],  # double bow
)
DOT = [(0.07, 300, 0)]


class Alphabet(NamedTuple):
    """The R strokes that an alphabet's characters are made of, and how it joins them."""

    lengths: np.ndarray  # (R, P) length of each step
    turns: np.ndarray  # (R, P) turn before it, radians
    headings: np.ndarray  # where a stroke may head
    counts: np.ndarray  # chances of 1, 2, 3, 4 strokes
    apart: float  # chance that a stroke stands free
    stem: float  # chance to begin as the others do


class Placed(NamedTuple):
    """A stroke in its place: its point `own` is `offset` away from point `at` of stroke `to`."""

    stroke: int
    heading: float
    scale: float
    mirror: int
    to: int
    at: int
    own: int
    offset: complex


def walk(pieces: list[tuple[float, float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Lengths and turns (P,) of a stroke given by its pieces."""
    length, bend, corner = np.array(pieces, float).T * [[1], [pi / 180], [pi / 180]]
    steps = np.diff(np.round(np.cumsum([0, *length]) / length.sum() * P)).astype(int)  # a piece
    lengths, turns = np.repeat(length / steps, steps), np.repeat(bend / steps, steps)  # (P,)
    turns[np.cumsum(steps)[:-1]] += corner[:-1]
    if bend.all():  # what bends all along has no first direction to speak of:
        turns[0] -= np.angle(np.sum(lengths * np.exp(1j * np.cumsum(turns))))  # head by its chord
    return lengths, turns


def invent(rng: np.random.Generator) -> Alphabet:
    """A new alphabet: angular, round, or anything between."""
    roundness = rng.uniform()
    kinds = [
        (ROUND if rng.random() < roundness else STRAIGHT)[rng.integers(7)]
        for _ in range(rng.integers(4, 7))
    ]
    strokes = [walk(kind(rng.uniform)) for kind in (STRAIGHT[0], *kinds)]
    if rng.random() < 0.3:
        strokes.append(walk(DOT))
    upright = np.array([90, 0, 90, 180] if rng.random() < 0.7 else [90, 0, 45, 135])
    return Alphabet(
        *map(np.array, zip(*strokes)),
        upright * pi / 180 + 0.06 * rng.normal(),
        rng.dirichlet([2, 7, 8, 4]),
        rng.uniform(0, 0.4),
        rng.choice([0, 0.6]),
    )


def sketch(rng: np.random.Generator, alphabet: Alphabet) -> list[Placed]:
    """A character: 1 to 4 strokes, each joined to an earlier one or standing beside it."""
    character = []
    for i in range(1 + rng.choice(4, p=alphabet.counts)):
        beside = rng.uniform(0.2, 0.45) * rng.choice([1, -1, 1j, -1j])
        character.append(
            Placed(
                stroke=rng.integers(len(alphabet.turns)),
                heading=rng.choice(alphabet.headings),
                scale=rng.choice([1.0, 0.8, 0.6]) if i else 1.0,
                mirror=rng.choice([1, 1, -1]),
                to=rng.integers(i) if i else 0,
                at=rng.choice(ENDS) if rng.random() < 0.8 else rng.integers(P),
                own=rng.choice(ENDS, p=[0.7, 0.2, 0.1]),
                offset=beside if rng.random() < alphabet.apart else 0,
            )
        )
    if rng.random() < alphabet.stem:
        character[0] = Placed(0, alphabet.headings[0], 1.0, 1, 0, 0, 0, 0)
    return character


def lay(alphabet: Alphabet, character: list[Placed], unrest=None, hands: int = 1) -> np.ndarray:
    """The points (hands, S, P) of a character's S strokes, as meant, or as restless hands draw it.

    unrest(*shape) gives standard normal noise; without it there is none.
    """
    noise = unrest or (lambda *shape: np.zeros(shape))
    stroke, heading, scale, mirror = np.array([p[:4] for p in character]).T  # (S,)
    stroke, shape = stroke.astype(int), (hands, len(character))
    stretch = 0.12 * noise(*shape, 1) + 0.2 * noise(*shape, 3) @ WOBBLE  # (n, S, P)
    sway = 0.06 * noise(*shape, 1) + 0.12 * noise(*shape, 3) @ WOBBLE
    bend = mirror[:, None] * alphabet.turns[stroke] * (1 + 0.06 * noise(*shape, 1))
    direction = heading[:, None] + np.cumsum(bend, axis=-1) + sway
    z = np.cumsum(scale[:, None] * alphabet.lengths[stroke] * np.exp(stretch + 1j * direction), -1)

    slip = 0.035 * (noise(*shape) + 1j * noise(*shape))  # (n, S)
    for i, p in enumerate(character):
        z[:, i] -= z[:, i, p.own, None]
        if i:
            z[:, i] += (z[:, p.to, p.at] + p.offset + slip[:, i])[:, None]
    return z
