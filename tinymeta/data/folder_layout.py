"""Where the pictures of a folder are, and of which class each is: its layout, without reading them.

    folder/CLASS/any name.png                   a class is a folder that holds pictures
    folder/ALPHABET/CLASS/any name.png          as Omniglot's; the alphabet is a part of the name
    folder/{train,val,test}/CLASS/...           splits, each one of the above
    folder/{train,val,test}.csv and images/     the same as mini-ImageNet is passed on (Vinyals et
                                                al. 2016, Ravi & Larochelle 2017): a table with the
                                                columns filename and label

In: a path. Out: (class, file) of each picture, in an order that is the same on every machine. What
is hidden is never looked at; what else is no picture is passed over, and told of.
"""

import csv
from pathlib import Path

ENDINGS = (
    ".bmp",
    ".gif",
    ".jpeg",
    ".jpg",
    ".pgm",
    ".png",
    ".pnm",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)
_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation"}
_SPLITS["test"] = "test"
_CSV_COLUMNS = ("filename", "label")


def in_folder(caller: str, path: Path) -> tuple[list[tuple[str, Path]], list[str]]:
    """(class, file) of each picture, in order of their names, and what was passed over."""
    parts = splits(path)
    if len(parts) > 1:
        raise ValueError(
            f"{caller}: {path} holds the splits {', '.join(p.name for p in parts.values())}: read "
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


def in_table(caller: str, path: Path) -> tuple[list[tuple[str, Path]], list[str]]:
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


def splits(path: Path) -> dict[str, Path]:
    """The splits that a folder holds, tables or folders, by what we call them."""
    found: dict[str, Path] = {}
    for entry in listed(path) if path.is_dir() else ():
        is_one = entry.is_dir() or entry.suffix == ".csv"
        if is_one and entry.stem in _SPLITS:
            found.setdefault(_SPLITS[entry.stem], entry)
    return found


def listed(path: Path) -> list[Path]:
    """What is in a folder and not hidden, by name."""
    return sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))


def is_picture(path: Path) -> bool:
    """Whether it is a file, and named as pictures are."""
    return path.suffix.lower() in ENDINGS and path.is_file()
