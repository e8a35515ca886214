"""Classes with pictures of any number, size and colour: what a folder of one's own holds."""

from dataclasses import dataclass

import numpy as np

from ..core.checks import check_flag, check_instance, shown


def from_zero_to_one(images: np.ndarray) -> np.ndarray:
    """Pixels from 0 to 255 as networks take them: float32 from 0 to 1, of the same shape."""
    return images.astype(np.float32) / np.float32(255)


@dataclass(frozen=True)
class Pictures:
    """K classes with n_k pictures each, grey or colour, N together.

    images: (N, H, W, C) uint8 from 0 to 255, C 1 of grey and 3 of colour; `episodes` and the others
    draw them as float32 from 0 to 1. labels: (N,) int from 0 to K - 1, ascending. names: of the K
    classes; what stands before a last '/' is the class's alphabet, as of 'Greek/alpha'.
    files: of the N pictures, or none. notes: what was looked at and done when they were read, a
    sentence each. inverted: whether black and white were exchanged then.

    Raises TypeError for what is no array or no tuple, ValueError for shapes that do not agree.
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    inverted: bool = False

    def __post_init__(self) -> None:
        check_instance("Pictures", np.ndarray, "of NumPy", images=self.images, labels=self.labels)
        check_instance("Pictures", tuple, "of one for each class", names=self.names)
        check_instance("Pictures", tuple, "of strings", files=self.files, notes=self.notes)
        check_flag("Pictures", inverted=self.inverted)
        for name, texts in (("names", self.names), ("files", self.files), ("notes", self.notes)):
            if not all(isinstance(text, str) for text in texts):
                raise TypeError(f"Pictures: {name} must be strings, got {shown(texts)}")
        are_pictures = self.images.ndim == 4 and self.images.dtype == np.uint8
        if not are_pictures or not self.images.size:
            raise ValueError(
                f"Pictures: images must be (N, H, W, C) uint8, not empty, got {shown(self.images)}"
            )
        n, k = len(self.images), len(self.names)
        if self.labels.shape != (n,) or self.labels.dtype.kind not in "iu":
            raise ValueError(
                f"Pictures: labels must be integers ({n},), one for each picture, got "
                f"{shown(self.labels)}"
            )
        # Ascending without a gap: each class is one stretch of pictures, and none is empty.
        steps = np.diff(self.labels.astype(int), prepend=0, append=k - 1)
        from_first_to_last = self.labels[0] == 0 and self.labels[-1] == k - 1
        if not from_first_to_last or not np.isin(steps, (0, 1)).all():
            raise ValueError(
                f"Pictures: labels must ascend from 0 to {k - 1}, the {k} names' classes, with a "
                "picture or more of each"
            )
        if self.files and len(self.files) != n:
            raise ValueError(f"Pictures: {len(self.files)} files for {n} pictures")

    def __len__(self) -> int:
        """The number of classes, K."""
        return len(self.names)

    def __repr__(self) -> str:
        _, h, w, channels = self.images.shape
        least, most = self.counts.min(), self.counts.max()
        each = f"{least}" if least == most else f"{least} to {most}"
        kind = "grey" if channels == 1 else "colour" if channels == 3 else f"{channels} channels"
        return f"Pictures({len(self)} classes, {each} pictures each, {h}x{w} {kind})"

    @property
    def counts(self) -> np.ndarray:
        """How many pictures each class has, (K,)."""
        return np.bincount(self.labels, minlength=len(self))

    @property
    def alphabet(self) -> np.ndarray:
        """The number of each class's alphabet, (K,), from 0, in the order of `alphabets`."""
        return np.unique(self._alphabet_names(), return_inverse=True)[1]

    @property
    def alphabets(self) -> tuple[str, ...]:
        """The names of the alphabets; '' of classes without one."""
        return tuple(np.unique(self._alphabet_names()).tolist())

    def take(self, classes: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Pictures number `which` of `classes`, two arrays of one shape -> (.., H, W, C) float32.

        0 is black, or paper where it was inverted, and 1 the other end.
        """
        counts = self.counts
        starts = np.cumsum(counts) - counts
        return from_zero_to_one(self.images[starts[classes] + which])

    def select(self, indices: np.ndarray | list[int] | slice) -> "Pictures":
        """The classes at `indices` (ints, or a bool mask), numbered anew in that order.

        `pictures.select(pictures.counts >= 20)` are those with 20 pictures or more.
        """
        chosen = np.arange(len(self))[indices]
        if chosen.ndim != 1 or not chosen.size:
            raise ValueError(f"Pictures.select: {shown(indices)} selects no class of {len(self)}")
        places = [np.flatnonzero(self.labels == k) for k in chosen]
        counts = [len(of_class) for of_class in places]
        labels = np.repeat(np.arange(len(chosen)), counts)
        at = np.concatenate(places)
        names = tuple(self.names[k] for k in chosen)
        files = tuple(self.files[i] for i in at) if self.files else ()
        return Pictures(self.images[at], labels, names, files, self.notes, self.inverted)

    def _alphabet_names(self) -> np.ndarray:
        return np.array([name.rpartition("/")[0] for name in self.names])
