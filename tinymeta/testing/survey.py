"""A search for a counterexample: how many examples were checked, and the smallest that failed.

Examples are drawn by hypothesis, which also shrinks one that fails. As a command it goes on for as
long as it is given.
"""

import argparse
import itertools
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

A_ROUND = 500  # examples drawn from one seed
_MOST_SKIPPED = 0.1  # a search that skips more of them has not searched


class Survey:
    """A search and its tally: how many examples were checked, how many could not be, what failed.

    strategy: what examples are drawn from. check_example(example, seed) -> the outcome, a word, and
    raises for a failure. shrink: look for a smaller one that fails, too.
    """

    def __init__(self, strategy: st.SearchStrategy, check_example: Callable, shrink: bool = True):
        self.strategy, self.check_example, self.shrink = strategy, check_example, shrink
        self.tally: Counter[str] = Counter()
        self.failure: Any = None  # the smallest example that failed
        self.error: Exception | None = None  # and what it raised

    @property
    def passed(self) -> bool:
        """Whether none failed, and nearly all could be checked."""
        total = self.tally.total()
        few = _MOST_SKIPPED * max(total, 100)  # a share of a handful says nothing
        return self.error is None and total - self.tally["checked"] <= few

    def round(self, examples: int, seed: int = 0, until: float = float("inf")) -> "Survey":
        """Check so many examples, fewer if the monotonic clock passes `until`."""

        @hypothesis.seed(seed)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=False,
            phases=[Phase.generate, Phase.shrink] if self.shrink else [Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )
        @given(self.strategy, st.integers(0, 2**16))
        def check_each(example: Any, seed: int) -> None:
            if self.error is None and time.monotonic() > until:
                return
            try:
                outcome = self.check_example(example, seed)
            except Exception as error:
                self.failure, self.error = example, error
                raise
            if self.error is None:  # after that it shrinks, and looks at variants of one
                self.tally[outcome] += 1

        try:
            check_each()
        except Exception as error:  # an example that could not even be drawn is a failure, too
            self.error = self.error or error
        return self

    def run_for(self, minutes: float, seed: int) -> int:
        """Check round after round until the time is over or one fails, and print the tally.

        Returns an exit status, 1 for a failure.
        """
        start = time.monotonic()
        until = start + 60 * minutes
        try:
            for k in itertools.count(seed * 10**6):  # no two commands draw the same
                self.round(A_ROUND, k, until)
                if self.error is not None or time.monotonic() > until:
                    break
        except KeyboardInterrupt:  # the tally is worth having
            pass
        seconds = time.monotonic() - start
        print(f"{self}\n{self.tally.total() / seconds:.0f} examples a second for {seconds:.0f} s")
        return int(not self.passed)

    def __str__(self) -> str:
        words = dict.fromkeys(["checked", "at a kink", "undecided", "constant", *self.tally])
        text = ", ".join(f"{what} {self.tally[what]}" for what in words)
        if self.error is None:
            return f"{text}, failed 0"
        return f"{text}, failed 1:\n\n{self.failure or 'while it grew'}\n\n{self.error}"


def command(name: str, what: str) -> argparse.ArgumentParser:
    """The options that all searches have."""
    parser = argparse.ArgumentParser(prog=f"python -m tinymeta.testing.{name}", description=what)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the examples (default 0)")
    return parser
