"""`python -m tinymeta predict`: which of a few classes each picture shows, with probabilities.

The classes are those of the support folder, learned from its pictures alone. Where the query is a
folder of folders, their names say what is right: then there is an accuracy, and a page of mistakes.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tinymeta as tm

from ..data.folder_layout import ENDINGS, is_picture, listed
from ..data.picture_files import Options, read_pictures
from ..data.pictures import from_zero_to_one
from . import pictures
from .answers import draw_answers
from .learner import learner, saved_flags
from .run_files import write_table

_BATCH = 16  # queries that are asked about at a time


class _Query(NamedTuple):
    """A picture that is asked about, and the class that its folder names, or None."""

    path: Path
    label: str | None


def main(args: argparse.Namespace, name: str) -> None:
    """Print a line for each picture; write {name}_answers.csv and .png, and {name}_mistakes.png."""
    flags = saved_flags(args.model)
    options = Options(flags.size, flags.channels, flags.inverted)
    support = tm.data.folder(args.support, **options._asdict())
    queries = [query for path in args.pictures for query in _find_queries(Path(path))]
    looked = read_pictures([query.path for query in queries], options)
    images = from_zero_to_one(looked.images)  # (Q, H, W, C)

    asked = learner(flags, len(support)).asked
    params = tm.load(args.model, like=asked.init(np.random.default_rng(0)))
    shares = _ask(asked, params, support, images)
    rows = [["picture", "says", "probability", "then", "probability", "is"]]
    for query, of_query in zip(queries, shares):
        first, second = np.argsort(-of_query)[:2]
        cells = [support.names[first], f"{of_query[first]:.3f}"]
        cells += [support.names[second], f"{of_query[second]:.3f}"]
        rows.append([str(query.path), *cells, query.label or ""])
    _print_table(rows)
    write_table(rows, args.out / f"{name}_answers.csv")
    titles = [query.path.name for query in queries]
    path = args.out / f"{name}_answers.png"
    draw_answers(images, shares, support.names, titles, path, ink=flags.inverted)
    _tell_mistakes(queries, images, shares, support, args.out / f"{name}_mistakes.png")


def _find_queries(path: Path) -> list[_Query]:
    """The pictures at a path: a file, a folder of them, or a folder of classes.

    Raises FileNotFoundError for what is not there, ValueError where there are no pictures.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: give pictures, or a folder of them")
    if path.is_file():
        return [_Query(path, None)]
    entries = listed(path)
    found = [_Query(entry, None) for entry in entries if is_picture(entry)]
    for folder in (entry for entry in entries if entry.is_dir()):
        found += [_Query(file, folder.name) for file in listed(folder) if is_picture(file)]
    if not found:
        raise ValueError(f"{path} holds no pictures ({', '.join(ENDINGS)}), nor do its folders")
    return found


def _ask(asked: tm.meta.Method, params: Any, support: Any, images: np.ndarray) -> np.ndarray:
    """The probability of each class of the support set for each image: (Q, K)."""
    x = from_zero_to_one(support.images)
    labels = support.labels.astype(np.int64)
    seen = tm.Batch(x[None], labels[None])
    logits = []
    for k in range(0, len(images), _BATCH):
        batch = images[k : k + _BATCH]
        of_batch = asked.predict(params, seen, batch[None])
        logits.append(np.asarray(of_batch)[0])
    # A network with more outputs than there are classes here is not asked about the others.
    of_classes = np.concatenate(logits)[:, : len(support)]
    return pictures.probabilities(of_classes)


def _print_table(rows: list[list[str]]) -> None:
    """Rows of texts in columns; the last one is left out where it says nothing."""
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = [text.ljust(width) for text, width in zip(row, widths)]
        print("  ".join(cells).rstrip())


def _tell_mistakes(
    queries: list[_Query], images: np.ndarray, shares: np.ndarray, support: Any, path: Path
) -> None:
    """Print the accuracy, and draw the mistakes, of the pictures whose class is known."""
    numbers = {name: k for k, name in enumerate(support.names)}
    known = [k for k, query in enumerate(queries) if query.label in numbers]
    if not known:
        return
    names = [queries[k].label or "" for k in known]
    labels = np.array([numbers[name] for name in names])
    right = shares[known].argmax(-1) == labels
    count = right.sum()
    print(f"accuracy {right.mean():.4g}: {count} of {len(known)} right")
    seen = tm.Batch(from_zero_to_one(support.images), support.labels)
    asked = tm.Batch(images[known], labels)
    found = pictures.mistakes_of_task(seen, asked, shares[known], support.names)
    pictures.draw_mistakes(found, len(known), path, ink=pictures.is_ink(support))
