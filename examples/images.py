"""The image examples' data: glyphs or Omniglot, by flags."""

import argparse

import numpy as np

import tinymeta as tm


def add_image_flags(p: argparse.ArgumentParser, *splits: str) -> None:
    """Add the flags that `image_sets` reads; splits: those of Omniglot, the default first."""
    p.add_argument(
        "--data",
        choices=("glyphs", "omniglot"),
        default="glyphs",
        help="glyphs are generated here, Omniglot is Lake's handwriting",
    )
    p.add_argument("--split", choices=splits, default=splits[0], help="which split of Omniglot")
    p.add_argument(
        "--root",
        help="folder of the Omniglot files; without it, $TINYMETA_DATA or the user's cache",
    )
    p.add_argument(
        "--glyph-alphabets",
        type=int,
        default=30,
        help="alphabets of glyphs to learn from; there is no end of them",
    )


def image_sets(args, draw):
    """(train, validation, test) characters of the chosen data set; the sets share no character.

    draw(train, validation, test) draws from them as the run will, and raises where they are too
    few. It is called here, of glyphs with blank ones: to generate them takes seconds.
    """
    if args.data == "omniglot":
        split = tm.data.Omniglot(args.root).split(args.split, seed=args.seed)
        draw(split.train, split.validation, split.test)
        return split.train, split.validation, split.test
    draw(blank_characters(args.glyph_alphabets), blank_characters(5), blank_characters(15))
    glyphs = tm.data.Glyphs(seed=0)  # alphabets 30 to 49 are for validation and test
    train = glyphs.characters(min(args.glyph_alphabets, 30))
    if args.glyph_alphabets > 30:
        train = tm.data.join(train, glyphs.characters(args.glyph_alphabets - 30, first=50))
    return train, glyphs.characters(5, first=30), glyphs.characters(15, first=35)


def blank_characters(alphabets: int) -> tm.data.Characters:
    """Empty images, as many as so many alphabets of glyphs have."""
    numbers = np.repeat(np.arange(alphabets), 20)  # the alphabet of each character
    glyphs = tm.data.Glyphs()
    shape = (len(numbers), glyphs.drawers, glyphs.size, glyphs.size)
    images = np.broadcast_to(np.uint8(0), shape)
    names = tuple(f"{number}/blank" for number in numbers)
    return tm.data.Characters(images, numbers, names)
