"""Random differentiable programs, and a search among them for one whose derivative is wrong.

    python -m tinymeta.testing.programs --minutes 10 --seed 0

checks as many as fit in that time, and prints the shortest text of one that fails. Programs are
drawn by hypothesis, which also shrinks them: a program is built of a list of steps, in any part of
which an entry may be left out or made smaller, and is a program again.
"""

import random
import sys
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from .grammar import GRAMMAR
from .growing import GrowingProgram, Rejected, Step
from .program import RandomProgram
from .programcheck import check_program
from .survey import Survey, command

SHAPES = [(), (3,), (2, 3), (1, 2), (2, 1, 3), (2, 2, 2), (1, 3, 4, 2)]


def programs(
    max_steps: int = 8,
    tasks: Sequence[int | None] = (None, None, 2, 3),
    ops: Sequence[str] = (*GRAMMAR,),
    shapes: Sequence[tuple] = SHAPES,
) -> st.SearchStrategy[RandomProgram]:
    """Programs of up to so many operations (and those that keep values tame in between).

    tasks: how many there may be, None for no task axis. ops: of the grammar. shapes: of the first
    input. They shrink to few statements, small shapes and inputs in order.
    """
    back = st.integers(0, 7)
    steps = st.builds(Step, st.sampled_from(ops), back, back, st.integers(0, 2**16))
    return _built(st.lists(steps, min_size=1, max_size=max_steps), tasks, shapes)


@st.composite
def _built(
    draw: Any, steps: st.SearchStrategy, tasks: Sequence[int | None], shapes: Sequence[tuple]
) -> RandomProgram:
    """A draw of its own, so that hypothesis shows the program and not what it was made from."""
    count = draw(st.sampled_from(tasks))
    return build(draw(steps), draw(st.sampled_from(shapes)), count, draw(st.integers(0, 99)))


def build(
    steps: Sequence[Step], shape: tuple, tasks: int | None = None, seed: int = 0
) -> RandomProgram:
    """The program of these steps on an input of `shape` (of each task), and others if need be.

    A step that cannot be applied is left out; if none can, the program is one statement.
    """
    growing = GrowingProgram(tasks, seed)
    growing.new_input(shape)
    for step in steps:
        before = growing.program()
        try:
            GRAMMAR[step.op](growing, step, random.Random(step.seed))
        except Rejected:
            growing.restore(before)
    if not growing.statements:
        growing.add("tanh", "x0")
    return growing.program()


def survey(order: int | None = None, steps: int = 8) -> Survey:
    """A search for a program with a wrong derivative; order, steps: as of the command."""
    return Survey(programs(steps), lambda program, seed: check_program(program, order, seed))


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 if a program failed, or too many could not be decided."""
    parser = command("programs", "Check the derivatives of random programs.")
    parser.add_argument(
        "--order", type=int, help="of the highest derivative (default: 2, and 3 for short programs)"
    )
    parser.add_argument("--steps", type=int, default=8, help="at most, of a program (default 8)")
    options = parser.parse_args(arguments)
    return survey(options.order, options.steps).run_for(options.minutes, options.seed)


if __name__ == "__main__":
    sys.exit(main())
