"""Splitting: a leading axis along which a program can be cut into independent chunks, for threads.

In: a simplified program. Out: a `Split`, three programs, or None. Tasks are a leading axis that
nothing mixes until a sum over it; after a reshape (T, N, ..) -> (T N, ..) it may be a multiple of
T. The number of tasks is guessed from the leading sizes of the inputs and then verified, equation
by equation. Equations are of three kinds:

    before   independent of the tasks                w2 = exp(w)
    along    one value for each task                 y = tanh(x @ w2)      (tasks, ..)
    after    made of sums over the tasks             loss = sum(y, axis 0) / tasks

The middle is a program for any number of tasks. It is run once for each chunk of tasks, and what it
reduces is added up over the chunks. What it takes and gives:

    mapped         operands with a task axis: a chunk gets its tasks of them
    broadcast      operands without: every chunk gets them whole
    reduced        sums over the tasks: one for each chunk, added up
    concatenated   results with a task axis: put together, task by task

Invariants: the sums over chunks are taken in the order of the chunks, so results depend on the
chunks and not on threads. A program in which any equation mixes tasks (a mean over them that each
task then uses, a flip of the task axis) is not split. Cost: O(n) to follow the tasks, for each
candidate axis length, and O(n r) to build a chunk, for r values that are handed over.

Why look at the program, and not ask the user for a batched axis: `meta_grad` sums over the tasks in
the middle of its body, and its inputs are trees of which some leaves have tasks. A chunk takes
arrays and returns arrays, so it could as well run in another process.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ..core.primitive import registry
from .program import Builder, Equation, Program, program_of
from .views import VIEWS

# Rough rates for `estimated_seconds`: operations a second of a product, bytes a second of a loop.
_PRODUCT_RATE, _LOOP_RATE = 5e10, 1e10


class _NotSeparable(Exception):
    """An equation mixes the tasks, or needs all of them before it goes on."""


class Split(NamedTuple):
    """A program in three parts; what is handed over is named by equations of the whole program."""

    tasks: int
    before: Program  # inputs -> what is mapped or broadcast and is no input
    broadcast: tuple[Equation, ...]
    mapped: tuple[Equation, ...]
    reduced: tuple[Equation, ...]
    concatenated: tuple[Equation, ...]
    after_inputs: tuple[Equation, ...]  # of inputs and `reduced`, what `after` reads
    after_outputs: tuple[Equation, ...]  # outputs that are not concatenated, reduced, or inputs
    after: Program  # after_inputs -> after_outputs
    whole: Program

    def chunk(self, size: int) -> Program:
        """The middle for `size` tasks: mapped and broadcast -> reduced and concatenated."""

        def resized(x: Equation) -> tuple[int, ...]:
            return (x.shape[0] // self.tasks * size, *x.shape[1:])

        def input_shape(x: Equation) -> tuple[int, ...]:
            return resized(x) if x in self.mapped else x.shape

        def static(eqn: Equation) -> dict:
            # A sum over the tasks has the same shape for any number of them.
            if "shape" in eqn.static and eqn not in self.reduced:
                return {**eqn.static, "shape": resized(eqn)}
            return eqn.static

        outputs = (*self.reduced, *self.concatenated)
        return _subprogram(outputs, (*self.mapped, *self.broadcast), input_shape, static)


def _same_shape(x: Equation) -> tuple[int, ...]:
    return x.shape


def _same_static(eqn: Equation) -> dict:
    return eqn.static


def _subprogram(
    outputs: tuple[Equation, ...],
    inputs: tuple[Equation, ...],
    input_shape: Callable[[Equation], tuple] = _same_shape,
    static: Callable[[Equation], dict] = _same_static,
) -> Program:
    """The program from `inputs`, which become its inputs, to `outputs`; perhaps of other sizes."""
    builder = Builder()
    new = {x: Equation("input", (), {}, input_shape(x), x.dtype) for x in inputs}
    for eqn in program_of(outputs, inputs).equations:
        if eqn not in new:
            operands = tuple(new[x] for x in eqn.inputs)
            new[eqn] = builder.build(eqn.op, operands, static(eqn), eqn)
    return program_of([new[y] for y in outputs], [new[x] for x in inputs])


# ---- which axis ---------------------------------------------------------------------------------


def split(program: Program) -> Split | None:
    """The program split by the candidate number of tasks that puts the most work into the middle.

    None if that is less than half of the work.
    """
    lengths = dict.fromkeys(x.shape[0] for x in program.inputs if x.shape and x.shape[0] > 1)
    best, most = None, 0.5 * sum(map(estimated_seconds, program.equations))
    for tasks in lengths:
        try:
            found = split_along(program, tasks)
        except _NotSeparable:
            continue
        outputs, inputs = (*found.reduced, *found.concatenated), (*found.mapped, *found.broadcast)
        middle = program_of(outputs, inputs)
        seconds = sum(map(estimated_seconds, middle.equations))
        if seconds > most:
            best, most = found, seconds
    return best


def estimated_seconds(eqn: Equation) -> float:
    """About how long an equation takes, from its operations and its bytes."""
    operations = 2 * eqn.size * eqn.inputs[0].shape[-1] if eqn.op == "matmul" else 0
    written = 0 if eqn.op in VIEWS else eqn.nbytes
    return operations / _PRODUCT_RATE + written / _LOOP_RATE


# ---- following the tasks ------------------------------------------------------------------------


def split_along(program: Program, tasks: int) -> Split:
    """The program split along leading axes of this length.

    Raises _NotSeparable where tasks meet before a sum.
    """
    seeds = _inputs_with_tasks(program, tasks)
    if not seeds:
        raise _NotSeparable
    roles = _Roles(tasks, seeds)
    for eqn in program.equations:
        if eqn not in roles.along and eqn.op not in ("input", "constant"):
            roles.classify(eqn)

    inputs = program.inputs
    reduced = tuple(roles.reduced)
    mapped = _unique([*(x for x in inputs if x in seeds), *roles.mapped])
    broadcast = _unique(x for x in roles.broadcast if x.op != "constant")
    concatenated = _unique(y for y in program.outputs if y in roles.along)
    computed_before = [x for x in (*broadcast, *mapped) if x not in inputs and x.op != "constant"]
    after_outputs = _unique(
        y for y in program.outputs if y not in roles.along and y not in (*reduced, *inputs)
    )
    after_inputs = _read_by((*inputs, *reduced), after_outputs)
    return Split(
        tasks=tasks,
        before=program_of(computed_before, inputs),
        broadcast=broadcast,
        mapped=mapped,
        reduced=reduced,
        concatenated=concatenated,
        after_inputs=after_inputs,
        after_outputs=after_outputs,
        after=_subprogram(after_outputs, after_inputs),
        whole=program,
    )


def _inputs_with_tasks(program: Program, tasks: int) -> set[Equation]:
    """Inputs whose leading axis has this length and is not broadcast to more axes."""
    broadcast = {
        eqn.inputs[0]
        for eqn in program.equations
        if eqn.op == "broadcast_to" and eqn.ndim > eqn.inputs[0].ndim
    }
    return {x for x in program.inputs if x.shape and x.shape[0] == tasks and x not in broadcast}


class _Roles:
    """What each equation is to the tasks; equations are classified in the program's order."""

    def __init__(self, tasks: int, seeds: set[Equation]):
        self.tasks = tasks
        self.along = set(seeds)  # have a part for each task
        self.after: set[Equation] = set()  # depend on a sum over the tasks
        self.reduced: list[Equation] = []
        self.mapped: list[Equation] = []
        self.broadcast: list[Equation] = []

    def classify(self, eqn: Equation) -> None:
        """Find the role of an equation from those of its inputs; raises _NotSeparable."""
        inputs_along = [x for x in eqn.inputs if x in self.along]
        reads_after = any(x in self.after for x in eqn.inputs)
        if not inputs_along:
            if reads_after:
                self.after.add(eqn)
            elif _broadcasts_over_tasks(eqn, self.tasks):
                self.along.add(eqn)
                self.broadcast.extend(eqn.inputs)
            return
        if reads_after:
            raise _NotSeparable
        if eqn.op == "sum" and 0 in eqn.static["axes"]:
            self.reduced.append(eqn)
            self.after.add(eqn)
            return
        for x in eqn.inputs:
            if x not in self.along:
                mapped = has_task_axis(eqn, x, inputs_along[0])
                (self.mapped if mapped else self.broadcast).append(x)
        if not keeps_tasks_apart(eqn, self.tasks):
            raise _NotSeparable
        self.along.add(eqn)


