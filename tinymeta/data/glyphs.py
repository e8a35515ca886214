"""Procedural handwriting: endless alphabets in Omniglot's manner, from a seed, without a download.

`strokes.py` says what is drawn; this file says by whom, and with what pen. Every drawer of an
alphabet has habits (slant, proportions, pressure) and every drawing its own accidents. The numbers
were tuned by eye and by three figures of Omniglot's background set: the share of ink, the size of a
character's box, and the accuracy of a nearest neighbour on raw pixels in 5-way 1-shot tasks.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from ..core.checks import check_whole, plain_integers
from .characters import Characters
from .strokes import Alphabet, PlacedStroke, character_points, draw_alphabet, draw_character

_PEN = 0.0265  # half a line's width, as a share of the picture
_EXTENT = 0.62  # the longer side of a character's box, likewise
MARGIN = 0.03  # what stays free of points at each border, likewise
HALF = 0.5 + 0.5j  # the middle of the picture
_HABITS = np.array([[0.1], [0.13], [0.13], [0.12]])  # how far slant, width, height, pen vary
TRIES = 50  # at a character that is legible and new


@dataclass(frozen=True)
class Glyphs:
    """Alphabets number 0, 1, 2, ... of a seed; each is the same whatever else is drawn.

    Pictures are size x size, and every character has one picture by each of the drawers.
    Raises ValueError for numbers that are not whole, or too small: size begins at 8.
    """

    seed: int = 0
    size: int = 28
    drawers: int = 20

    def __post_init__(self) -> None:
        check_whole("Glyphs", 0, seed=self.seed)
        check_whole("Glyphs", 8, size=self.size)
        check_whole("Glyphs", drawers=self.drawers)
        plain_integers(self)

    def characters(
        self, alphabets: int = 30, *, first: int = 0, per_alphabet: int = 20
    ) -> Characters:
        """Draw alphabets first ... first + alphabets - 1: images (C, drawers, size, size) uint8,
        ink 1, where C = alphabets * per_alphabet.

        Training and test sets must not share alphabets: characters(30), say, and
        characters(10, first=30). Raises ValueError for counts that are not whole numbers.
        """
        alphabets, per_alphabet = check_whole(
            "Glyphs.characters", alphabets=alphabets, per_alphabet=per_alphabet
        )
        (first,) = check_whole("Glyphs.characters", 0, first=first)
        numbers = range(first, first + alphabets)
        pictures = []
        names = []
        for number in numbers:
            pictures.append(self._draw_alphabet(number, per_alphabet))
            for i in range(1, per_alphabet + 1):
                names.append(f"Glyphs-{self.seed}-{number:04}/character{i:02}")
        alphabet = np.repeat(np.arange(alphabets), per_alphabet)
        return Characters(np.concatenate(pictures), alphabet, tuple(names))

    def _draw_alphabet(self, number: int, count: int) -> np.ndarray:
        """The pictures (count, drawers, size, size) of alphabet `number`."""

        def stream(*role: int) -> np.random.Generator:
            """A random stream of its own for each role, so that none depends on another."""
            return np.random.default_rng((self.seed, number, *role))

        author = stream(0)
        alphabet = draw_alphabet(author)
        habits = stream(1).normal(size=(4, self.drawers))
        pictures = [
            self._draw_pictures(stream(2, i), alphabet, character, habits)
            for i, character in enumerate(_distinct_characters(author, alphabet, count))
        ]
        return np.stack(pictures)

    def _draw_pictures(
        self,
        rng: np.random.Generator,
        alphabet: Alphabet,
        character: list[PlacedStroke],
        habits: np.ndarray,
    ) -> np.ndarray:
        """One character by every drawer: (drawers, size, size). habits (4, drawers) is normal."""
        centre, scale = _frame(character_points(alphabet, character))
        points = character_points(
            alphabet, character, lambda *shape: rng.normal(size=shape), self.drawers
        )
        points = (points - centre) * scale  # (drawers, S, P)
        accidents = rng.normal(size=habits.shape)  # of this character alone
        manner = _HABITS * (0.7 * habits + 0.7 * accidents)  # (4, drawers)
        slant, wide, tall, press = manner[..., None, None]  # each (drawers, 1, 1)
        x = (points.real - slant * points.imag) * np.exp(wide)
        y = points.imag * np.exp(tall)
        points = x + 1j * y
        across = rng.normal(size=wide.shape)
        down = rng.normal(size=wide.shape)
        points += 0.055 * (across + 1j * down)
        pen = _PEN * np.exp(press[:, 0, 0])  # (drawers,)
        pixels = _fit_inside(points + HALF) * self.size
        return rasterize(pixels, pen * self.size, self.size)


def _distinct_characters(
    rng: np.random.Generator, alphabet: Alphabet, count: int
) -> list[list[PlacedStroke]]:
    """`count` characters that are legible and differ from each other, as drawn with a broad pen.

    Where TRIES draws find no such character, the last one is taken as it is.
    """
    characters: list[list[PlacedStroke]] = []
    pictures: list[np.ndarray] = []  # of the characters, with the broad pen
    for _ in range(count):
        for _ in range(TRIES):
            character = draw_character(rng, alphabet)
            points = character_points(alphabet, character)  # (1, S, P)
            centre, scale = _frame(points)
            points = ((points - centre) * scale + HALF) * 28
            picture = rasterize(points, np.array([2.0]), 28)[0] > 0
            if _is_legible(points[0]) and _largest_overlap(picture, pictures) < 0.7:
                break
        characters.append(character)
        pictures.append(picture)
    return characters


def _is_legible(points: np.ndarray) -> bool:
    """Whether strokes (S, P), in pixels of 28x28, have enough ink, not too much, and do not lie
    over one another."""
    strokes = rasterize(points, np.full(len(points), 0.8), 28)  # (S, 28, 28)
    together = strokes.any(0)
    overlap = 1 - together.sum() / strokes.sum()
    return bool(0.04 < together.mean() < 0.13 and overlap < 0.12)


def _largest_overlap(picture: np.ndarray, others: list[np.ndarray]) -> float:
    """The largest share of ink in common, intersection over union, with any of the others; or 0."""
    shares = []
    for other in others:
        common = (picture & other).sum()
        shares.append(common / (picture | other).sum())
    return max(shares, default=0.0)


def _frame(points: np.ndarray) -> tuple[complex, float]:
    """The centre of a character's box, and the scale that brings its longer side to _EXTENT."""
    x, y = points.real, points.imag
    width, height = np.ptp(x), np.ptp(y)
    corner = x.min() + 1j * y.min()
    longer = max(width, height, 0.7)  # 0.7: dots stay small
    return corner + (width + 1j * height) / 2, _EXTENT / longer


