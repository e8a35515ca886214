"""The data of trainings on images: glyphs, Omniglot or a folder of one's own, by flags."""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

import tinymeta as tm

from ..data.omniglot import Omniglot


def add_image_flags(p: argparse.ArgumentParser, *splits: str) -> None:
    """Add the flags that `image_sets` reads; splits: those of Omniglot, the default first."""
    p.add_argument(
        "--data",
        choices=("glyphs", "omniglot", "folder"),
        default="glyphs",
        help="glyphs are generated here, Omniglot is Lake's handwriting, a folder is your own "
        "pictures, a folder of each class in --root",
    )
    p.add_argument("--split", choices=splits, default=splits[0], help="which split of Omniglot")
    p.add_argument(
        "--root",
        metavar="PATH",
        help="folder of the pictures, or of the Omniglot files; without it, $TINYMETA_DATA or the "
        "user's cache",
    )
    p.add_argument("--size", type=int, default=28, help="a folder's pictures become so large")
    p.add_argument(
        "--glyph-alphabets",
        type=int,
        default=30,
        help="alphabets of glyphs to learn from; there is no end of them",
    )


def image_sets(args: argparse.Namespace, draw: Callable) -> tuple[Any, Any, Any]:
    """(train, validation, test) classes of the chosen data set; the sets share no class.

    draw(train, validation, test) draws from them as the run will, and raises where they are too
    few. It is called here, of glyphs with blank ones: to generate them takes seconds.
    """
    if args.data == "folder":
        split = read_folder(args.root, args.size, args.seed)
        draw(*split)
        return split
    if args.data == "omniglot":
        split = Omniglot(args.root).split(args.split, seed=args.seed)
        draw(split.train, split.validation, split.test)
        return split.train, split.validation, split.test
    draw(blank_characters(args.glyph_alphabets), blank_characters(5), blank_characters(15))
    glyphs = tm.data.Glyphs(seed=0)  # alphabets 30 to 49 are for validation and test
    train = glyphs.characters(min(args.glyph_alphabets, 30))
    if args.glyph_alphabets > 30:
        train = tm.data.join(train, glyphs.characters(args.glyph_alphabets - 30, first=50))
    return train, glyphs.characters(5, first=30), glyphs.characters(15, first=35)


def read_folder(root: str | None, size: int, seed: int) -> tm.data.Split:
    """The three sets of a folder of pictures; what was looked at is printed."""
    if not root:
        raise ValueError("--data folder needs --root, the folder with a folder of each class")
    split = tm.data.folder_split(root, size=size, seed=seed)
    for note in split.train.notes:
        print(f"{root}: {note}")
    return split


def image_shape(classes: Any) -> tuple[int, int]:
    """(size, channels) of a set's pictures, which are size x size."""
    first = np.zeros(1, int)
    _, size, _, channels = classes.take(first, first).shape
    return size, channels


def blank_characters(alphabets: int) -> tm.data.Characters:
    """Empty images, as many as so many alphabets of glyphs have."""
    numbers = np.repeat(np.arange(alphabets), 20)  # the alphabet of each character
    glyphs = tm.data.Glyphs()
    shape = (len(numbers), glyphs.drawers, glyphs.size, glyphs.size)
    images = np.broadcast_to(np.uint8(0), shape)
    names = tuple(f"{number}/blank" for number in numbers)
    return tm.data.Characters(images, numbers, names)
