"""How long each kind of step takes, for `explain(.., times=True)`."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


def time_by_kind(
    step_calls: Iterable[tuple[str, Callable[[], Any]]], rounds: int = 9
) -> dict[str, float]:
    """Seconds of each kind of step, summed over steps; each alone, the median of some rounds."""
    seconds: dict[str, float] = {}
    for kind, call in step_calls:
        median = float(np.median([_seconds(call) for _ in range(rounds)]))
        seconds[kind] = seconds.get(kind, 0.0) + median
    return seconds


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
