"""Splitting: a leading axis along which a program can be cut into independent chunks, for threads.

In: a simplified program. Out: a `Split`, three programs, or the reason why there is none. The
number of tasks is guessed from the leading sizes of the inputs and then followed through the
program (task_roles.py). What depends on no task is `before`, what is made of sums over the tasks is
`after`. The middle is a program for any number of tasks. It is run once for each chunk of tasks,
and what it reduces is added up over the chunks. What it takes and gives:

    mapped         operands with a task axis: a chunk gets its tasks of them
    broadcast      operands without: every chunk gets them whole
    reduced        sums over the tasks: one for each chunk, added up
    concatenated   results with a task axis: put together, task by task

In an update of MAML `before` is what no task changes, `middle` adapts and differentiates the query
losses, `reduced` are the sums of the tasks' gradients, and `after` is the step of the optimizer.
Where several such sums are added up, as those of 20 unrolled steps are, the chunk adds them: one
array is handed over for each parameter, not 20.

Invariants: results depend on the chunks and not on threads. A program in which an equation mixes
tasks (a mean over them that each task then uses, a flip of the task axis) is not split, and says
which equation that is. Cost: O(n) to follow the tasks, for each candidate axis length, and
O(n + r) to build a chunk, for r values that are handed over.

Why look at the program, and not ask the user for a batched axis: `meta_grad` sums over the tasks in
the middle of its body, and its inputs are trees of which some leaves have tasks. A chunk takes
arrays and returns arrays, so it could as well run in another process.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from .program import Builder, Equation, Program, program_of, stand_in
from .task_roles import NotSeparable, estimated_seconds, follow_tasks, repeats_for_tasks

LEAST_SHARE = 0.5  # of the work, in chunks: with less, a program is run whole


class Split(NamedTuple):
    """A program in three parts; what is handed over is named by equations of the whole program."""

    tasks: int
    before: Program  # inputs -> what is mapped or broadcast and is no input
    broadcast: tuple[Equation, ...]
    mapped: tuple[Equation, ...]
    middle: tuple[Equation, ...]  # what chunks compute, in order
    reduced: tuple[Equation, ...]
    concatenated: tuple[Equation, ...]
    after_inputs: tuple[Equation, ...]  # of inputs and `reduced`, what `after` reads
    after_outputs: tuple[Equation, ...]  # outputs that are not concatenated, reduced, or inputs
    after: Program  # after_inputs -> after_outputs
    whole: Program

    def chunk(self, size: int) -> Program:
        """The middle for `size` tasks: mapped and broadcast -> reduced and concatenated."""

        def resized(x: Equation) -> tuple[int, ...]:
            # The first axis may be tasks and examples together: T N long, after a reshape.
            return (x.shape[0] // self.tasks * size, *x.shape[1:])

        of_tasks = {x: stand_in(x, resized(x)) for x in self.mapped}  # one task axis: the chunk's
        whole = {x: stand_in(x, x.shape) for x in self.broadcast}
        inputs = (*of_tasks.values(), *whole.values())

        def operand(reader: Equation, x: Equation) -> Equation:
            """What stands for x in the chunk: some equations read a chunk of it, some all of it."""
            if x in of_tasks and not repeats_for_tasks(reader, self.tasks):
                return of_tasks[x]
            return whole.get(x, x)  # itself: a constant

        builder = Builder()
        for eqn in self.middle:
            static = eqn.static
            if "shape" in static:
                static = {**static, "shape": resized(eqn)}
            operands = tuple(operand(eqn, x) for x in eqn.inputs)
            of_tasks[eqn] = builder.build(eqn.op, operands, static, eqn)
        return program_of([of_tasks[y] for y in (*self.reduced, *self.concatenated)], inputs)

    def mapped_constants(self) -> dict[Equation, np.ndarray]:
        """The arrays of those mapped values that are constants, contiguous."""
        constants = [x for x in self.mapped if x.op == "constant"]
        return {x: np.array(x.static["value"], order="C") for x in constants}


# ---- which axis ---------------------------------------------------------------------------------


def split(program: Program) -> Split | str:
    """The program split by the candidate number of tasks that puts the most work into the middle.

    The reason, as a clause, if no candidate does so with LEAST_SHARE of the work.
    """
    lengths = dict.fromkeys(x.shape[0] for x in program.inputs if x.shape and x.shape[0] > 1)
    total = sum(map(estimated_seconds, program.equations))
    best: Split | None = None
    most = 0.0
    failure = NotSeparable("no input has a leading axis of tasks", seconds=-1.0)  # the least
    for tasks in lengths:
        try:
            found = split_along(program, tasks)
        except NotSeparable as error:
            if error.seconds > failure.seconds:
                failure = error
            continue
        seconds = sum(map(estimated_seconds, found.middle))
        if seconds > most:
            best, most = found, seconds
    if best and most >= LEAST_SHARE * total:
        return best
    if failure.seconds >= most or best is None:
        return str(failure)
    return (
        f"only {100 * most / total:.0f} % of the work is done by each of {best.tasks} tasks alone"
    )


def split_along(program: Program, tasks: int) -> Split:
    """The program split along leading axes of this length.

    Raises NotSeparable where tasks meet before a sum.
    """
    roles = follow_tasks(program, tasks)
    inputs, reduced = program.inputs, roles.reduced
    seeds = [x for x in inputs if x in roles.seeds]
    mapped = _unique([*seeds, *roles.mapped])
    broadcast = tuple(x for x in roles.broadcast if x.op != "constant")
    concatenated = _unique(y for y in program.outputs if y in roles.along and y not in seeds)
    computed_before = [x for x in (*broadcast, *mapped) if x not in inputs and x.op != "constant"]
    done = {*concatenated, *reduced, *inputs}
    after_outputs = _unique(y for y in program.outputs if y not in done)
    after_inputs = _read_by((*inputs, *reduced), after_outputs)
    return Split(
        tasks=tasks,
        before=program_of(_unique(computed_before), inputs),
        broadcast=broadcast,
        mapped=mapped,
        middle=roles.middle,
        reduced=reduced,
        concatenated=concatenated,
        after_inputs=after_inputs,
        after_outputs=after_outputs,
        after=_between(after_inputs, after_outputs),
        whole=program,
    )


def _between(inputs: tuple[Equation, ...], outputs: tuple[Equation, ...]) -> Program:
    """The program from some equations, which become its inputs, to others."""
    builder = Builder()
    new = {x: stand_in(x, x.shape) for x in inputs}
    for eqn in program_of(outputs, inputs).equations:
        if eqn not in new:
            new[eqn] = builder.build(eqn.op, tuple(new[x] for x in eqn.inputs), eqn.static, eqn)
    return program_of([new[y] for y in outputs], [new[x] for x in inputs])


def _read_by(given: tuple[Equation, ...], outputs: tuple[Equation, ...]) -> tuple[Equation, ...]:
    """Those of the given equations that the outputs are computed from."""
    read = {*outputs}
    known = {*given}
    for eqn in program_of(outputs, given).equations:
        if eqn not in known:
            read.update(eqn.inputs)
    return _unique(x for x in given if x in read)


def _unique(equations: Iterable[Equation]) -> tuple[Equation, ...]:
    """Each once, in order."""
    return tuple(dict.fromkeys(equations))
