"""Following the tasks through a program: what each equation is to them.

In: a simplified program and a number of tasks. Out: a `TaskRoles`. Tasks are a leading axis that
nothing mixes until a sum over it; after a reshape (T, N, ..) -> (T N, ..) it may be a multiple of
T. Equations, in the program's order, are

    before     independent of the tasks                     w2 = exp(w)
    repeated   the same for each task, wherever it is read  w3 = broadcast_to(w2, (tasks, ..))
    along      one value for each task                      y = tanh(x @ w3)      (tasks, ..)
    partial    a sum over the tasks, and sums of those      total = sum(y, axis 0)
    after      made of sums over the tasks                  loss = total / tasks

Which inputs have tasks, the seeds, is a guess: all whose leading axis is as long. A parameter or a
moment of Adam may be so by chance. Then it leads to a contradiction: an equation mixes its rows, or
needs them together with a sum over the tasks. Of the guesses that contradict each other the one
with the least work behind it is taken back, and the program is followed again.

Invariant: a chunk of tasks can be computed from its rows of `mapped` and from `broadcast`; so a
wrong guess costs time, never a wrong value. Cost: O(n) for each time that guesses are taken back,
which is once for all that contradict one another, and O(seeds) times at most.

Why not ask the user which arguments have tasks: a leading size is all that there is to know, and
the proof would still be needed.
"""

from typing import NamedTuple

from ..core.primitive import registry
from .program import Equation, Program
from .views import VIEWS

# Rough rates for `estimated_seconds`: operations a second of a product, bytes a second of a loop.
PRODUCT_RATE, LOOP_RATE = 5e10, 1e10
_FACTORS = ("cholesky", "lu", "triangular_solve")
_LINEAR = {"add", "sub", "neg"}  # of partial sums they are partial sums, and no larger


class NotSeparable(Exception):
    """The tasks are not independent; the message is the reason, a clause.

    seconds: the work that would have been done task by task.
    """

    def __init__(self, reason: str, seconds: float = 0.0):
        super().__init__(reason)
        self.seconds = seconds


class _Contradiction(NamedTuple):
    """An equation that cannot be; one of `guesses`, sets of seeds, has to be wrong."""

    reason: str
    guesses: list[frozenset[Equation]]


def estimated_seconds(eqn: Equation) -> float:
    """About how long an equation takes, from its operations and its bytes; inputs are there."""
    if eqn.op in VIEWS or eqn.op in ("input", "constant"):
        return 0.0
    has_products = eqn.op in ("matmul", *_FACTORS)
    operations = 2 * eqn.size * eqn.inputs[0].shape[-1] if has_products else 0
    return operations / PRODUCT_RATE + eqn.nbytes / LOOP_RATE


def follow_tasks(program: Program, tasks: int) -> "TaskRoles":
    """The roles of all equations for so many tasks; raises NotSeparable."""
    seeds = _inputs_with_tasks(program, tasks)
    if not seeds:
        raise NotSeparable(f"no input has {tasks} tasks")
    first = roles = TaskRoles(program, tasks, seeds)
    while roles.contradictions:
        wrong = roles.least_guesses()
        if wrong >= roles.seeds:
            hoped_for = first.along.keys() | first.impossible
            seconds = sum(map(estimated_seconds, hoped_for))
            raise NotSeparable(roles.contradictions[0].reason, seconds)
        roles = TaskRoles(program, tasks, roles.seeds - wrong)
    return roles


def _inputs_with_tasks(program: Program, tasks: int) -> frozenset[Equation]:
    """Inputs whose leading axis has this length and is not broadcast to more axes."""
    read_whole = {
        eqn.inputs[0]
        for eqn in program.equations
        if eqn.op == "broadcast_to" and eqn.ndim > eqn.inputs[0].ndim
    }
    long = [x for x in program.inputs if x.shape and x.shape[0] == tasks]
    return frozenset(x for x in long if x not in read_whole)


