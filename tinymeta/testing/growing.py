"""A program while it grows: what its values are, and what keeps them tame.

Values are computed line by line, so it is known what would leave a domain, grow large or stand on a
kink: an operation put in between keeps it from that. A line that cannot be had raises `Unfit`.
"""

import math
from typing import NamedTuple

import numpy as np

from ..core.tensor import asarray
from .program import Line, Program, run

LARGEST, SMALLEST = 8.0, 1e-3  # sizes between which the largest entry of a value stays
POSITIVE = 0.125  # what has to be positive is not below this
GAP = 1 / 32  # and this is far from a kink
MOST_ENTRIES, MOST_AXES, MOST_INPUTS = 72, 6, 4


class Step(NamedTuple):
    """An operation; how many values before the newest its operands lie; a number for the rest."""

    op: str
    back: int
    other: int
    seed: int


class Unfit(Exception):
    """The operation asked for does not fit here."""


class Growing:
    """Shapes here are those of one task; with `tasks`, arrays have that leading axis before."""

    def __init__(self, tasks: int | None, seed: int):
        self.tasks, self.seed = tasks, seed
        self.lead = () if tasks is None else (tasks,)
        self.inputs, self.lines, self.values = {}, [], {}

    def program(self) -> Program:
        return Program(dict(self.inputs), tuple(self.lines), self.tasks)

    def forget(self, before: Program) -> None:
        """Back to what it was before."""
        self.inputs, self.lines = dict(before.inputs), list(before.lines)
        kept = {*self.inputs, *(line.result for line in self.lines)}
        self.values = {name: x for name, x in self.values.items() if name in kept}

    # ---- what there is --------------------------------------------------------------------------

    def shape(self, name: str) -> tuple:
        return self.values[name].shape[len(self.lead) :]

    def pick(self, back: int) -> str:
        """The floating value `back` before the newest, counted round and round."""
        floats = [name for name, x in self.values.items() if x.dtype.kind == "f"]
        return floats[-1 - back % len(floats)]

    def beside(self, x: str, back: int) -> str:
        """A value that broadcasts with `x`: the one `back`, or else a new input."""
        y = self.pick(back)
        pairs = zip(self.shape(x)[::-1], self.shape(y)[::-1])
        aligned = self.tasks is None or len(self.shape(x)) == len(self.shape(y))
        if aligned and all(n == m or 1 in (n, m) for n, m in pairs):
            return y
        return self.input(self.shape(x))

    def alike(self, x: str, back: int) -> str:
        """A value of the shape of `x`."""
        y = self.pick(back)
        return y if self.shape(y) == self.shape(x) else self.input(self.shape(x))

    # ---- what is added --------------------------------------------------------------------------

    def input(self, shape: tuple, below: int | None = None) -> str:
        """A new input: floats, coarse and without ties in all inputs; or integers, if `below`."""
        number = len(self.inputs)
        shape = (*self.lead, *shape)
        size = math.prod(shape)
        if number == MOST_INPUTS or not 0 < size <= MOST_ENTRIES:
            raise Unfit
        order = np.arange(size)
        if self.seed:  # seed 0, to which it shrinks, is in order
            order = np.random.default_rng([self.seed, number]).permutation(order)
        flat = order % below if below else (order - size // 2) / 8 + (number + 1) / 32
        name = f"x{number}"
        self.inputs[name] = self.values[name] = flat.reshape(shape)
        return name

    def put(self, op: str, *operands, low: float = -math.inf, **static) -> str:
        """A new line; the name of its value, or of a multiple of that if it is large."""
        line = Line(f"v{len(self.lines) + 1}", op, operands, static)
        values = {name: asarray(x) for name, x in self.values.items()}
        value = run([line], values)[line.result].numpy()
        self.lines.append(line)
        self.values[line.result] = value
        if not 0 < value.size <= MOST_ENTRIES or value.ndim > MOST_AXES:
            raise Unfit
        if value.dtype.kind != "f":
            return line.result
        if not np.isfinite(value).all():
            raise FloatingPointError(f"an operation made what is not finite:\n{self.program()}")
        size = np.abs(value).max()
        if value.min() < low or 0 < size < SMALLEST:  # what vanishes is lost in rounding
            raise Unfit
        return line.result if size <= LARGEST else self.put("mul", line.result, 0.125)

    # ---- what is put in between ------------------------------------------------------------------

    def positive(self, x: str) -> str:
        if self.values[x].min() >= POSITIVE:
            return x
        return self.put("add", self.put("softplus", x), POSITIVE)

    def bounded(self, x: str) -> str:
        return x if np.abs(self.values[x]).max() <= 2 else self.put("tanh", x)

    def off(self, x: str, kink: str | float = 0.0) -> str:
        """`x`, shifted if an entry is near to the kink."""
        gaps = self.values[x] - (self.values[kink] if isinstance(kink, str) else kink)
        if np.abs(gaps).min() >= GAP:
            return x
        shifts = sorted((0.0625 + k / 8 for k in range(-8, 8)), key=abs)
        return self.put("add", x, max(shifts, key=lambda s: min(np.abs(gaps + s).min(), GAP)))

    def image(self, x: str) -> str:
        """`x` as images (N, H, W, C), square where that is possible."""
        shape = self.shape(x)
        if len(shape) == 4:
            return x
        size = math.prod(shape)
        channels = 2 if size % 2 == 0 else 1
        width = max(
            n for n in range(1, math.isqrt(size // channels) + 1) if size // channels % n == 0
        )
        return self.reshape(x, (1, size // channels // width, width, channels))

    def reshape(self, x: str, shape: tuple) -> str:
        return self.put("reshape", x, (*(-1 for _ in self.lead), *shape))
