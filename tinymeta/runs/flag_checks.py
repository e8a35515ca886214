"""What is wrong with flags that argparse takes: a number too small, a flag without an effect.

Each mistake is a ValueError of one sentence, found before anything is drawn, read or compiled.
"""

import argparse
from collections.abc import Sequence

import numpy as np

# The least value of each flag that is a number. A confidence interval needs two tasks.
_MINIMUM = {
    "way": 1,
    "shot": 1,
    "iterations": 0,
    "seed": 0,
    "steps": 0,
    "every": 0,
    "test_tasks": 2,
    "test_pairs": 2,
    "tasks": 1,
    "validation_tasks": 2,
    "test_steps": 0,
    "train_shot": 1,
    "query": 1,
    "test_query": 1,
    "test_ways": 1,
    "glyph_alphabets": 1,
    "size": 1,
    "glyph_iterations": 1,
    "chunks": 1,
    "classes": 0,
    "drawers": 1,
    "alphabets": 1,
    "pairs": 1,
    "points": 2,
    "features": 0,
    "truncate": 0,
    "hidden": 1,
    "inner": 1,
    "batch": 1,
    "most_on_one_tape": 0,
    "repeats": 1,
    "alpha": 0,
    "beta": 0,
    "lr": 0,
    "margin": 0,
}


def check_minima(args: argparse.Namespace) -> None:
    """Raise ValueError for a number that is too small, and for NaN."""
    for name in _MINIMUM.keys() & vars(args).keys():
        for number in np.ravel(getattr(args, name)):
            if not number >= _MINIMUM[name]:  # of NaN, too
                wrong = "is no number" if np.isnan(number) else "is too small"
                raise ValueError(
                    f"{_flag_name(name)} {number} {wrong}: give at least {_MINIMUM[name]}"
                )


def check_needs(
    p: argparse.ArgumentParser,
    args: argparse.Namespace,
    needs: tuple,
    words: Sequence[str] | None = None,
) -> None:
    """Raise ValueError for a flag that was given and would have no effect.

    needs: (flag, another, condition) each: the first has no effect unless the condition holds for
    the other's value; words: what `p` parsed, by default the command line.
    """
    # Parsed into a namespace in which all is unset: what is then set was given.
    unset = object()
    given = p.parse_args(words, argparse.Namespace(**dict.fromkeys(vars(args), unset)))
    for name, other, fits in needs:
        if getattr(given, name, unset) is unset:
            continue
        value = getattr(args, other)
        if fits(value):
            continue
        how = f"with {_flag_name(other)} {value}"
        if value is False:
            how = f"without {_flag_name(other)}"
        raise ValueError(f"{_flag_name(name)} has no effect {how}: leave it out, or change that")


def _flag_name(name: str) -> str:
    return "--" + name.replace("_", "-")
