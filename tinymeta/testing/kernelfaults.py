"""Faults in kernels: each kernel broken in every way that kernels go wrong; the checks must fail.

A kernel `kernel(out, *arrays, **static)` may leave a part of `out` as it was, add to what is there,
read memory where it should follow strides, write into its inputs, or be right in float64 alone. For
each fault, `check_primitive` on the cases of the operation's strategy must fail. A fault
that it does not notice shows a case that is never drawn or a check that cannot fail.

Each function below takes a right kernel and returns a wrong one.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
from hypothesis import Phase

from ..core.device import find_kernel
from ..core.primitive import Primitive, registry
from . import primitives
from .mutation import cases_of
from .primitives import check_primitive

EXAMPLES = 15  # the budget within which a fault has to be noticed


def _skips_last(kernel: Callable) -> Callable:
    """Leaves the last element of `out` as it was."""

    def broken(out, *xs, **static):
        if not out.size:
            return kernel(out, *xs, **static)
        last = (*(n - 1 for n in out.shape),)
        before = out[last].copy()
        kernel(out, *xs, **static)
        out[last] = before

    return broken


def _accumulates(kernel: Callable) -> Callable:
    """Adds to what is in `out`."""

    def broken(out, *xs, **static):
        before = out.copy()
        kernel(out, *xs, **static)
        out[...] = np.logical_or(out, before) if out.dtype == bool else out + before

    return broken


def _ignores_strides(kernel: Callable) -> Callable:
    """Reads, of each input, the elements that follow its first one in memory."""

    def dense(x):
        base = x
        while isinstance(base.base, np.ndarray):
            base = base.base
        start = x.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        flat = base.reshape(-1, order="A").view(x.dtype)[start // x.itemsize :]
        return np.resize(flat, x.shape) if flat.size else x

    return lambda out, *xs, **static: kernel(out, *map(dense, xs), **static)


def _writes_inputs(kernel: Callable) -> Callable:
    """Adds 1 to each float input."""

    def broken(out, *xs, **static):
        kernel(out, *xs, **static)
        for x in xs:
            if x.flags.writeable and x.dtype.kind == "f":
                x[...] = x + 1

    return broken


def _wrong_in_float32(kernel: Callable) -> Callable:
    """Is off by a tenth of a percent in float32."""

    def broken(out, *xs, **static):
        kernel(out, *xs, **static)
        if out.dtype == np.float32:
            out *= np.float32(1.001)

    return broken


FAULTS: dict[str, Callable] = {
    "the last element is left out": _skips_last,
    "adds to what is there": _accumulates,
    "follows memory, not strides": _ignores_strides,
    "writes into its inputs": _writes_inputs,
    "wrong in float32": _wrong_in_float32,
}


@contextmanager
def planted(op: Primitive, fault: str) -> Iterator[Primitive]:
    """The operation, with a fault in its CPU kernel for a `with` block; fault: a key of FAULTS."""
    right = find_kernel(op, "cpu")
    op.kernels["cpu"] = FAULTS[fault](right)
    try:
        yield op
    finally:
        op.kernels["cpu"] = right


def noticed(op: Primitive, fault: str, examples: int = EXAMPLES) -> bool:
    """Does `check_primitive` raise an AssertionError for the operation with this fault?

    Any other error is that of a fault that cannot be planted, and is raised.
    The case that shows it is not made smaller: nobody will read it.
    """
    with planted(op, fault), patch.object(primitives, "PHASES", (Phase.generate,)):
        try:
            check_primitive(op, order=1, devices=("cpu",), examples=examples)
        except AssertionError:
            return True
    return False


def planned(names: Iterable[str] | None = None) -> list[tuple[Primitive, str]]:
    """(operation, fault) for all faults that can be planted; of all operations without names.

    Views have no kernel that fills `out`.
    """
    ops = [registry[name] for name in names or sorted(registry)]
    return [(op, fault) for op in ops if not op.view for fault in FAULTS if _applies(op, fault)]


def _applies(op: Primitive, fault: str) -> bool:
    """Can it have the fault? Only what returns floats can be wrong in float32 alone."""
    return fault != "wrong in float32" or _returns_floats(op)


def _returns_floats(op: Primitive) -> bool:
    """Does the operation return floats of its inputs' dtype?"""
    (inputs, static), *_ = cases_of(op, 1)
    return np.dtype(op.shape(*inputs, **static)[1]).kind == "f" and "dtype" not in static


def survivors(
    names: Iterable[str] | None = None, examples: int = EXAMPLES
) -> list[tuple[str, str]]:
    """(name of the operation, fault) for each fault that goes unnoticed."""
    return [(op.name, fault) for op, fault in planned(names) if not noticed(op, fault, examples)]


def table(names: Iterable[str] | None = None, examples: int = EXAMPLES) -> str:
    """A line for each fault: how often it was planted and noticed; then those that were not."""
    names = None if names is None else list(names)
    every, alive = planned(names), survivors(names, examples)
    lines = [f"{'fault in a kernel':34}{'planted':>9}{'noticed':>9}"]
    for fault in FAULTS:
        count, left = sum(f == fault for _, f in every), sum(f == fault for _, f in alive)
        lines.append(f"{fault:34}{count:9}{count - left:9}")
    lines.append(f"{'together':34}{len(every):9}{len(every) - len(alive):9}")
    return "\n".join(lines + [f"    not noticed: {name}, {fault}" for name, fault in alive])
