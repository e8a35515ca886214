"""Faults in kernels: each kernel broken in every way that kernels go wrong, and the checks have to see.

A kernel `kernel(out, *arrays, **static)` may leave a part of `out` as it was, add to what is there,
read memory where it should follow strides, write into its inputs, be right in float64 alone, or
lose a NaN. `check_primitive`, on the cases of the operation's strategy, has to turn red for each.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from ..core.device import find_kernel
from ..core.primitive import Primitive, registry
from .faults import cases_of
from .primitives import check_primitive

EXAMPLES = 15  # the budget within which a fault has to be noticed


def last_left_out(kernel: Callable) -> Callable:
    def broken(out, *xs, **static):
        if not out.size:
            return kernel(out, *xs, **static)
        last = (*(n - 1 for n in out.shape),)
        before = out[last].copy()
        kernel(out, *xs, **static)
        out[last] = before

    return broken


def added(kernel: Callable) -> Callable:
    def broken(out, *xs, **static):
        before = out.copy()
        kernel(out, *xs, **static)
        out[...] = np.logical_or(out, before) if out.dtype == bool else out + before

    return broken


def by_memory(kernel: Callable) -> Callable:
    """Each input is read as the elements that follow its first one in memory."""

    def dense(x):
        base = x
        while isinstance(base.base, np.ndarray):
            base = base.base
        start = x.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        flat = base.reshape(-1, order="A").view(x.dtype)[start // x.itemsize :]
        return np.resize(flat, x.shape) if flat.size else x

    return lambda out, *xs, **static: kernel(out, *map(dense, xs), **static)


def writing(kernel: Callable) -> Callable:
    def broken(out, *xs, **static):
        kernel(out, *xs, **static)
        for x in xs:
            if x.flags.writeable and x.dtype.kind == "f":
                x[...] = x + 1

    return broken


def wrong_in_float32(kernel: Callable) -> Callable:
    def broken(out, *xs, **static):
        kernel(out, *xs, **static)
        if out.dtype == np.float32:
            out *= np.float32(1.001)

    return broken


FAULTS: dict[str, Callable] = {
    "the last element is left out": last_left_out,
    "adds to what is there": added,
    "follows memory, not strides": by_memory,
    "writes into its inputs": writing,
    "wrong in float32": wrong_in_float32,
}


@contextmanager
def planted(op: Primitive, fault: str) -> Iterator[Primitive]:
    """The operation, with the fault in its CPU kernel for a `with` block."""
    right = find_kernel(op, "cpu")
    op.kernels["cpu"] = FAULTS[fault](right)
    try:
        yield op
    finally:
        op.kernels["cpu"] = right


def noticed(op: Primitive, fault: str, examples: int = EXAMPLES) -> bool:
    with planted(op, fault):
        try:
            check_primitive(op, order=1, devices=("cpu",), examples=examples)
        except Exception:
            return True
    return False


def planned(names=None) -> list[tuple[Primitive, str]]:
    """Each fault in each operation that fills `out`, where it is a fault."""
    filling = [registry[name] for name in names or sorted(registry) if not registry[name].view]
    return [(op, fault) for op in filling for fault in FAULTS if applies(op, fault)]


def applies(op: Primitive, fault: str) -> bool:
    """What returns no float cannot be wrong in float32 alone."""
    return fault != "wrong in float32" or returns_floats(op)


def returns_floats(op: Primitive) -> bool:
    (inputs, static), *_ = cases_of(op, 1)
    return np.dtype(op.shape(*inputs, **static)[1]).kind == "f" and "dtype" not in static


def survivors(names=None, examples: int = EXAMPLES) -> list[tuple[str, str]]:
    """(operation, fault) for each that nothing notices."""
    return [(op.name, fault) for op, fault in planned(names) if not noticed(op, fault, examples)]


def table(names=None, examples: int = EXAMPLES) -> str:
    """How many of each fault were planted and noticed, and which were not."""
    every, alive = planned(names), survivors(names, examples)
    lines = [f"{'fault in a kernel':34}{'planted':>9}{'noticed':>9}"]
    for fault in FAULTS:
        count, left = sum(f == fault for _, f in every), sum(f == fault for _, f in alive)
        lines.append(f"{fault:34}{count:9}{count - left:9}")
    lines.append(f"{'together':34}{len(every):9}{len(every) - len(alive):9}")
    return "\n".join(lines + [f"    not noticed: {name}, {fault}" for name, fault in alive])
