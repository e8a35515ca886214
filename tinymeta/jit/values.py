"""What the values of a traced program are like, for `explain(.., values=True)`.

In: the traced program and arrays for its inputs. Out: of each equation its least, mean and greatest
element, and which share of them is zero, infinite and NaN: dead units, a gradient that vanishes, or
the equation in which a NaN first appears. Every equation is run once by itself, on the CPU, as
eager mode would; a value is let go when nothing reads it any more. Cost: that of an eager call.
"""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from ..core.device import move
from ..core.primitive import registry, run_eagerly
from ..core.scope import setting
from .program import Equation, Program


class ValueStatistics(NamedTuple):
    """Of the elements of one value; str() says it in words.

    least, mean, greatest: of those that are finite; NaN if none is. zeros, infinities, nans: their
    shares of all elements, from 0 to 1.
    """

    least: float
    mean: float
    greatest: float
    zeros: float
    infinities: float
    nans: float

    def __str__(self) -> str:
        sizes = f"min {self.least:.4g}, mean {self.mean:.4g}, max {self.greatest:.4g}"
        shares = {"zero": self.zeros, "infinite": self.infinities, "NaN": self.nans}
        parts = [f"{100 * share:.3g} % {what}" for what, share in shares.items() if share]
        is_finite = self.mean == self.mean
        return ", ".join([sizes, *parts] if is_finite else parts or ["no elements"])


def value_statistics(program: Program, arrays: list) -> dict[Equation, ValueStatistics]:
    """Of each equation of a program as it was traced. arrays: for its inputs, in order."""
    readers = Counter(x for eqn in program.equations for x in eqn.inputs)
    values: dict[Equation, Any] = {
        x: move(array, "cpu") for x, array in zip(program.inputs, arrays)
    }
    found = {}
    with setting(device="cpu"), np.errstate(all="ignore"):
        for eqn in program.equations:
            if eqn.op == "constant":
                values[eqn] = eqn.static["value"]
            elif eqn.op != "input":
                inputs = [values[x] for x in eqn.inputs]
                values[eqn] = run_eagerly(registry[eqn.op], inputs, eqn.static)
            found[eqn] = _statistics_of(values[eqn])
            for x in eqn.inputs:
                readers[x] -= 1
                if not readers[x]:
                    values.pop(x, None)
    return found


def _statistics_of(array: np.ndarray) -> ValueStatistics:
    """Of an array of any dtype."""
    if not array.size:
        return ValueStatistics(np.nan, np.nan, np.nan, 0.0, 0.0, 0.0)
    x = np.asarray(array, np.float64)
    finite = x[np.isfinite(x)]
    sizes = [np.nan] * 3
    if finite.size:
        sizes = [float(of(finite)) for of in (np.min, np.mean, np.max)]
    shares = [float(np.mean(which)) for which in (x == 0, np.isinf(x), np.isnan(x))]
    return ValueStatistics(*sizes, *shares)
