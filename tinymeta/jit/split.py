"""Splitting: the tasks of a batch in chunks, which threads can take; found in any program.

Tasks are a leading axis that nothing mixes until a sum ends it. So lines are of three kinds: before
the tasks (parameters), along the tasks, and after them (what is made of sums over all). The middle
is a program for some of the tasks, run once for each chunk, and the sums of its sums are the sums.
Whoever takes a chunk gets arrays and returns arrays: a thread here, it might be a machine.
"""

from typing import NamedTuple

from ..core.primitive import registry
from .program import Builder, Line, Program, ordered
from .views import VIEWS

RATES = 5e10, 1e10  # operations of a product, bytes of a loop: about so many a second


class Split(NamedTuple):
    """A program in three: what is handed over is named by the original program's lines."""

    tasks: int
    before: Program  # inputs -> `shared` that are no inputs
    shared: tuple[Line, ...]  # what every chunk gets whole
    sliced: tuple[Line, ...]  # what it gets its tasks of
    totals: tuple[Line, ...]  # what its results are added up to
    joined: tuple[Line, ...]  # what they are put together to, task by task
    needed: tuple[Line, ...]  # what the rest is made of: inputs and totals
    rest: tuple[Line, ...]  # outputs that are neither joined, nor totals, nor inputs
    after: Program  # needed -> rest
    whole: Program

    def chunk(self, size: int) -> Program:
        """The middle, for so many tasks: sliced and shared -> totals and joined."""

        def shape(x):
            return (x.shape[0] // self.tasks * size, *x.shape[1:])

        def static(line):
            sized = "shape" in line.static and line not in self.totals
            return {**line.static, "shape": shape(line)} if sized else line.static

        return begun_at(
            (*self.totals, *self.joined),
            (*self.sliced, *self.shared),
            lambda x: shape(x) if x in self.sliced else x.shape,
            static,
        )


def begun_at(outputs, inputs, shape=lambda x: x.shape, static=lambda line: line.static) -> Program:
    """The program that makes the outputs of these lines, which are inputs now, perhaps resized."""
    make, new = Builder(), {x: Line("input", (), {}, shape(x), x.dtype) for x in inputs}
    for line in ordered(outputs, inputs).lines:
        if line not in new:
            new[line] = make(line.op, tuple(new[x] for x in line.inputs), static(line), line)
    return ordered([new[y] for y in outputs], [new[x] for x in inputs])


class Mixed(Exception):
    """Something mixes the tasks, or needs all of them before it goes on."""


def split(program: Program) -> Split | None:
    """The program in three, along that leading axis of inputs that the most work is done along.

    None if that is not most of all the work.
    """
    sizes = unique(x.shape[0] for x in program.inputs if x.shape and x.shape[0] > 1)
    best, most = None, 0.5 * sum(map(work, program.lines))
    for tasks in sizes:
        try:
            found = along(program, tasks)
        except Mixed:
            continue
        middle = ordered((*found.totals, *found.joined), (*found.sliced, *found.shared))
        done = sum(map(work, middle.lines))
        if done > most:
            best, most = found, done
    return best


def work(line: Line) -> float:
    """About how many seconds a line takes, from its operations and its bytes."""
    operations = 2 * line.size * line.inputs[0].shape[-1] if line.op == "matmul" else 0
    return operations / RATES[0] + line.nbytes * (line.op not in VIEWS) / RATES[1]


def along(program: Program, tasks: int) -> Split:
    """Follow the tasks through the program; raises Mixed where they meet too early."""
    spread = {
        line.inputs[0]
        for line in program.lines
        if line.op == "broadcast_to" and line.ndim > line.inputs[0].ndim
    }
    seeds = {x for x in program.inputs if x.shape and x.shape[0] == tasks and x not in spread}
    if not seeds:
        raise Mixed
    split, totals, late, shared, sliced = set(seeds), [], set(), [], []
    for line in program.lines:
        if line in split or line.op in ("input", "constant"):
            continue
        ours = [x for x in line.inputs if x in split]
        if not ours:
            if any(x in late for x in line.inputs):
                late.add(line)
            elif repeats(line, tasks):
                split.add(line)
                shared += line.inputs
            continue
        if any(x in late for x in line.inputs):
            raise Mixed
        if line.op == "sum" and 0 in line.static["axes"]:
            totals.append(line)
            late.add(line)
            continue
        for x in line.inputs:
            if x not in split:
                (sliced if beside(line, x, ours[0]) else shared).append(x)
        if not keeps(line, tasks):
            raise Mixed
        split.add(line)
    sliced = unique([*(x for x in program.inputs if x in seeds), *sliced])
    shared = unique(x for x in shared if x.op != "constant")
    joined = unique(y for y in program.outputs if y in split)
    inputs = program.inputs
    handed = tuple(x for x in (*shared, *sliced) if x not in inputs and x.op != "constant")
    rest = unique(y for y in program.outputs if y not in split and y not in (*totals, *inputs))
    needed = used((*inputs, *totals), rest)
    return Split(
        tasks,
        ordered(handed, inputs),
        shared,
        sliced,
        tuple(totals),
        joined,
        needed,
        rest,
        begun_at(rest, needed),
        program,
    )


def used(given: tuple[Line, ...], outputs: tuple[Line, ...]) -> tuple[Line, ...]:
    """Those of the given lines that the outputs are made of."""
    lines = ordered(outputs, given).lines
    read = {x for line in lines if line not in given for x in line.inputs} | {*outputs}
    return unique(x for x in given if x in read)


def unique(lines) -> tuple[Line, ...]:
    return tuple(dict.fromkeys(lines))


def repeats(line: Line, tasks: int) -> bool:
    """Is it the same for each task, and made so by this line?"""
    if line.op != "broadcast_to" or not line.shape or line.shape[0] != tasks:
        return False
    (x,) = line.inputs
    return x.ndim < line.ndim or x.shape[0] == 1


def beside(line: Line, x: Line, ours: Line) -> bool:
    """Does an operand that depends on no task have a place for each of them all the same?"""
    return line.op != "broadcast_to" and bool(x.shape) and x.shape[0] == ours.shape[0]


def keeps(line: Line, tasks: int) -> bool:
    """Does the line leave each task, a part of the leading axis, to itself?"""
    (x, *_), static = line.inputs, line.static
    primitive = registry.get(line.op)
    if primitive is not None and primitive.text is not None or line.op == "astype":
        return all(not y.shape or y.shape[0] == line.shape[0] for y in line.inputs)
    if line.op == "reshape":
        return bool(line.shape) and line.shape[0] % tasks == 0
    if line.op == "broadcast_to":
        return line.ndim == x.ndim and line.shape[0] == x.shape[0]
    if line.op == "transpose":
        return static["axes"][0] == 0
    if line.op in ("sum", "max", "argmax", "flip"):
        return 0 not in static["axes"]
    if line.op == "slice":
        return static["slices"][0] == slice(0, x.shape[0], 1)
    if line.op == "pad":
        return tuple(static["widths"][0]) == (0, 0, 0)
    if line.op == "concatenate":
        return static["axis"] != 0 and all(y.shape[0] == x.shape[0] for y in line.inputs)
    if line.op in ("matmul", "take_along", "scatter_add_along"):
        return x.ndim > 2 and all(y.shape[0] == x.shape[0] for y in line.inputs)
    return line.op in ("to_cols", "from_cols", "window_argmax") and line.shape[0] % tasks == 0
