"""The state of a training: what an update makes of it is a new one, and the curve is a part of it.

So what is reported, written or gone back to is always a whole state and never half of the next.
"""

from typing import Any, NamedTuple

from .evaluation import Score


class Row(NamedTuple):
    """A point of the learning curve; metrics are means since the row before."""

    iteration: int
    seconds: float  # since the beginning, earlier parts of a resumed run included
    metrics: dict[str, float]
    score: Score | None  # what `evaluate` returned
    pace: float = 0.0  # milliseconds an update takes, without evaluation
    memory: float = 0.0  # peak memory of the process, of all ranks together, in MB


class Best(NamedTuple):
    """The parameters with the best score so far."""

    params: Any
    iteration: int
    score: Any


class Progress(NamedTuple):
    """The state of a training after `iteration` updates, immutable."""

    params: Any
    state: Any  # of the optimizer
    best: Best | None
    iteration: int
    seconds: float
    curve: tuple  # of Rows
    sums: dict  # of the metrics since the last row
    busy: float  # seconds spent in updates since then
    count: int  # type: ignore[assignment]  # updates since then; tuple has a method of this name
    generator_states: dict  # of each random generator, by name


def beginning(params: Any, state: Any, generator_states: dict) -> Progress:
    """The progress before the first update."""
    return Progress(
        params=params,
        state=state,
        best=None,
        iteration=0,
        seconds=0.0,
        curve=(),
        sums={},
        busy=0.0,
        count=0,
        generator_states=generator_states,
    )


def with_row(now: Progress, score: Score | None, better: str, memory: float) -> Progress:
    """A row added to the curve, of the updates since the last; the best parameters up to date.

    better: "larger" or "smaller" scores; memory: in MB.
    """
    means = {key: total / now.count for key, total in now.sums.items()}
    pace = 1e3 * now.busy / now.count
    row = Row(now.iteration, now.seconds, means, score, pace, memory)
    best = now.best
    if score is not None and (best is None or _is_better(score, best.score, better)):
        best = Best(now.params, now.iteration, score)
    return now._replace(curve=(*now.curve, row), best=best, sums={}, busy=0.0, count=0)


def _is_better(score: Score, best: Score, better: str) -> bool:
    sign = 1 if better == "larger" else -1
    return sign * (score.mean - best.mean) > 0
