"""Random differentiable programs, and a search among them for one whose derivative is wrong.

    python -m tinymeta.testing.programs --minutes 10 --seed 0

checks as many as fit in that time, and prints the shortest text of one that fails. Programs are
drawn by hypothesis, which also shrinks them.
"""

import argparse
import itertools
import random
import sys
import time
from collections import Counter

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from .grammar import GRAMMAR
from .growing import Growing, Step, Unfit
from .program import Program
from .programcheck import check_program

SHAPES = [(), (3,), (2, 3), (1, 2), (2, 1, 3), (2, 2, 2), (1, 3, 4, 2)]
A_ROUND = 500                   # programs drawn from one seed
MOST_SKIPPED = 0.1              # a search that skips more of them has not searched


def programs(max_steps: int = 8, tasks=(None, None, 2, 3)) -> st.SearchStrategy[Program]:
    """Programs of up to so many operations (and those that keep values tame in between).

    tasks: how many there may be, None for no task axis. They shrink to few lines, small shapes and
    inputs in order.
    """
    back = st.integers(0, 7)
    steps = st.builds(Step, st.sampled_from(list(GRAMMAR)), back, back, st.integers(0, 2 ** 16))
    return drawn(st.lists(steps, min_size=1, max_size=max_steps), tasks)


@st.composite
def drawn(draw, steps, tasks) -> Program:
    """A draw of its own, so that hypothesis shows the program and not what it was made from."""
    count = draw(st.sampled_from(tasks))
    return build(draw(steps), draw(st.sampled_from(SHAPES)), count, draw(st.integers(0, 99)))


def build(steps: list[Step], shape: tuple, tasks: int | None = None, seed: int = 0) -> Program:
    """The program of these steps on an input of `shape` (of each task), and others if need be.

    A step that does not fit is left out; if none does, the program is one line.
    """
    growing = Growing(tasks, seed)
    growing.input(shape)
    for step in steps:
        before = growing.program()
        try:
            GRAMMAR[step.op](growing, step, random.Random(step.seed))
        except Unfit:
            growing.forget(before)
    if not growing.lines:
        growing.put("tanh", "x0")
    return growing.program()


class Survey:
    """How many programs were checked, how many could not be, and the shortest that failed."""

    def __init__(self):
        self.tally, self.failure, self.error = Counter(), None, None

    @property
    def passed(self) -> bool:
        """No program failed, and differences could judge nearly all of them."""
        total = self.tally.total()
        few = MOST_SKIPPED * max(total, 100)            # a share of a handful says nothing
        return self.error is None and total - self.tally["checked"] <= few

    def round(self, examples: int, seed: int = 0, order: int | None = None, steps: int = 8,
              until: float = float("inf")) -> "Survey":
        """Check so many programs, fewer if the monotonic clock passes `until`."""
        @hypothesis.seed(seed)
        @settings(max_examples=examples, deadline=None, database=None, derandomize=False,
                  phases=[Phase.generate, Phase.shrink], report_multiple_bugs=False,
                  suppress_health_check=list(HealthCheck))
        @given(programs(steps), st.integers(0, 2 ** 16))
        def check(program, seed):
            if self.error is None and time.monotonic() > until:
                return
            try:
                outcome = check_program(program, order, seed)
            except Exception as error:
                self.failure, self.error = program, error
                raise
            if self.error is None:      # after that it shrinks, and looks at variants of one
                self.tally[outcome] += 1

        try:
            check()
        except Exception as error:      # a program that could not even grow is a failure, too
            self.error = self.error or error
        return self

    def __str__(self):
        outcomes = ("checked", "at a kink", "undecided", "constant")
        text = ", ".join(f"{what} {self.tally[what]}" for what in outcomes)
        if self.error is None:
            return f"{text}, failed 0"
        return f"{text}, failed 1:\n\n{self.failure or 'while it grew'}\n\n{self.error}"


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 if a program failed, or too many could not be judged."""
    parser = argparse.ArgumentParser(prog="python -m tinymeta.testing.programs",
                                     description="Check the derivatives of random programs.")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the programs (default 0)")
    parser.add_argument("--order", type=int, help="of the highest derivative "
                        "(default: 2, and 3 for short programs)")
    parser.add_argument("--steps", type=int, default=8, help="at most, of a program (default 8)")
    options = parser.parse_args(arguments)
    survey, start = Survey(), time.monotonic()
    until = start + 60 * options.minutes
    try:
        for seed in itertools.count(options.seed * 10 ** 6):    # no two commands draw the same
            survey.round(A_ROUND, seed, options.order, options.steps, until)
            if survey.error is not None or time.monotonic() > until:
                break
    except KeyboardInterrupt:                                   # the tally is worth having
        pass
    seconds = time.monotonic() - start
    print(f"{survey}\n{survey.tally.total() / seconds:.0f} programs a second for {seconds:.0f} s")
    return int(not survey.passed)


if __name__ == "__main__":
    sys.exit(main())
