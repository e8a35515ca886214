"""The same call again: equal bits, and no memory that it leaves behind.

Both are asked of a function and its backward pass together. Neither needs a derivative to be right,
so they hold for functions that no difference can judge, as with a huge network in float32.
"""

import gc
import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.checks import check_whole
from ..core.grad import vjp
from .layouts import same_bits
from .subject import Subject, examine

_WARM = 8  # calls that do not count: caches fill, modules are imported
_ROUNDS = 3
_AN_ARRAY = 8  # bytes of the smallest


def check_deterministic(f: Callable, *args: Any, calls: int = 4) -> None:
    """Raise AssertionError unless values and gradients of `f` have the same bits at every call.

    args: of any framework, in their own dtypes, as in `check_grads`. calls: how many, at least two.
    Between two calls one is made at another point, whose results must not remain.
    """
    (calls,) = check_whole("check_deterministic", 2, calls=calls)
    subject = examine("check_deterministic", f, args, None)
    us = _cotangents(subject)
    first = _value_and_gradient(subject, subject.inputs, us)
    for call in range(2, calls + 1):
        _value_and_gradient(subject, [x * 0.5 for x in subject.inputs], us)
        again = _value_and_gradient(subject, subject.inputs, us)
        names = [f"output {k}" for k in range(len(us))]
        names += [f"the gradient of {what}" for what in subject.names]
        for what, a, b in zip(names, first, again):
            if not same_bits(a, b):
                entries = int((a != b).sum())
                raise AssertionError(
                    f"check_deterministic: {what} of {subject.name} has other bits at call {call}: "
                    f"{entries} of {a.size} entries, by up to {np.abs(a - b).max():.1e}"
                )


def check_memory(f: Callable, *args: Any, calls: int = 8) -> None:
    """Raise AssertionError if each call of `f` with its backward pass leaves memory behind.

    args: of any framework, as in `check_grads`. Counted after some calls that fill caches: bytes of
    NumPy's arrays, and objects of Python's collector, of which a tensor of PyTorch is one. What
    grows by an array or an object for each call, in each of three rounds of `calls`, is a leak; its
    types are named. What a framework keeps in memory of its own is not seen.
    """
    (calls,) = check_whole("check_memory", calls=calls)
    subject = examine("check_memory", f, args, None)
    us = _cotangents(subject)

    def counts_after(calls: int) -> np.ndarray:
        for _ in range(calls):
            _value_and_gradient(subject, subject.inputs, us)
        gc.collect()
        return np.array([_array_bytes(), len(gc.get_objects())])

    was_tracing = tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        counts = [counts_after(_WARM)] + [counts_after(calls) for _ in range(_ROUNDS)]
    finally:
        if not was_tracing:
            tracemalloc.stop()
    growth = np.diff(counts, axis=0) / calls  # (round, bytes and objects)
    if not ((growth >= (_AN_ARRAY, 1)).all(0)).any():
        return
    before = _types()
    for _ in range(calls):
        _value_and_gradient(subject, subject.inputs, us)
    grown = (_types() - before).most_common(3)
    kinds = ", ".join(name for name, n in grown if n >= calls)
    raise AssertionError(
        f"check_memory: each call of {subject.name} leaves {growth[-1, 0]:,.0f} bytes and "
        f"{growth[-1, 1]:.0f} objects behind{': ' + kinds if kinds else ''}: a list, a cache or a "
        "graph grows"
    )


def _cotangents(subject: Subject) -> list[np.ndarray]:
    """A random cotangent for each output; with ones the gradient of a softmax would be zeros."""
    rng = np.random.default_rng(0)
    ys = subject.function(*subject.inputs)
    return [np.asarray(rng.normal(size=y.shape), y.dtype) for y in ys]


def _array_bytes() -> int:
    """Bytes of the data of NumPy arrays alone: Python keeps freed tuples, by the thousand."""
    only = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    return sum(t.size for t in tracemalloc.take_snapshot().filter_traces([only]).traces)


def _types() -> Counter:
    gc.collect()
    return Counter(f"{type(x).__module__}.{type(x).__qualname__}" for x in gc.get_objects())


def _value_and_gradient(subject: Subject, xs: list, us: list) -> list[np.ndarray]:
    ys, pull = vjp(subject.function, *xs)
    return [np.array(t.numpy()) for t in (*ys, *pull(tuple(us)))]
