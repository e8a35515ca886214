"""The function that a check is about, looked at before any number is compared.

A check sees `f` as a function of its floating leaves that returns a tuple of floating leaves. One
that draws random numbers, keeps a state, writes into its arguments or returns what has no
derivative would fail every comparison, with numbers to puzzle over; so it is refused here, in a
sentence.
"""

from collections.abc import Callable
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from ..core import tree
from ..core.convert import WEAK_SCALARS
from ..core.tensor import asarray
from .differences import ROUNDINGS


class Vacuous(ValueError):
    """A check that could not have failed, whatever the derivative rules are."""


class NoRule(ValueError):
    """Nobody said what the derivative of a foreign function is."""


class Subject(NamedTuple):
    """`f`, as a check sees it."""

    function: Callable  # of floating tensors; returns a tuple of floating tensors
    inputs: list[np.ndarray]  # copies: what happens to them does not reach the caller's
    own: list[np.ndarray]  # the same values in the caller's dtypes
    names: list[str]  # of the inputs, such as "argument [0]['w']"
    called: str


def examined(check: str, f: Callable, args: tuple, dtype=np.float64) -> Subject:
    """The subject of a check of this name: `f` at `args`, its floating leaves cast to `dtype`.

    dtype: None keeps each its own; a Python number takes the widest it meets.
    Raises ValueError for what cannot be differentiated, AssertionError for what is no function.
    """
    flat, rebuild = tree.flatten(args)
    full = [np.array(x) if isinstance(x, np.ndarray) else x for x in flat]
    names = [f"argument {name}" for name in tree.paths(args)]
    places = [i for i, x in enumerate(full) if np.asarray(x).dtype.kind == "f"]
    strong = [x.dtype for x in (full[i] for i in places) if not isinstance(x, WEAK_SCALARS)]
    weak = np.result_type(*strong) if strong else np.float64
    own = [np.array(full[i], weak if isinstance(full[i], WEAK_SCALARS) else None) for i in places]
    inputs, name = [np.array(x, dtype) for x in own], called(f)
    for i, x in zip(places, inputs):
        full[i] = x

    def function(*xs):
        handed = list(full)
        for i, x in zip(places, xs):
            handed[i] = x
        return floats(check, name, f(*rebuild(handed)))

    subject = Subject(function, inputs, own, [names[i] for i in places], name)
    refuse(check, subject, {n: x for n, x in zip(names, full) if isinstance(x, np.ndarray)})
    return subject


def refuse(check: str, subject: Subject, arrays: dict) -> None:
    """Say what is the matter, if anything is, with a function or with the arrays it is given."""
    name, before = subject.called, {what: x.copy() for what, x in arrays.items()}
    for x, what in zip(subject.inputs, subject.names):
        refuse_infinite(ValueError, f"{check}: {what}", x)
    first, second, _ = (
        [y.numpy().copy() for y in called_with(check, subject, xs)]
        for xs in (subject.inputs, subject.inputs, subject.own)
    )
    for what, x in arrays.items():
        if not same_bits(x, before[what]):
            raise AssertionError(f"{check}: {name} writes into its {what}: let it make a new array")
    if len(first) != len(second) or not all(map(same_bits, first, second)):
        raise AssertionError(
            f"{check}: {name} gives two values for one input: it is random or "
            "keeps a state; draw before, and hand it what was drawn"
        )
    for k, y in enumerate(first):
        doubles = {x.dtype for x in subject.inputs} == {np.dtype(np.float64)}
        if doubles and y.dtype != np.float64:
            raise ValueError(
                f"{check}: {name} returns {y.dtype} for float64 inputs, too coarse for "
                "a difference: let it compute in the dtype it is given (in JAX: "
                "jax_enable_x64)"
            )
        refuse_infinite(AssertionError, f"{check}: the value of {name}, output {k},", y)
    if not subject.inputs or not first:
        raise ValueError(
            f"{check}: nothing to differentiate: {name} has {len(subject.inputs)} "
            f"floating inputs and {len(first)} floating outputs; integers and bools "
            "have no derivative"
        )


def called_with(check: str, subject: Subject, xs: list) -> tuple:
    try:
        return subject.function(*map(asarray, xs))
    except TypeError as error:
        if "do not mix" not in str(error):
            raise
        dtypes = ", ".join(sorted({str(x.dtype) for x in xs}))
        raise TypeError(
            f"{check}: {subject.called} cannot be called with {dtypes}: {error} (arrays "
            "that it closes over keep their dtype: hand them in as arguments)"
        ) from error


def floats(check: str, name: str, value) -> tuple:
    """The floating leaves of what a function returned."""
    found = []
    for leaf, path in zip(tree.leaves(value), tree.paths(value)):
        try:
            found.append(asarray(leaf))
        except TypeError as error:
            raise ValueError(
                f"{check}: {name} returns a {type(leaf).__name__} at output "
                f"{path or '0'}, which is no tensor: {error}"
            ) from None
    return tuple(y for y in found if np.dtype(y.dtype).kind == "f")


def refuse_infinite(kind: type, what: str, x: np.ndarray):
    for index in np.argwhere(~np.isfinite(x))[:1].tolist():
        raise kind(f"{what} is not finite: {x[tuple(index)]} at {tuple(index)}")


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype.char == "g":  # has bytes that no number is told by
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)
    return a.shape == b.shape and a.tobytes() == b.tobytes()


@contextmanager
def blaming(check: str):
    """Derivatives are taken in here: one that has not the shape and dtype of its input is wrong.

    NoRule is none; that nobody has written one is no mistake in it.
    """
    try:
        yield
    except NoRule:
        raise
    except ValueError as error:  # the engine names the rule that is to blame
        raise AssertionError(f"{check}: {error}") from error


def directions(rng, xs: list) -> list[np.ndarray]:
    """Random directions, in which large numbers take large steps."""
    return [np.asarray(rng.normal(size=x.shape) * np.maximum(1, np.abs(x)), x.dtype) for x in xs]


def still(function: Callable, xs: list, vs: list) -> bool:
    """Does a small step along `vs` leave the values where they were, but for rounding?"""
    small = [np.asarray(np.finfo(x.dtype).eps ** 0.2 * v, x.dtype) for x, v in zip(xs, vs)]
    here = function(*map(asarray, xs))
    there = function(*(asarray(np.asarray(x + v)) for x, v in zip(xs, small)))
    stays = (
        np.abs(b.numpy() - a.numpy()).sum()
        <= ROUNDINGS * np.finfo(a.dtype).eps * np.abs(a.numpy()).sum()
        for a, b in zip(here, there)
    )
    return all(stays)  # a NaN does not


def vacuous(check: str, name: str) -> Vacuous:
    return Vacuous(
        f"{check}: {name} does not move with its inputs, or by no more than rounding, "
        "so the check could not fail: choose inputs where it moves"
    )


def called(f) -> str:
    return getattr(f, "__name__", repr(f))