def _read_by(given: tuple[Equation, ...], outputs: tuple[Equation, ...]) -> tuple[Equation, ...]:
    """Those of the given equations that the outputs are computed from."""
    read = {*outputs}
    for eqn in program_of(outputs, given).equations:
        if eqn not in given:
            read.update(eqn.inputs)
    return _unique(x for x in given if x in read)


def _unique(equations: Iterable[Equation]) -> tuple[Equation, ...]:
    """Each once, in order."""
    return tuple(dict.fromkeys(equations))


def _broadcasts_over_tasks(eqn: Equation, tasks: int) -> bool:
    """Does this equation repeat a value for each task?"""
    if eqn.op != "broadcast_to" or not eqn.shape or eqn.shape[0] != tasks:
        return False
    (x,) = eqn.inputs
    return x.ndim < eqn.ndim or x.shape[0] == 1


def has_task_axis(eqn: Equation, x: Equation, along: Equation) -> bool:
    """Is `x`, computed from no task, as long as the tasks? Then a chunk gets its part of it."""
    return eqn.op != "broadcast_to" and bool(x.shape) and x.shape[0] == along.shape[0]


def keeps_tasks_apart(eqn: Equation, tasks: int) -> bool:
    """Does each task's part of the result depend on that task's part of the operands only?"""
    x, static = eqn.inputs[0], eqn.static
    primitive = registry.get(eqn.op)
    elementwise = primitive is not None and primitive.text is not None or eqn.op == "astype"
    if elementwise:
        return all(not y.shape or y.shape[0] == eqn.shape[0] for y in eqn.inputs)
    if eqn.op == "reshape":
        return bool(eqn.shape) and eqn.shape[0] % tasks == 0
    if eqn.op == "broadcast_to":
        return eqn.ndim == x.ndim and eqn.shape[0] == x.shape[0]
    if eqn.op == "transpose":
        return static["axes"][0] == 0
    if eqn.op in ("sum", "max", "argmax", "flip"):
        return 0 not in static["axes"]
    if eqn.op == "slice":
        return static["slices"][0] == slice(0, x.shape[0], 1)
    if eqn.op == "pad":
        return tuple(static["widths"][0]) == (0, 0, 0)
    if eqn.op == "concatenate":
        return static["axis"] != 0 and all(y.shape[0] == x.shape[0] for y in eqn.inputs)
    if eqn.op in ("matmul", "take_along", "scatter_add_along"):
        return x.ndim > 2 and all(y.shape[0] == x.shape[0] for y in eqn.inputs)
    windows = ("to_cols", "from_cols", "window_argmax")
    return eqn.op in windows and eqn.shape[0] % tasks == 0