def _fit_inside(points: np.ndarray) -> np.ndarray:
    """Shrink and shift each character of points (n, S, P) just so that it keeps its MARGIN."""
    return _fit_axis(points.real) + 1j * _fit_axis(points.imag)


def _fit_axis(x: np.ndarray) -> np.ndarray:
    """The same along one axis: x (n, S, P) into [MARGIN, 1 - MARGIN], for each of the n."""
    x = x - 0.5
    extent = np.ptp(x, axis=(1, 2), keepdims=True)
    x = x / np.maximum(extent / (1 - 2 * MARGIN), 1)
    largest = x.max((1, 2), keepdims=True)
    least = x.min((1, 2), keepdims=True)
    over = np.maximum(largest - 0.5 + MARGIN, 0)
    under = np.minimum(least + 0.5 - MARGIN, 0)
    return x - over - under + 0.5


def rasterize(points: np.ndarray, radius: np.ndarray, size: int) -> np.ndarray:
    """Pictures (n, size, size) uint8: 1 where the centre of a pixel is nearer than radius (n,) to
    any of points (n, ...), complex, in pixels.

    Only the pixels in a window around each point are looked at: O(points * radius^2), whatever the
    size of the picture.
    """
    points = points.reshape(len(points), 1, -1) - HALF  # pixel centres are now whole numbers
    most = ceil(radius.max() - 0.5)
    reach = np.arange(-most, most + 1)
    window = (reach[:, None] + 1j * reach).reshape(-1, 1)
    pixel = np.round(points) + window  # (n, window, points)
    near = np.abs(pixel - points) < radius[:, None, None]
    which = np.nonzero(near)[0]  # of the n
    column = pixel.real[near].astype(int)
    row = pixel.imag[near].astype(int)
    inside = (0 <= column) & (column < size)
    inside &= (0 <= row) & (row < size)
    images = np.zeros((len(points), size, size), np.uint8)
    images[which[inside], row[inside], column[inside]] = 1
    return images
