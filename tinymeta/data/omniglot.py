"""Omniglot: 1623 handwritten characters of 50 alphabets, each drawn once by 20 people, at 28x28.

Lake, Salakhutdinov, Tenenbaum 2015, Science 350:1332. Get it by `python -m tinymeta.data.omniglot`.
Decoded pictures are checked against a digest (omniglot_files.py), so that a figure measured here
was measured on Omniglot, whoever packed the zips; they are then kept as bits in the user's cache,
about 1 MB.
"""

import os
import warnings
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ..system.disk import replacing
from .archive import read_characters
from .characters import Characters, Split, join
from .download import main
from .omniglot_files import check, find_root, find_set, from_npz, omniglot_cache, to_npz

_SMALL1 = ("Balinese", "Early_Aramaic", "Greek", "Korean", "Latin")
_SMALL2 = ("Greek", "Japanese_(katakana)", "Latin", "Sanskrit", "Tagalog")

# Vinyals et al. 2016, as listed by Snell et al. 2017: 1028, 172 and 423 characters. The lists come
# down to whole alphabets, but for Gurmukhi, whose first 41 characters are learned from.
_VINYALS_VALIDATION = ("Armenian", "Bengali", "Early_Aramaic", "Hebrew", "Mkhedruli_(Georgian)")
_VINYALS_TEST = (
    "Gurmukhi",
    "Kannada",
    "Keble",
    "Malayalam",
    "Manipuri",
    "Mongolian",
    "Old_Church_Slavonic_(Cyrillic)",
    "Oriya",
    "Sylheti",
    "Syriac_(Serto)",
    "Tengwar",
    "Tibetan",
    "ULOG",
)
_GURMUKHI_TRAIN = tuple(f"Gurmukhi/character{i:02}" for i in range(1, 42))


class Omniglot:
    """The data set, read when first asked for.

    `root` is the folder that holds images_background.zip and images_evaluation.zip, or the folders
    unpacked from them; without it, $TINYMETA_DATA, else the user's cache. Errors come when a set is
    read: FileNotFoundError for a missing zip, ValueError for a damaged or foreign one.
    """

    def __init__(self, root: str | os.PathLike | None = None) -> None:
        self.root = find_root(root)

    def __repr__(self) -> str:
        return f"Omniglot({str(self.root)!r})"

    @cached_property
    def background(self) -> Characters:
        """The 30 alphabets to learn from: 964 characters."""
        return self._load("background")

    @cached_property
    def evaluation(self) -> Characters:
        """The 20 alphabets to be tested on: 659 characters."""
        return self._load("evaluation")

    @property
    def small1(self) -> Characters:
        """Lake's first 'minimal' background set: 5 of the 30 alphabets, 136 characters."""
        return _only(_SMALL1, self.background)

    @property
    def small2(self) -> Characters:
        """Lake's second 'minimal' background set: 5 of the 30 alphabets, 156 characters."""
        return _only(_SMALL2, self.background)

    def split(self, name: str = "official", seed: int = 0) -> Split:
        """Divide the characters into train, validation and test.

        official            25 and 5 background alphabets, the evaluation set
        minimal1, minimal2  4 and 1 alphabets of small1 or small2, the evaluation set
        vinyals             1028, 172 and 423 characters, the lists of the paper
        random              1100, 100 and 423 characters of any alphabet (Finn et al. 2017)

        The seed draws what is held out for validation; in random it draws all, in vinyals nothing.

        Do not score Lake's one-shot runs with a model that learned from vinyals or random: both
        train on characters of the alphabets in these runs. Raises ValueError for another name.
        """
        if name in ("official", "minimal1", "minimal2"):
            return self._split_alphabets(name, seed)
        everything = join(self.background, self.evaluation)
        if name == "random":
            order = np.random.default_rng(seed).permutation(len(everything))
            train, validation, test = np.split(order, [1100, 1200])
            return Split(
                everything.select(train), everything.select(validation), everything.select(test)
            )
        if name == "vinyals":
            in_train = np.isin(everything.names, _GURMUKHI_TRAIN)
            rest = everything.select(~in_train)
            others = _without(_VINYALS_TEST + _VINYALS_VALIDATION, rest)
            return Split(
                join(others, everything.select(in_train)),
                _only(_VINYALS_VALIDATION, rest),
                _only(_VINYALS_TEST, rest),
            )
        raise ValueError(
            f"split {name!r} is unknown; there are official, minimal1, minimal2, vinyals and random"
        )

    def _split_alphabets(self, name: str, seed: int) -> Split:
        """The splits by whole alphabets, of which the evaluation set is the test."""
        sets = {"official": "background", "minimal1": "small1", "minimal2": "small2"}
        background = getattr(self, sets[name])
        count = 5 if name == "official" else 1
        rng = np.random.default_rng(seed)
        validation = rng.choice(background.alphabets, count, replace=False)
        return Split(
            _without(validation, background), _only(validation, background), self.evaluation
        )

    def _load(self, name: str) -> Characters:
        """The set `name`, from the cache if it is there, else from the PNGs, and then cached."""
        source = find_set(self.root, f"images_{name}")
        cache = omniglot_cache() / f"{name}-28.npz"
        try:
            return check(from_npz(cache), name, cache)
        except Exception:  # no cache yet, or one damaged in whatever way: decode the PNGs
            pass
        characters = check(read_characters(source), name, source)
        try:
            cache.parent.mkdir(parents=True, exist_ok=True)
            with replacing(cache) as file:
                file.write(to_npz(characters))
        except OSError as error:
            warnings.warn(
                f"Omniglot is read, but could not be kept in {cache} ({error}); it will "
                f"be decoded anew each time",
                stacklevel=4,  # the line that asks for .background or .evaluation
            )
        return characters


def _only(alphabets: Sequence[str] | np.ndarray, characters: Characters) -> Characters:
    """The characters of these alphabets."""
    return characters.select(_belongs(characters, alphabets))


def _without(alphabets: Sequence[str] | np.ndarray, characters: Characters) -> Characters:
    """The characters of all other alphabets."""
    return characters.select(~_belongs(characters, alphabets))


def _belongs(characters: Characters, alphabets: Sequence[str] | np.ndarray) -> np.ndarray:
    """(C,) bool: whether each character is of one of these alphabets."""
    names = np.array(characters.alphabets)[characters.alphabet]  # (C,)
    return np.isin(names, alphabets)


if __name__ == "__main__":
    main()
