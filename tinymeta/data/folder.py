"""A folder of one's own pictures as classes to draw tasks from.

The layouts that a folder may have are in folder_layout.py, how a picture is read in
picture_files.py. All are read and judged before anything is returned or kept.
"""

import os
from collections import Counter
from pathlib import Path

import numpy as np

from ..core.checks import check_flag, check_instance, check_whole
from .characters import Split
from .folder_layout import in_folder, in_table, splits
from .picture_cache import cached
from .picture_files import Options, read_pictures
from .pictures import Pictures

_VALIDATION, _TEST = 0.16, 0.2  # of all classes, as of mini-ImageNet's 100


def folder(
    path: str | os.PathLike,
    *,
    size: int | None = None,
    channels: int | None = None,
    invert: bool | None = None,
) -> Pictures:
    """Read a folder of classes, or one of mini-ImageNet's tables -> Pictures, told of in `.notes`.

    PNG is read here, other formats where Pillow is installed: pip install 'tinymeta[images]'.
    size: pictures become size x size, the middle square of each; without it they must have one
    size. channels: 1 makes all grey, 3 all colour; by default they are grey if none has a colour
    in it. invert: exchange black and white; by default of dark drawings on light paper, since
    networks pad with 0 and glyphs and Omniglot have ink = 1. Pictures once read are kept in the
    user's cache (picture_cache.py).

    Raises FileNotFoundError for what is not there; ValueError, naming the file or folder, for a
    damaged picture, an empty class, sizes that differ, a layout that is none of the above;
    ModuleNotFoundError for a picture that needs Pillow.
    """
    check_instance("folder", (str, os.PathLike), "of a folder or a table", path=path)
    return _read("folder", Path(path), _checked("folder", size, channels, invert))


def folder_split(
    path: str | os.PathLike,
    *,
    seed: int = 0,
    size: int | None = None,
    channels: int | None = None,
    invert: bool | None = None,
) -> Split:
    """Read a folder as three sets of classes: to learn from, to tune on, to report.

    Those of the layout, if it has train, val (or valid, validation) and test; else 16 and 20 % of
    the classes, two at least, are drawn by `seed` for validation and test, as of mini-ImageNet's
    100. What is not given in the other arguments is looked up in the training set, for all three.

    Raises what `folder` raises, and ValueError for fewer than six classes to divide and for a class
    that is in two of the splits: a few-shot test is of classes that were not learned from.
    """
    check_instance("folder_split", (str, os.PathLike), "of a folder", path=path)
    path = Path(path)
    options = _checked("folder_split", size, channels, invert)
    (seed,) = check_whole("folder_split", 0, seed=seed)
    given = splits(path)
    if not given:
        return _divided(_read("folder_split", path, options), path, seed)
    missing = {"train", "validation", "test"} - given.keys()
    if missing:
        raise ValueError(
            f"folder_split: {path} has {', '.join(p.name for p in given.values())} and no "
            f"{' and no '.join(sorted(missing))}: add it, or read one of them by tm.data.folder"
        )
    train = _read("folder_split", given["train"], options)
    as_train = Options(
        size or (train.images.shape[1] if _is_square(train) else None),
        train.images.shape[3],
        train.inverted,
    )
    sets = {"train": train}
    for split in ("validation", "test"):
        sets[split] = _read("folder_split", given[split], as_train)
    _check_disjoint(path, sets)
    return Split(**sets)  # type: ignore[arg-type]


def _checked(caller: str, size: int | None, channels: int | None, invert: bool | None) -> Options:
    """The options; ValueError or TypeError for what they cannot be."""
    if size is not None:
        (size,) = check_whole(caller, size=size)
    if channels is not None:
        (channels,) = check_whole(caller, channels=channels)
        if channels not in (1, 3):
            raise ValueError(f"{caller}: channels={channels} must be 1, 3 or None")
    if invert is not None:
        check_flag(caller, invert=invert)
        invert = bool(invert)
    return Options(size, channels, invert)


def _is_square(pictures: Pictures) -> bool:
    return pictures.images.shape[1] == pictures.images.shape[2]


def _read(caller: str, path: Path, options: Options) -> Pictures:
    """The classes of a folder without splits in it, or of a table."""
    if not path.exists():
        raise FileNotFoundError(
            f"{caller}: {path} is missing: give a folder of folders of pictures"
        )
    found, notes = in_table(caller, path) if path.is_file() else in_folder(caller, path)
    names = tuple(dict.fromkeys(label for label, _ in found))
    numbers = {name: k for k, name in enumerate(names)}
    paths = [file for _, file in found]

    def read() -> Pictures:
        looked = read_pictures(paths, options)
        return Pictures(
            looked.images,
            np.array([numbers[label] for label, _ in found]),
            names,
            tuple(map(str, paths)),
            (*notes, *looked.notes),
            looked.inverted,
        )

    return cached(found, options, read)


def _divided(pictures: Pictures, path: Path, seed: int) -> Split:
    """Classes drawn for validation and test; the others are to be learned from."""
    n = len(pictures)
    validation, test = (max(2, round(n * share)) for share in (_VALIDATION, _TEST))
    if n < 6:
        raise ValueError(
            f"folder_split: {path} has {n} classes, and to divide them takes 6, two for each of "
            "training, validation and test: add classes, or make folders train, val and test"
        )
    order = np.random.default_rng(seed).permutation(n)
    parts = np.split(order, [test, test + validation])
    held_out, tuned_on, learned_from = (pictures.select(np.sort(part)) for part in parts)
    return Split(learned_from, tuned_on, held_out)


def _check_disjoint(path: Path, sets: dict[str, Pictures]) -> None:
    counted = Counter(name for pictures in sets.values() for name in pictures.names)
    twice = [name for name, count in counted.items() if count > 1]
    if twice:
        raise ValueError(
            f"folder_split: {path} has the class {twice[0]!r} in two of its splits, and a few-shot "
            "test is of classes that were not learned from: give the folder of one of them"
        )
