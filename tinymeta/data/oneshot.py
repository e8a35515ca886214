"""Lake's one-shot benchmark: 20 runs of 20-way classification within an alphabet.

A run shows 20 characters, drawn once each by one person, and asks for the same 20 by another. A
test picture takes the label of its nearest training picture; the score is the runs' mean error.
Lake et al. 2015. Chance is 95 %, the Modified Hausdorff distance 38.75 %, people are below 4.5 %.
"""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .archive import SIDE, decode, read_files, shrink
from .omniglot_files import find_root, find_set

RUNS = _WAY = 20
_PART = re.compile(r"run\d\d/.+$")  # in whatever folder the runs lie
DIGEST = "890df5bcd0ce8474159ad816599ced05e49096ce33113df28395cd9fb10b0d2a"


class OneShotRun(NamedTuple):
    """train, test: 20 pictures each (20, H, W) uint8, ink 1. answers (20,) int: test[i] shows the
    character of train[answers[i]]."""

    train: np.ndarray
    test: np.ndarray
    answers: np.ndarray


class Score(NamedTuple):
    """errors: the share of wrong answers in each of the R runs, (R,), in [0, 1]; their mean; its
    standard error, std(ddof=1) / sqrt(R)."""

    errors: np.ndarray
    mean: float
    se: float


def all_runs(root: str | os.PathLike | None = None, *, size: int = 28) -> list[OneShotRun]:
    """Read the 20 runs from all_runs.zip, or the folder all_runs, in `root` (as for Omniglot).

    size is 28, the models' nearest-neighbour pictures, or 105, the originals.
    Raises FileNotFoundError for a missing zip, ValueError for a damaged or foreign one.
    """
    if size not in (28, SIDE):
        raise ValueError(f"all_runs: size={size} must be 28 or {SIDE}")
    source = find_set(find_root(root), "all_runs")
    files = {}  # by their path from 'runNN/' on
    for path, data in read_files(source, _PART.search).items():
        if match := _PART.search(path):
            files[match[0]] = data
    names = [f"run{number:02}" for number in range(1, RUNS + 1)]
    runs = [_read_run(files, name, source) for name in names]
    if digest(runs) != DIGEST:
        raise ValueError(
            f"{source} has the form of Lake's 20 runs but other pictures or "
            f"answers; download it again"
        )
    if size == SIDE:
        return runs
    small = []
    for train, test, answers in runs:
        small.append(OneShotRun(shrink(train), shrink(test), answers))
    return small


def digest(runs: list[OneShotRun]) -> str:
    """sha256 of all pictures, as bits, and answers, in hexadecimal."""
    content = hashlib.sha256()
    for train, test, answers in runs:
        content.update(np.packbits(train).tobytes())
        content.update(np.packbits(test).tobytes())
        content.update(answers.astype("<i8").tobytes())
    return content.hexdigest()


def evaluate(
    distance: Callable[[np.ndarray, np.ndarray], np.ndarray], runs: list[OneShotRun]
) -> Score:
    """Score a distance: distance(test (20, H, W), train (20, H, W)) -> (20, 20), small is near.

    Raises ValueError when it returns another shape, or numbers that cannot be compared (NaN).
    """
    wrong = []
    for run in runs:
        d = np.asarray(distance(run.test, run.train))  # (test, train)
        shape = len(run.test), len(run.train)
        if d.shape != shape or np.isnan(d).any():
            raise ValueError(
                f"evaluate: distance must return {len(run.test)}x{len(run.train)} "
                f"numbers (test, train) without NaN, got shape {d.shape}"
            )
        nearest = d.argmin(axis=1)
        wrong.append(np.mean(nearest != run.answers))
    errors = np.array(wrong)
    standard_error = errors.std(ddof=1) / np.sqrt(len(errors))
    return Score(errors, errors.mean(), standard_error)


def modified_hausdorff(test: np.ndarray, train: np.ndarray) -> np.ndarray:
    """The benchmark's baseline, a distance of the ink points of pictures (n, H, W) and (m, H, W),
    each centred on its mean -> (n, m) float64, in pixels:

    d(A, B) = max(mean_a min_b |a - b|, mean_b min_a |a - b|)            (Dubuisson and Jain 1994)

    |a - b|^2 = (-2a, |a|^2, 1) . (b, 1, |b|^2), so one matrix product gives all pairs of points.
    """
    test_factors = []  # of each picture: its number of points, and (blocks, 32, 4)
    for picture in test:
        points, norms, ones = _ink_points(picture)
        factor = np.column_stack([-2 * points, norms, ones])
        test_factors.append((len(points), _in_blocks(factor)))
    train_factors = []  # (4, points) of each picture
    for picture in train:
        points, norms, ones = _ink_points(picture)
        train_factors.append(np.column_stack([points, ones, norms]).T)

    d = np.empty((len(test), len(train)))
    for i, (n, left) in enumerate(test_factors):
        for j, right in enumerate(train_factors):
            square = left @ right  # (blocks, 32, points of j)
            square = square.reshape(-1, right.shape[1])[:n]  # (points of i, points of j)
            to_i, to_j = square.min(0), square.min(1)
            d[i, j] = max(_mean_root(to_i), _mean_root(to_j))
    return d


def _mean_root(square: np.ndarray) -> float:
    """The mean of the square roots; rounding may have made a square negative."""
    return np.sqrt(np.maximum(square, 0)).mean()


def _ink_points(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The n ink points about their mean (n, 2), their squared norms (n,), and n ones; float32."""
    points = np.argwhere(picture).astype(np.float32)
    points -= points.mean(axis=0)
    norms = (points * points).sum(axis=1)
    return points, norms, np.ones(len(points), np.float32)


def _in_blocks(rows: np.ndarray, size: int = 32) -> np.ndarray:
    """Rows (n, 4) as (blocks, size, 4), filled up with the last row.

    BLAS leaves products of this size to one thread; larger ones it shares between threads that, on
    a busy machine, mostly wait.
    """
    missing = -len(rows) % size
    padded = np.pad(rows, ((0, missing), (0, 0)), mode="edge")
    return padded.reshape(-1, size, 4)


def _read_run(files: dict[str, bytes], name: str, source: Path) -> OneShotRun:
    """One run, 'runNN', at full size, of files by path; ValueError for a part missing or damaged.

    class_labels.txt has 20 lines 'test path, training path'.
    """
    train = [f"{name}/training/class{i:02}.png" for i in range(1, _WAY + 1)]
    test = [f"{name}/test/item{i:02}.png" for i in range(1, _WAY + 1)]
    labels = f"{name}/class_labels.txt"
    for path in (*train, *test, labels):
        if path not in files:
            raise ValueError(f"{source} lacks {path}; download it again")
    lines = [line.split() for line in files[labels].decode("latin1").splitlines()]
    answer = dict(line for line in lines if len(line) == 2)  # test path -> training path
    if sorted(answer) != test or sorted(answer.values()) != train:
        raise ValueError(
            f"{source}: {labels} does not pair the 20 test with the 20 training "
            f"pictures; download it again"
        )
    return OneShotRun(
        decode({path: files[path] for path in train}, source),
        decode({path: files[path] for path in test}, source),
        np.array([train.index(answer[path]) for path in test], np.int64),
    )
