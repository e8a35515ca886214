"""Lake's one-shot benchmark: 20 runs of 20-way classification within an alphabet.

A run shows 20 characters, drawn once each by one person, and asks for the same 20 by another. A
test picture takes the label of its nearest training picture; the score is the runs' mean error.
Lake et al. 2015. Chance is 95 %, the Modified Hausdorff distance 38.75 %, people are below 4.5 %.
"""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .archive import SIDE, decode, read_files, shrink
from .omniglot import find_root, find_set

RUNS = WAY = 20
PART = re.compile(r"run\d\d/.+$")  # in whatever folder the runs lie
DIGEST = "890df5bcd0ce8474159ad816599ced05e49096ce33113df28395cd9fb10b0d2a"


class Run(NamedTuple):
    """train, test (20, H, W) uint8, ink 1; answers (20,) int: test[i] shows train[answers[i]]."""

    train: np.ndarray
    test: np.ndarray
    answers: np.ndarray


class Score(NamedTuple):
    """errors (R,) a run, in [0, 1]; their mean; its standard error, std(ddof=1) / sqrt(R)."""

    errors: np.ndarray
    mean: float
    se: float


def all_runs(root=None, *, size: int = 28) -> list[Run]:
    """Read the 20 runs from all_runs.zip, or the folder all_runs, in `root` (as for Omniglot).

    size is 28, the models' nearest-neighbour pictures, or 105, the originals.
    Raises FileNotFoundError for a missing zip, ValueError for a damaged or foreign one.
    """
    if size not in (28, SIDE):
        raise ValueError(f"all_runs: size={size} must be 28 or {SIDE}")
    source = find_set(find_root(root), "all_runs")
    found = {PART.search(path)[0]: data for path, data in read_files(source, PART.search).items()}
    runs = [_read_run(found, f"run{r:02}", source) for r in range(1, RUNS + 1)]
    if content(runs) != DIGEST:
        raise ValueError(
            f"{source} has the form of Lake's 20 runs but other pictures or "
            f"answers; download it again"
        )
    if size == SIDE:
        return runs
    return [Run(shrink(train), shrink(test), answers) for train, test, answers in runs]


def content(runs: list[Run]) -> str:
    """sha256 of all pictures, as bits, and answers."""
    seen = hashlib.sha256()
    for train, test, answers in runs:
        for part in (np.packbits(train), np.packbits(test), answers.astype("<i8")):
            seen.update(part.tobytes())
    return seen.hexdigest()


def evaluate(distance: Callable[[np.ndarray, np.ndarray], np.ndarray], runs: list[Run]) -> Score:
    """Score a distance: distance(test (20, H, W), train (20, H, W)) -> (20, 20), small is near.

    Raises ValueError when it returns another shape, or numbers that cannot be compared (NaN).
    """
    errors = []
    for run in runs:
        d = np.asarray(distance(run.test, run.train))  # (test, train)
        if d.shape != (len(run.test), len(run.train)) or np.isnan(d).any():
            raise ValueError(
                f"evaluate: distance must return {len(run.test)}x{len(run.train)} "
                f"numbers (test, train) without NaN, got shape {d.shape}"
            )
        errors.append(np.mean(d.argmin(axis=1) != run.answers))
    errors = np.array(errors)
    return Score(errors, errors.mean(), errors.std(ddof=1) / np.sqrt(len(errors)))


def modified_hausdorff(test: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The benchmark's baseline, on the ink points of a picture, centred on their mean:

    d(A, B) = max(mean_a min_b |a - b|, mean_b min_a |a - b|)            (Dubuisson and Jain 1994)
    """
    # |a - b|^2 = (-2a, |a|^2, 1) . (b, 1, |b|^2): one matrix product for all pairs of points.
    ones, others = [_ink(picture) for picture in test], [_ink(picture) for picture in train]
    lefts = [_blocks(np.column_stack([-2 * a, norm, one])) for a, norm, one in ones]
    rights = [np.column_stack([b, one, norm]).T for b, norm, one in others]  # (4, m)
    d = np.empty((len(test), len(train)))
    for i, left in enumerate(lefts):
        n = len(ones[i][0])
        for j, right in enumerate(rights):
            square = (left @ right).reshape(-1, right.shape[1])[:n]  # (n, m)
            d[i, j] = max(np.sqrt(np.maximum(square.min(axis), 0)).mean() for axis in (0, 1))
    return d


def _ink(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The n ink points about their mean (n, 2), their squared norms (n,), and n ones."""
    points = np.argwhere(picture).astype(np.float32)
    points -= points.mean(axis=0)
    return points, (points * points).sum(axis=1), np.ones(len(points), np.float32)


def _blocks(rows: np.ndarray, size: int = 32) -> np.ndarray:
    """(n, 4) -> (blocks, 32, 4), filled up with the last row. BLAS leaves so small a product to one
    thread; larger ones it shares between threads that, on a busy machine, mostly wait."""
    return np.pad(rows, ((0, -len(rows) % size), (0, 0)), mode="edge").reshape(-1, size, 4)


def _read_run(files: dict[str, bytes], name: str, source: Path) -> Run:
    """One run at full size; class_labels.txt has 20 lines 'test path, training path'."""
    train = [f"{name}/training/class{i:02}.png" for i in range(1, WAY + 1)]
    test = [f"{name}/test/item{i:02}.png" for i in range(1, WAY + 1)]
    labels = f"{name}/class_labels.txt"
    for path in (*train, *test, labels):
        if path not in files:
            raise ValueError(f"{source} lacks {path}; download it again")
    answer = dict(
        line.split()
        for line in files[labels].decode("latin1").splitlines()
        if len(line.split()) == 2
    )
    if sorted(answer) != test or sorted(answer.values()) != train:
        raise ValueError(
            f"{source}: {labels} does not pair the 20 test with the 20 training "
            f"pictures; download it again"
        )
    return Run(
        decode({path: files[path] for path in train}, source),
        decode({path: files[path] for path in test}, source),
        np.array([train.index(answer[path]) for path in test], np.int64),
    )