class TaskRoles:
    """What each equation is to the tasks, if `seeds` are the inputs that have them.

    along, after: by equation, the seeds that it depends on. repeated, partial: sets of equations.
    pulled: the repeated equations that equations along the tasks read.
    mapped, broadcast: what both kinds read of the others, by rows and whole.
    contradictions: empty if the seeds can be right. impossible: equations in one, or made of such.
    """

    def __init__(self, program: Program, tasks: int, seeds: frozenset[Equation]):
        self.program, self.tasks, self.seeds = program, tasks, seeds
        self.along = {x: frozenset([x]) for x in program.inputs if x in seeds}
        self.after: dict[Equation, frozenset[Equation]] = {}
        self.partial: set[Equation] = set()
        self.repeated: set[Equation] = set()
        self.pulled: set[Equation] = set()
        self.mapped: dict[Equation, None] = {}
        self.broadcast: dict[Equation, None] = {}
        self.contradictions: list[_Contradiction] = []
        self.impossible: set[Equation] = set()
        for eqn in program.equations:
            if eqn not in seeds and eqn.op not in ("input", "constant"):
                self._classify(eqn)

    @property
    def middle(self) -> tuple[Equation, ...]:
        """What is computed in chunks, in order; the seeds are not."""
        inside = (self.along.keys() | self.pulled | self.partial) - self.seeds
        return tuple(eqn for eqn in self.program.equations if eqn in inside)

    @property
    def reduced(self) -> tuple[Equation, ...]:
        """The partial sums that something else than partial sums needs, in order."""
        needed = {y for y in self.program.outputs if y in self.partial}
        for eqn in self.program.equations:
            if eqn not in self.partial:
                needed.update(x for x in eqn.inputs if x in self.partial)
        return tuple(y for y in self.program.equations if y in needed)

    def _classify(self, eqn: Equation) -> None:
        """Find the role of an equation from those of its inputs."""
        along = [x for x in eqn.inputs if x in self.along]
        after = [x for x in eqn.inputs if x in self.after]
        if any(x in self.impossible for x in eqn.inputs):
            self.impossible.add(eqn)
        elif along and after:
            guesses = [_union(self.along, along), _union(self.after, after)]
            self._contradict(eqn, "needs a sum over them first", guesses)
        elif after:
            self.after[eqn] = _union(self.after, after)
            if eqn.op in _LINEAR and self.partial.issuperset(eqn.inputs):
                self.partial.add(eqn)
        elif along and eqn.op == "sum" and 0 in eqn.static["axes"]:
            self.after[eqn] = _union(self.along, along)
            self.partial.add(eqn)
        elif along and not keeps_tasks_apart(eqn, self.tasks):
            self._contradict(eqn, "mixes them", [self.along[x] for x in along])
        elif along:
            self.along[eqn] = _union(self.along, along)
            self._pull_operands(eqn)
        elif self._is_repeated(eqn):
            self.repeated.add(eqn)

    def _contradict(self, eqn: Equation, what: str, guesses: list[frozenset[Equation]]) -> None:
        self.impossible.add(eqn)
        place = f" ({eqn.origin.location})" if eqn.origin.location else ""
        reason = f"{eqn.op} -> {eqn.dtype}{eqn.shape}{place} {what}"
        self.contradictions.append(_Contradiction(reason, guesses))

    def _is_repeated(self, eqn: Equation) -> bool:
        """Has it rows that are the same for each task? Then it can be computed in each chunk."""
        if repeats_for_tasks(eqn, self.tasks):
            return True
        if not any(x in self.repeated for x in eqn.inputs):
            return False
        return keeps_tasks_apart(eqn, self.tasks)

    def _pull_operands(self, eqn: Equation) -> None:
        """What an equation along the tasks reads of the others; what is repeated comes along."""
        stack = [eqn]
        while stack:
            reader = stack.pop()
            for x in reader.inputs:
                if x in self.along:
                    continue
                if repeats_for_tasks(reader, self.tasks):
                    self.broadcast[x] = None
                elif x in self.repeated:
                    if x not in self.pulled:
                        self.pulled.add(x)
                        stack.append(x)
                elif _has_task_axis(reader, x):
                    self.mapped[x] = None
                else:
                    self.broadcast[x] = None

    def least_guesses(self) -> frozenset[Equation]:
        """The seeds to take back: of each contradiction the guess with the least work behind it."""
        work: dict[Equation, float] = dict.fromkeys(self.seeds, 0.0)
        for eqn, seeds in self.along.items():
            for x in seeds:
                work[x] += estimated_seconds(eqn)
        wrong: frozenset[Equation] = frozenset()
        for contradiction in self.contradictions:
            if any(guess & wrong for guess in contradiction.guesses):
                continue  # it may be over once those are taken back
            wrong |= min(contradiction.guesses, key=lambda guess: sum(work[x] for x in guess))
        return wrong


def _union(seeds_of: dict[Equation, frozenset], equations: list[Equation]) -> frozenset[Equation]:
    """All seeds that some equations depend on."""
    first, *others = (seeds_of[x] for x in equations)
    return first.union(*others) if others else first


def repeats_for_tasks(eqn: Equation, tasks: int) -> bool:
    """Does this equation repeat a value for each task?"""
    if eqn.op != "broadcast_to" or not eqn.shape or eqn.shape[0] != tasks:
        return False
    (x,) = eqn.inputs
    return x.ndim < eqn.ndim or x.shape[0] == 1


def _has_task_axis(eqn: Equation, x: Equation) -> bool:
    """Has `x`, computed from no task, the rows of `eqn`, which reads it? A chunk gets its part."""
    return bool(x.shape) and x.shape[0] == max(y.shape[0] for y in eqn.inputs if y.shape)


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
    if eqn.op in ("conv", "conv_input", "conv_weight"):  # of a GPU; lower.py takes them away else
        return all(y.shape[0] == eqn.shape[0] for y in eqn.inputs)
    if eqn.op in ("matmul", "take_along", "scatter_add_along", *_FACTORS):
        return x.ndim > 2 and all(y.shape[0] == x.shape[0] for y in eqn.inputs)
    windows = ("to_cols", "from_cols", "window_argmax", "window_places")
    return eqn.op in windows and eqn.shape[0] % tasks == 0
