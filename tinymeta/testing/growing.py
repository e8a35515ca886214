"""A random program while it grows, and what keeps its values tame.

Invariant: all values are finite, of at most `_MOST_ENTRIES` entries, all but those about to be
scaled at most `_LARGEST`, and no operation has an operand outside its domain or within `_GAP` of
its kink. So differences can decide every derivative. Each statement is computed as it is added, so
it is known when one would break the invariant, and an operation is put in between. To draw whole
programs and to throw away those that are not tame would leave hardly any of more than a few
operations. What cannot be had at all raises `Rejected`, and the program is restored.

Cost: one evaluation of each statement, all arrays being small.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ..core.tensor import asarray
from .program import RandomProgram, Statement, run_statements

_LARGEST, SMALLEST = 8.0, 1e-3  # sizes between which the largest entry of a value stays
POSITIVE = 0.125  # what has to be positive is not below this
_GAP = 1 / 32  # from a kink
_MOST_ENTRIES, _MOST_AXES, _MOST_INPUTS = 72, 6, 4


class Step(NamedTuple):
    """An operation; how many values before the newest its operands lie; a seed for the rest."""

    op: str
    back: int
    other: int
    seed: int


class Rejected(Exception):
    """The operation asked for cannot be applied here."""


class GrowingProgram:
    """A random program under construction: its inputs and statements, and all values so far.

    Shapes here are those of one task; with `tasks`, arrays have that leading axis as well. seed: of
    the entries of inputs.
    """

    def __init__(self, tasks: int | None, seed: int):
        self.tasks, self.seed = tasks, seed
        self.task_axis = () if tasks is None else (tasks,)
        self.inputs: dict[str, np.ndarray] = {}
        self.statements: list[Statement] = []
        self.values: dict[str, np.ndarray] = {}

    def program(self) -> RandomProgram:
        return RandomProgram(dict(self.inputs), tuple(self.statements), self.tasks)

    def restore(self, before: RandomProgram) -> None:
        """Become what it was before."""
        self.inputs = dict(before.inputs)
        self.statements = list(before.statements)
        kept = {*self.inputs, *(s.result for s in self.statements)}
        self.values = {name: x for name, x in self.values.items() if name in kept}

    # ---- what there is --------------------------------------------------------------------------

    def shape(self, name: str) -> tuple[int, ...]:
        return self.values[name].shape[len(self.task_axis) :]

    def pick(self, back: int) -> str:
        """The floating value `back` before the newest, counted round and round."""
        floats = [name for name, x in self.values.items() if x.dtype.kind == "f"]
        return floats[-1 - back % len(floats)]

    def broadcasting_with(self, x: str, back: int) -> str:
        """A value that broadcasts with `x`: the one `back`, or else a new input."""
        y = self.pick(back)
        x_shape, y_shape = self.shape(x), self.shape(y)
        aligned = self.tasks is None or len(x_shape) == len(y_shape)
        sides = zip(x_shape[::-1], y_shape[::-1])
        broadcasts = all(n == m or 1 in (n, m) for n, m in sides)
        if aligned and broadcasts:
            return y
        return self.new_input(x_shape)

    def same_shape_as(self, x: str, back: int) -> str:
        """A value of the shape of `x`: the one `back`, or else a new input."""
        y = self.pick(back)
        shape = self.shape(x)
        if self.shape(y) == shape:
            return y
        return self.new_input(shape)

    # ---- what is added --------------------------------------------------------------------------

    def new_input(self, shape: tuple, below: int | None = None) -> str:
        """A new input: floats, coarse and without ties in all inputs; or integers, if `below`."""
        number = len(self.inputs)
        shape = (*self.task_axis, *shape)
        size = math.prod(shape)
        if number == _MOST_INPUTS or not 0 < size <= _MOST_ENTRIES:
            raise Rejected
        order = np.arange(size)
        if self.seed:  # seed 0, to which it shrinks, is in order
            order = np.random.default_rng([self.seed, number]).permutation(order)
        if below:
            flat = order % below
        else:
            flat = (order - size // 2) / 8 + (number + 1) / 32
        name = f"x{number}"
        self.inputs[name] = self.values[name] = flat.reshape(shape)
        return name

    def add(self, op: str, *operands: Any, low: float = -math.inf, **static: Any) -> str:
        """Add a statement; the name of its value, or of a multiple of that if it is large.

        low: what no entry may be below.
        """
        statement = Statement(f"v{len(self.statements) + 1}", op, operands, static)
        before = {name: asarray(x) for name, x in self.values.items()}
        name = statement.result
        value = run_statements([statement], before)[name].numpy()
        self.statements.append(statement)
        self.values[name] = value
        if not 0 < value.size <= _MOST_ENTRIES or value.ndim > _MOST_AXES:
            raise Rejected
        if value.dtype.kind != "f":
            return name
        if not np.isfinite(value).all():
            raise FloatingPointError(f"an operation made what is not finite:\n{self.program()}")
        size = np.abs(value).max()
        if value.min() < low or 0 < size < SMALLEST:  # what vanishes is lost in rounding
            raise Rejected
        return name if size <= _LARGEST else self.add("mul", name, 0.125)

    # ---- what is put in between ------------------------------------------------------------------

    def positive(self, x: str) -> str:
        """`x` if it is positive, else its softplus."""
        if self.values[x].min() >= POSITIVE:
            return x
        return self.add("add", self.add("softplus", x), POSITIVE)

    def bounded(self, x: str) -> str:
        """`x` if it is at most 2, else its tanh."""
        largest = np.abs(self.values[x]).max()
        return x if largest <= 2 else self.add("tanh", x)

    def away_from(self, x: str, kink: str | float = 0.0) -> str:
        """`x`, shifted if an entry is near to the kink: by the least that is far enough."""
        at = self.values[kink] if isinstance(kink, str) else kink
        gaps = self.values[x] - at
        if np.abs(gaps).min() >= _GAP:
            return x
        shifts = [0.0625 + k / 8 for k in range(-8, 8)]

        def gap_after(shift: float) -> float:
            return min(np.abs(gaps + shift).min(), _GAP)

        best = max(sorted(shifts, key=abs), key=gap_after)  # of those as good the shortest
        return self.add("add", x, best)

    def image(self, x: str) -> str:
        """`x` as images (N, H, W, C), square where that is possible."""
        shape = self.shape(x)
        if len(shape) == 4:
            return x
        size = math.prod(shape)
        channels = 2 if size % 2 == 0 else 1
        pixels = size // channels
        sides = range(1, math.isqrt(pixels) + 1)
        width = max(n for n in sides if pixels % n == 0)
        return self.reshape(x, (1, pixels // width, width, channels))

    def reshape(self, x: str, shape: tuple) -> str:
        """`x` in another shape, which does not name the number of tasks."""
        of_tasks = [-1 for _ in self.task_axis]
        return self.add("reshape", x, (*of_tasks, *shape))
