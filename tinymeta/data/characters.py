"""A set of characters: classes of which there are a few pictures each, by the same people."""

from dataclasses import dataclass

import numpy as np

from ..core.checks import instance


@dataclass(frozen=True)
class Characters:
    """C classes, each drawn once by every drawer.

    images (C, drawers, H, W) uint8, ink 1 and paper 0, or numbers of about that size, not 0 to 255;
    alphabet (C,) int, numbered from 0 in the order of `alphabets`; names: 'Alphabet/characterNN'
    for each class.
    """

    images: np.ndarray
    alphabet: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self):
        instance("Characters", np.ndarray, "of NumPy", images=self.images, alphabet=self.alphabet)
        instance("Characters", tuple, "of one for each class", names=self.names)
        if (
            self.images.ndim != 4
            or self.alphabet.ndim != 1
            or not len(self.images) == len(self.alphabet) == len(self.names)
        ):
            raise ValueError(
                f"Characters: images {self.images.shape} must be (C, drawers, H, W), with C "
                f"alphabets and C names, got {self.alphabet.size} and {len(self.names)}"
            )

    def __len__(self) -> int:
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
        """The alphabets' names, in the order of their numbers."""
        first = np.unique(self.alphabet, return_index=True)[1]
        return tuple(self.names[i].split("/")[0] for i in first)

    def select(self, indices) -> "Characters":
        """The classes at `indices` (ints, or a bool mask); alphabets are numbered afresh from 0."""
        indices = np.arange(len(self))[indices]
        return Characters(
            self.images[indices],
            np.unique(self.alphabet[indices], return_inverse=True)[1],
            tuple(self.names[i] for i in indices),
        )


def join(*sets: Characters) -> Characters:
    """One set of all classes. An alphabet found in two sets stays one alphabet.

    Raises ValueError where the sets differ in image size or in their number of drawers.
    """
    for k, each in enumerate(sets):
        instance("join", Characters, "a set of classes", **{f"set {k + 1}": each})
    shapes = {s.images.shape[1:] for s in sets}
    if len(shapes) != 1:
        raise ValueError(f"join: all sets must have one (drawers, H, W), got {sorted(shapes)}")
    names = sum((s.names for s in sets), ())
    alphabet = np.unique([name.split("/")[0] for name in names], return_inverse=True)[1]
    return Characters(np.concatenate([s.images for s in sets]), alphabet, names)
