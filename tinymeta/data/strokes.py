"""A grammar of invented alphabets: strokes, and how a few of them make a character.

A stroke is a polyline of P steps, as a turtle draws it: each step is a turn and a length. A bar, an
arc, a hook and a loop are short lists of numbers, and an unsteady hand is noise added to them. A
character joins strokes of its alphabet's small repertoire end to end, at the middle, or side by
side, the relations of Lake et al. 2015. Points are complex numbers x + iy, with y pointing down as
in images, so that a turn is a multiplication by exp(i angle).

An alphabet and its characters are drawn from a Generator, and the order of the draws is part of
what a seed means: a call moved to another line gives other glyphs.
"""

from collections.abc import Callable
from math import pi
from typing import NamedTuple

import numpy as np

P = 64  # steps of a stroke
_JOINTS = (0, P // 2, P - 1)  # the points at which strokes are mostly joined

# Waves of 1/2, 1 and 3/2 periods along a stroke, the slower the stronger: normal numbers (..., 3)
# @ _WAVES are smooth noise (..., P).
_MIDPOINTS = (np.arange(P) + 0.5) / P
_PHASES = pi * np.outer([1, 2, 3], _MIDPOINTS)
_WAVES = np.cos(_PHASES) / [[1], [2], [3]]  # (3, P)

Piece = tuple[float, float, float]  # length, bend along it, corner after it; angles in degrees
Uniform = Callable[[float, float], float]  # a number of a range, as rng.uniform
StrokeKind = Callable[[Uniform], list[Piece]]

# The kinds of strokes, drawn anew for each alphabet by u = rng.uniform. A length of 1 is the height
# of a large letter.
# fmt: off
_STRAIGHT: tuple[StrokeKind, ...] = (
    lambda u: [(u(0.8, 1.1), 0, 0)],  # bar
    lambda u: [(u(0.3, 0.6), 0, 0)],  # short bar
    lambda u: [(u(0.5, 1.0), 0, u(60, 130)), (u(0.4, 0.8), 0, 0)],  # corner L V
    lambda u: [(u(0.3, 0.5), 0, 90), (u(0.4, 0.8), 0, -90), (u(0.3, 0.5), 0, 0)],  # step
    lambda u: [(0.5, 0, u(110, 140)), (u(0.6, 0.8), 0, u(-140, -110)), (0.5, 0, 0)],  # zigzag Z
    lambda u: [(0.6, 0, 90), (u(0.4, 0.6), 0, 90), (0.6, 0, 0)],  # cup
    lambda u: [(0.6, 0, 120), (0.6, 0, 120), (0.6, 0, 0)],  # triangle
)
_ROUND: tuple[StrokeKind, ...] = (
    lambda u: [(u(0.7, 1.1), u(40, 100), 0)],  # bow
    lambda u: [(u(0.9, 1.4), u(160, 270), 0)],  # arc C U
    lambda u: [(u(1.0, 1.6), u(340, 380), 0)],  # ring O
    lambda u: [(u(0.5, 0.8), 0, 0), (u(0.4, 0.6), u(120, 220), 0)],  # hook J
    lambda u: [(u(0.5, 0.8), u(90, 220), 0), (u(0.5, 0.8), u(-220, -90), 0)],  # wave S
    lambda u: [(u(0.5, 0.9), 0, 0), (u(0.9, 1.3), u(290, 340), 0)],  # stem, loop
    lambda u: [(0.7, u(160, 200), -180), (0.7, u(160, 200), 0)],  # double bow
)
# fmt: on
_DOT: list[Piece] = [(0.07, 300, 0)]


class Alphabet(NamedTuple):
    """The R strokes that an alphabet's characters are made of, and how it joins them."""

    lengths: np.ndarray  # (R, P), the length of each step
    turns: np.ndarray  # (R, P), the turn before each step, in radians
    headings: np.ndarray  # (4,), the directions a stroke may have, in radians
    counts: np.ndarray  # (4,), the chances of 1, 2, 3, 4 strokes
    apart: float  # the chance that a stroke stands free
    stem: float  # the chance that a character begins with the alphabet's common bar


class PlacedStroke(NamedTuple):
    """A stroke and its place: its point `own_point` is put at `offset` from the point `base_point`
    of the earlier stroke `base`."""

    stroke: int  # of the alphabet's R
    heading: float  # radians
    scale: float
    mirror: int  # 1, or -1 for its mirror image
    base: int  # of the character's strokes; has no meaning for the first
    base_point: int  # 0 to P - 1
    own_point: int
    offset: complex


def stroke_steps(pieces: list[Piece]) -> tuple[np.ndarray, np.ndarray]:
    """The lengths and turns (P,) of the steps of a stroke that is given by its pieces.

    Each piece has its share of the P steps, by length. A stroke that bends in all its pieces has no
    first direction to speak of: it is turned so that its chord, from end to end, points along 0.
    """
    in_radians = [[1], [pi / 180], [pi / 180]]
    length, bend, corner = np.array(pieces, float).T * in_radians
    ends = np.cumsum([0, *length]) / length.sum() * P
    steps = np.diff(np.round(ends)).astype(int)  # of each piece
    lengths = np.repeat(length / steps, steps)  # (P,)
    turns = np.repeat(bend / steps, steps)
    begins = np.cumsum(steps)[:-1]  # of all pieces but the first
    turns[begins] += corner[:-1]
    if bend.all():
        directions = np.exp(1j * np.cumsum(turns))
        chord = np.sum(lengths * directions)
        turns[0] -= np.angle(chord)
    return lengths, turns


def draw_alphabet(rng: np.random.Generator) -> Alphabet:
    """A new alphabet, whose strokes are angular, round, or a mixture: 5 to 7 of them, or 8."""
    roundness = rng.uniform()
    kinds = [_STRAIGHT[0]]  # stroke 0 is a bar in every alphabet: see `stem`
    for _ in range(rng.integers(4, 7)):
        family = _ROUND if rng.random() < roundness else _STRAIGHT
        kinds.append(family[rng.integers(7)])  # each family has 7 kinds
    strokes = [stroke_steps(kind(rng.uniform)) for kind in kinds]
    if rng.random() < 0.3:
        strokes.append(stroke_steps(_DOT))
    degrees = [90, 0, 90, 180] if rng.random() < 0.7 else [90, 0, 45, 135]
    return Alphabet(
        lengths=np.array([lengths for lengths, _ in strokes]),
        turns=np.array([turns for _, turns in strokes]),
        headings=np.array(degrees) * pi / 180 + 0.06 * rng.normal(),
        counts=rng.dirichlet([2, 7, 8, 4]),
        apart=rng.uniform(0, 0.4),
        stem=rng.choice([0, 0.6]),
    )


def draw_character(rng: np.random.Generator, alphabet: Alphabet) -> list[PlacedStroke]:
    """A new character: 1 to 4 strokes, each joined to an earlier one or standing beside it."""
    character: list[PlacedStroke] = []
    for i in range(1 + rng.choice(4, p=alphabet.counts)):
        beside = rng.uniform(0.2, 0.45) * rng.choice([1, -1, 1j, -1j])
        character.append(
            PlacedStroke(
                stroke=int(rng.integers(len(alphabet.turns))),
                heading=rng.choice(alphabet.headings),
                scale=rng.choice([1.0, 0.8, 0.6]) if i else 1.0,
                mirror=rng.choice([1, 1, -1]),
                base=int(rng.integers(i)) if i else 0,
                base_point=int(rng.choice(_JOINTS) if rng.random() < 0.8 else rng.integers(P)),
                own_point=rng.choice(_JOINTS, p=[0.7, 0.2, 0.1]),
                offset=beside if rng.random() < alphabet.apart else 0,
            )
        )
    if rng.random() < alphabet.stem:
        character[0] = PlacedStroke(0, alphabet.headings[0], 1.0, 1, 0, 0, 0, 0)
    return character


def character_points(
    alphabet: Alphabet,
    character: list[PlacedStroke],
    noise: Callable[..., np.ndarray] | None = None,
    drawers: int = 1,
) -> np.ndarray:
    """The points (drawers, S, P), complex, of a character's S strokes, as each drawer draws it.

    noise(*shape) gives standard normal numbers, the unsteadiness of the hands; without it the
    strokes are drawn as they are meant.
    """
    normal = noise or (lambda *shape: np.zeros(shape))
    stroke = np.array([placed.stroke for placed in character])  # (S,)
    heading = np.array([placed.heading for placed in character])
    scale = np.array([placed.scale for placed in character])
    mirror = np.array([placed.mirror for placed in character])

    shape = (drawers, len(character))
    stretch = 0.12 * normal(*shape, 1)  # (drawers, S, 1), log of a stroke's size
    stretch = stretch + 0.2 * normal(*shape, 3) @ _WAVES  # (drawers, S, P), varying along it
    sway = 0.06 * normal(*shape, 1)  # radians
    sway = sway + 0.12 * normal(*shape, 3) @ _WAVES
    bend = 1 + 0.06 * normal(*shape, 1)
    turns = mirror[:, None] * alphabet.turns[stroke] * bend
    direction = heading[:, None] + np.cumsum(turns, axis=-1)
    direction = direction + sway
    length = scale[:, None] * alphabet.lengths[stroke]
    steps = length * np.exp(stretch + 1j * direction)
    points = np.cumsum(steps, -1)  # (drawers, S, P)

    slip = normal(*shape) + 1j * normal(*shape)  # (drawers, S)
    slip = 0.035 * slip  # how far a joint is missed
    for i, placed in enumerate(character):
        points[:, i] -= points[:, i, placed.own_point, None]
        if i:
            base = points[:, placed.base, placed.base_point]  # (drawers,)
            joint = base + placed.offset + slip[:, i]
            points[:, i] += joint[:, None]
    return points
