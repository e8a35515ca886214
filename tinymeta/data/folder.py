"""A folder of one's own pictures as classes to draw tasks from.

    folder/CLASS/any name.png                   a class is a folder that holds pictures
    folder/ALPHABET/CLASS/any name.png          as Omniglot's; the alphabet is a part of the name
    folder/{train,val,test}/CLASS/...           splits: `folder_split`, or `folder` of one of them
    folder/{train,val,test}.csv and images/     the same as mini-ImageNet is passed on (Vinyals et
                                                al. 2016, Ravi & Larochelle 2017): a table with the
                                                columns filename and label

Files whose names begin with a dot or end otherwise than a picture's are passed over, and told of.
All are read and judged before anything is returned or kept.
"""

import csv
import os
from collections import Counter
from pathlib import Path

import numpy as np

from ..core.checks import check_flag, check_instance, check_whole, shown
from .characters import Split
from .picture_cache import cached
from .picture_files import ENDINGS, Options, is_picture, listed, read_pictures
from .pictures import Pictures

_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation"}
_SPLITS["test"] = "test"
_VALIDATION, _TEST = 0.16, 0.2  # of all classes, as of mini-ImageNet's 100
_CSV_COLUMNS = ("filename", "label")


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
    given = _splits(path)
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
    if channels not in (None, 1, 3) or isinstance(channels, bool):
        raise ValueError(f"{caller}: channels={shown(channels)} must be 1, 3 or None")
    if invert is not None:
        check_flag(caller, invert=invert)
        invert = bool(invert)
    return Options(size, channels, invert)


def _is_square(pictures: Pictures) -> bool:
    return pictures.images.shape[1] == pictures.images.shape[2]


# ---- where the pictures are ----------------------------------------------------------------------


def _read(caller: str, path: Path, options: Options) -> Pictures:
    """The classes of a folder without splits in it, or of a table."""
    if not path.exists():
        raise FileNotFoundError(
            f"{caller}: {path} is missing: give a folder of folders of pictures"
        )
    found, notes = _in_table(caller, path) if path.is_file() else _in_folder(caller, path)
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


def _in_folder(caller: str, path: Path) -> tuple[list[tuple[str, Path]], list[str]]:
    """(class, file) of each picture, in order of their names, and what was passed over."""
    splits = _splits(path)
    if len(splits) > 1:
        raise ValueError(
            f"{caller}: {path} holds the splits {', '.join(p.name for p in splits.values())}: read "
            "them by tm.data.folder_split, or give one of them"
        )
    found: list[tuple[str, Path]] = []
    others: list[Path] = []
    for entry in listed(path):
        if not entry.is_dir():
            if is_picture(entry):
                raise ValueError(
                    f"{caller}: {path} itself holds pictures, such as {entry.name}: put those of "
                    "each class into a folder of its own"
                )
            others.append(entry)
            continue
        inner = listed(entry)
        classes = [entry, *(below for below in inner if below.is_dir())]
        if len(classes) > 1 and not any(map(is_picture, inner)):
            classes = classes[1:]  # an alphabet, which holds classes and no picture
        for each in classes:
            pictures = []
            for file in listed(each):
                if is_picture(file):
                    pictures.append(file)
                elif not file.is_dir():
                    others.append(file)
            if not pictures:
                raise ValueError(
                    f"{caller}: {each} holds no picture ({', '.join(ENDINGS)}): remove the "
                    "folder, or put some there"
                )
            label = each.relative_to(path).as_posix()
            found += [(label, file) for file in pictures]
    if not found:
        raise ValueError(f"{caller}: {path} holds no folders of pictures, one for each class")
    passed = []
    if others:
        passed = [f"{len(others)} files that are no pictures passed over, such as {others[0].name}"]
    return found, passed


def _in_table(caller: str, path: Path) -> tuple[list[tuple[str, Path]], list[str]]:
    """(class, file) of each row, by class and in the table's order within one; nothing passed."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{caller}: {path} is no table of pictures ({error})") from None
    if not rows or not set(_CSV_COLUMNS) <= rows[0].keys():
        raise ValueError(
            f"{caller}: {path} is no table with the columns {' and '.join(_CSV_COLUMNS)}, a row "
            "for each picture"
        )
    beside = path.parent / "images"
    where = beside if beside.is_dir() else path.parent
    found = []
    for number, row in enumerate(rows, 2):
        name, label = row["filename"], row["label"]
        if not name or not label or not (where / name).is_file():
            raise ValueError(
                f"{caller}: line {number} of {path} names {name!r} of the class {label!r}, and "
                f"{where} has no such picture"
            )
        found.append((label, where / name))
    return sorted(found, key=lambda pair: pair[0]), []


# ---- splits --------------------------------------------------------------------------------------


def _splits(path: Path) -> dict[str, Path]:
    """The splits that a folder holds, tables or folders, by what we call them."""
    found: dict[str, Path] = {}
    for entry in listed(path) if path.is_dir() else ():
        is_one = entry.is_dir() or entry.suffix == ".csv"
        if is_one and entry.stem in _SPLITS:
            found.setdefault(_SPLITS[entry.stem], entry)
    return found


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
