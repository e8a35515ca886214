"""A set of characters: classes with a few pictures each, drawn by the same people."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..core.checks import check_instance


@dataclass(frozen=True)
class Characters:
    """C classes, each drawn once by every drawer.

    images: (C, drawers, H, W), uint8 with ink 1 and paper 0, or numbers of about that size, not
    0 to 255. alphabet: (C,) int, the number of each class's alphabet, from 0, in the order of
    `alphabets`. names: 'Alphabet/characterNN' for each class.

    Raises TypeError for what is no array or no tuple, ValueError for shapes that do not agree.
    """

    images: np.ndarray
    alphabet: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        check_instance(
            "Characters", np.ndarray, "of NumPy", images=self.images, alphabet=self.alphabet
        )
        check_instance("Characters", tuple, "of one for each class", names=self.names)
        classes = (len(self.names),)
        if (
            self.images.ndim != 4
            or self.images.shape[:1] != classes
            or self.alphabet.shape != classes
        ):
            raise ValueError(
                f"Characters: images {self.images.shape} must be (C, drawers, H, W), with C "
                f"alphabets and C names, got {self.alphabet.size} and {len(self.names)}"
            )

    def __len__(self) -> int:
        """The number of classes, C."""
        return len(self.names)

    def __repr__(self) -> str:
        _, drawers, h, w = self.images.shape
        return (
            f"Characters({len(self)} characters of {len(self.alphabets)} alphabets, "
            f"{drawers} drawers, {h}x{w})"
        )

    @property
    def drawers(self) -> int:
        """How many people drew each character."""
        return self.images.shape[1]

    @property
    def alphabets(self) -> tuple[str, ...]:
        """The names of the alphabets, in the order of their numbers."""
        first = np.unique(self.alphabet, return_index=True)[1]
        return tuple(_alphabet_name(self.names[i]) for i in first)

    @property
    def counts(self) -> np.ndarray:
        """How many pictures each class has, (C,): one by every drawer."""
        return np.full(len(self), self.drawers)

    def take(self, classes: np.ndarray, which: np.ndarray) -> np.ndarray:
        """The pictures of `classes` by the drawers `which`, two arrays of one shape -> (.., H, W,
        1), of the images' dtype."""
        return self.images[classes, which][..., None]

    def select(self, indices: np.ndarray | list[int] | slice) -> "Characters":
        """The classes at `indices` (ints, or a bool mask); alphabets are numbered anew from 0."""
        indices = np.arange(len(self))[indices]
        alphabet = np.unique(self.alphabet[indices], return_inverse=True)[1]
        names = tuple(self.names[i] for i in indices)
        return Characters(self.images[indices], alphabet, names)


class Split(NamedTuple):
    """Three sets of classes, Characters or Pictures: train to learn from, validation to tune on,
    test to report."""

    train: Any
    validation: Any
    test: Any


def join(*sets: Characters) -> Characters:
    """One set of all classes of these sets. An alphabet in two of them stays one alphabet.

    Alphabets are numbered in alphabetical order. Raises TypeError for what is no Characters,
    ValueError where the sets differ in image size or in their number of drawers.
    """
    for k, characters in enumerate(sets):
        check_instance("join", Characters, "a set of classes", **{f"set {k + 1}": characters})
    shapes = {characters.images.shape[1:] for characters in sets}
    if len(shapes) != 1:
        raise ValueError(f"join: all sets must have one (drawers, H, W), got {sorted(shapes)}")
    names = tuple(name for characters in sets for name in characters.names)
    alphabet = np.unique([_alphabet_name(name) for name in names], return_inverse=True)[1]
    images = np.concatenate([characters.images for characters in sets])
    return Characters(images, alphabet, names)


def _alphabet_name(name: str) -> str:
    """'Greek' of 'Greek/character07'."""
    return name.split("/")[0]
