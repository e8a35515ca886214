"""Procedural handwriting: endless alphabets in Omniglot's manner, from a seed, without a download.

`strokes` says what is written; this file says who writes, and with what pen. Every drawer of an
alphabet has habits (slant, proportions, pressure) and every drawing its own accidents. Tuned by
eye and by figures against Omniglot's background set: share of ink, size of a character's box, and
what a nearest neighbour on raw pixels makes of 5-way 1-shot tasks.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from ..core.checks import whole
from .characters import Characters
from .strokes import invent, lay, sketch

PEN = 0.0265  # half a line's width, as a share of the picture
EXTENT = 0.62  # the longer side of a character's box, likewise
MARGIN = 0.03
HALF = 0.5 + 0.5j  # the middle of the picture
HABITS = np.array([[0.1], [0.13], [0.13], [0.12]])  # how far slant, width, height, pen vary


@dataclass(frozen=True)
class Glyphs:
    """Alphabets number 0, 1, 2, ... of a seed; each is the same whatever else is drawn.

    Pictures are size x size, and every character has one picture by each of the drawers.
    """

    seed: int = 0
    size: int = 28
    drawers: int = 20

    def __post_init__(self):
        whole("Glyphs", 0, seed=self.seed)
        whole("Glyphs", 8, size=self.size)
        whole("Glyphs", drawers=self.drawers)

    def characters(
        self, alphabets: int = 30, *, first: int = 0, per_alphabet: int = 20
    ) -> Characters:
        """Draw alphabets first ... first + alphabets - 1: images (C, drawers, size, size).

        What is learned from and what is judged on must not share alphabets: characters(30), say,
        and characters(10, first=30). Raises ValueError for counts that are not whole numbers.
        """
        alphabets, per_alphabet = whole(
            "Glyphs.characters", alphabets=alphabets, per_alphabet=per_alphabet
        )
        (first,) = whole("Glyphs.characters", 0, first=first)
        numbers = range(first, first + alphabets)
        images = np.concatenate([self._alphabet(number, per_alphabet) for number in numbers])
        names = tuple(
            f"Glyphs-{self.seed}-{number:04}/character{i + 1:02}"
            for number in numbers
            for i in range(per_alphabet)
        )
        return Characters(images, np.repeat(np.arange(alphabets), per_alphabet), names)

    def _alphabet(self, number: int, count: int) -> np.ndarray:
        """(count, drawers, size, size)."""

        def rng(*role):  # a stream of their own for author and writers
            return np.random.default_rng((self.seed, number, *role))

        author = rng(0)
        alphabet = invent(author)
        habits = rng(1).normal(size=(4, self.drawers))
        return np.stack(
            [
                self._written(rng(2, i), alphabet, character, habits)
                for i, character in enumerate(distinct(author, alphabet, count))
            ]
        )

    def _written(self, rng, alphabet, character, habits) -> np.ndarray:
        """One character by every drawer: (drawers, size, size)."""
        centre, scale = frame(lay(alphabet, character))
        drawn = lay(alphabet, character, lambda *shape: rng.normal(size=shape), self.drawers)
        z = (drawn - centre) * scale  # (drawers, S, P)
        own = 0.7 * habits + 0.7 * rng.normal(size=habits.shape)  # (4, drawers)
        slant, wide, tall, press = (HABITS * own)[..., None, None]
        z = (z.real - slant * z.imag) * np.exp(wide) + 1j * z.imag * np.exp(tall)
        z += 0.055 * (rng.normal(size=wide.shape) + 1j * rng.normal(size=wide.shape))
        pen = PEN * np.exp(press[:, 0, 0])  # (drawers,)
        return ink(inside(z + HALF) * self.size, pen * self.size, self.size)


def distinct(rng, alphabet, count: int) -> list:
    """`count` characters, legible and no two alike under a broad pen (if 50 tries find one)."""
    characters, seen = [], []
    for _ in range(count):
        for _ in range(50):
            character = sketch(rng, alphabet)
            z = lay(alphabet, character)  # (1, S, P)
            centre, scale = frame(z)
            z = ((z - centre) * scale + HALF) * 28
            parts = ink(z[0], np.full(len(z[0]), 0.8), 28)  # (S, 28, 28)
            broad = ink(z, np.array([2.0]), 28)[0] > 0
            share, overlap = parts.any(0).mean(), 1 - parts.any(0).sum() / parts.sum()
            alike = max(((broad & s).sum() / (broad | s).sum() for s in seen), default=0)
            if 0.04 < share < 0.13 and overlap < 0.12 and alike < 0.7:
                break
        characters.append(character)
        seen.append(broad)
    return characters


def frame(z: np.ndarray) -> tuple[complex, float]:
    """Centre of a character's box, and the scale that brings its longer side to EXTENT."""
    width, height = np.ptp(z.real), np.ptp(z.imag)
    corner = z.real.min() + 1j * z.imag.min()
    return corner + (width + 1j * height) / 2, EXTENT / max(width, height, 0.7)  # dots stay small


def inside(z: np.ndarray) -> np.ndarray:
    """Shrink and shift each of z (n, S, P) no more than keeps it within [0, 1] each way."""

    def fit(x):
        x = x - 0.5
        x = x / np.maximum(np.ptp(x, axis=(1, 2), keepdims=True) / (1 - 2 * MARGIN), 1)
        over = np.maximum(x.max((1, 2), keepdims=True) - 0.5 + MARGIN, 0)
        under = np.minimum(x.min((1, 2), keepdims=True) + 0.5 - MARGIN, 0)
        return x - over - under + 0.5

    return fit(z.real) + 1j * fit(z.imag)


def ink(z: np.ndarray, radius: np.ndarray, size: int) -> np.ndarray:
    """Pictures (n, size, size) of the pixels nearer than radius (n,) to any point of z (n, ...)."""
    z = z.reshape(len(z), 1, -1) - HALF  # pixel centres at whole numbers
    reach = np.arange(-ceil(radius.max() - 0.5), ceil(radius.max() - 0.5) + 1)
    window = (reach[:, None] + 1j * reach).reshape(-1, 1)
    pixel = np.round(z) + window  # (n, window, points)
    near = np.abs(pixel - z) < radius[:, None, None]
    which = np.nonzero(near)[0]
    column, row = pixel.real[near].astype(int), pixel.imag[near].astype(int)
    seen = (0 <= column) & (column < size) & (0 <= row) & (row < size)
    images = np.zeros((len(z), size, size), np.uint8)
    images[which[seen], row[seen], column[seen]] = 1
    return images
