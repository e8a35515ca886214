"""How long each step takes, for `explain(.., times=True)`."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


def time_steps(step_calls: Iterable[tuple[str, Callable[[], Any]]], rounds: int = 9) -> list[float]:
    """Seconds of each step, run by itself: the median of some rounds."""
    medians = []
    for _, call in step_calls:
        medians.append(float(np.median([_seconds(call) for _ in range(rounds)])))
    return medians


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
