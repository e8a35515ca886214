"""The function that a check is about, examined before any number is compared.

A check sees `f` as a function of its floating leaves that returns a tuple of floating leaves. One
that draws random numbers, keeps a state, writes into its arguments or returns what has no
derivative would fail every comparison, with numbers to puzzle over; so it is refused here, in a
sentence. One that computes in float32 whatever it is given is told apart (fixed.py).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core import tree
from ..core.convert import WEAK_SCALARS
from ..core.tensor import Tensor, asarray
from .differences import EPS, first_points
from .fixed import EPS_32, cast_around, computes_in_float32, takes_only_float32
from .frameworks import as_function_of_arrays
from .layouts import same_bits
from .refusals import Vacuous, name_of

Arrays = list[np.ndarray]
_MOST_STACKED = 20_000  # numbers at one point
_SAME = 1e-6  # of many points at once and one: other rounding, and no more


class Subject(NamedTuple):
    """`f`, as a check sees it."""

    function: Callable  # of floating tensors; returns a tuple of floating tensors
    inputs: Arrays  # copies: what happens to them does not reach the caller's
    originals: Arrays  # the same values in the caller's dtypes
    names: list[str]  # of the inputs, such as "argument [0]['w']"
    name: str  # of f
    outputs: Arrays  # at the inputs
    original_outputs: Arrays  # at the originals
    eps: float = EPS  # of the dtype in which it computes, where the inputs are float64
    stacked: Callable | None = None  # it at many points at once: all has one more axis, the first


def examine(
    check_name: str, f: Callable, args: tuple, dtype: Any = np.float64, coarse: bool = False
) -> Subject:
    """The subject of a check of this name: `f` at `args`, its floating leaves cast to `dtype`.

    dtype: None keeps each its own; a Python number takes the widest it meets.
    coarse: whether a function that computes in float32 whatever it is given is taken.
    Costs two evaluations of f, and a third where the originals differ in dtype. Raises ValueError
    for what cannot be differentiated, AssertionError for what is no function of its arguments,
    TypeError for what is no function.
    """
    f, args = as_function_of_arrays(check_name, f, args)
    leaves, rebuild = tree.flatten(args)
    leaves = [np.array(x) if isinstance(x, np.ndarray) else x for x in leaves]
    leaf_names = [f"argument {path}" for path in tree.paths(args)]
    places = [i for i, x in enumerate(leaves) if np.asarray(x).dtype.kind == "f"]

    strong = [leaves[i].dtype for i in places if not isinstance(leaves[i], WEAK_SCALARS)]
    weak = np.result_type(*strong) if strong else np.float64
    originals = [
        np.array(leaves[i], weak if isinstance(leaves[i], WEAK_SCALARS) else None) for i in places
    ]
    inputs = [np.array(x, dtype) for x in originals]
    for i, x in zip(places, inputs):
        leaves[i] = x

    name = name_of(f)

    def of_tuple(f: Callable) -> Callable:
        """`f` as a function of the floating leaves alone."""

        def function(*xs: Tensor) -> tuple[Tensor, ...]:
            arguments = list(leaves)
            for i, x in zip(places, xs):
                arguments[i] = x
            try:
                result = f(*rebuild(arguments))
            except TypeError as error:
                if "would drop the gradient" not in str(error):
                    raise
                raise TypeError(
                    f"{check_name}: {error}; if {name} is of NumPy alone, hand in its pullback: "
                    f"Foreign({name}, backward=...), or backward=... to the fixture gradcheck"
                ) from error
            return _floating_leaves(check_name, name, result)

        return function

    names = [leaf_names[i] for i in places]
    subject = Subject(of_tuple(f), inputs, originals, names, name, [], [])
    arrays = {what: x for what, x in zip(leaf_names, leaves) if isinstance(x, np.ndarray)}
    subject = _examined(check_name, subject, arrays, coarse)
    if hasattr(f, "stacked") and subject.eps == EPS:
        subject = _with_stacked(subject, of_tuple(f.stacked))
    return subject


def _with_stacked(subject: Subject, stacked: Callable) -> Subject:
    """The subject, with the function of many points if it agrees with that of one.

    Some functions cannot be evaluated so, as they look at values. Many large arrays would fill the
    memory, and save nothing.
    """
    if sum(x.size for x in subject.inputs) > _MOST_STACKED:
        return subject
    try:
        number = len(first_points())  # as many as it will be asked for
        found = stacked(*(asarray(np.stack([x] * number)) for x in subject.inputs))
    except Exception:
        return subject
    both = [y.numpy() for y in found]
    agree = len(both) == len(subject.outputs) and all(
        x.dtype == y.dtype and x.shape[1:] == y.shape and np.allclose(x, y, _SAME, _SAME)
        for x, y in zip(both, subject.outputs)
    )
    return subject._replace(stacked=stacked) if agree else subject


def _examined(check_name: str, subject: Subject, arrays: dict, coarse: bool) -> Subject:
    """The subject with its outputs, and with float64 around it if it computes in float32 alone.

    arrays: all arguments of the function. Raises for a function that writes, is random or has no
    derivative.
    """
    before = {what: x.copy() for what, x in arrays.items()}
    for x, what in zip(subject.inputs, subject.names):
        _refuse_infinite(ValueError, f"{check_name}: {what}", x)
    _refuse_none(check_name, subject.name, "inputs", subject.inputs)

    if coarse and takes_only_float32(subject.function, subject.inputs, subject.originals):
        subject = _of_float64(subject)

    def outputs(xs: list) -> Arrays:
        return [y.numpy().copy() for y in _call(check_name, subject, xs)]

    first, second = outputs(subject.inputs), outputs(subject.inputs)
    is_as_given = [x.dtype for x in subject.inputs] == [x.dtype for x in subject.originals]
    third = second if is_as_given else outputs(subject.originals)
    for what, x in arrays.items():
        if not same_bits(x, before[what]):
            raise AssertionError(
                f"{check_name}: {subject.name} writes into its {what}: let it make a new array"
            )
    if len(first) != len(second) or not all(map(same_bits, first, second)):
        raise AssertionError(
            f"{check_name}: {subject.name} gives two values for one input: it is random or "
            "keeps a state; draw before, and hand it what was drawn"
        )

    is_double = {x.dtype for x in subject.inputs} == {np.dtype(np.float64)}
    short = [y.dtype for y in first if is_double and y.dtype != np.float64]
    if short:
        if not coarse or not computes_in_float32(subject.function, subject.inputs):
            raise ValueError(
                f"{check_name}: {subject.name} returns {short[0]} for float64 inputs, too coarse "
                "for a difference: let it compute in the dtype it is given (in JAX: "
                "jax_enable_x64)"
            )
        subject = _of_float64(subject)
        first = third = [np.float64(y) for y in first]
    for k, y in enumerate(first):
        what = f"{check_name}: the value of {subject.name}, output {k},"
        _refuse_infinite(AssertionError, what, y)
    _refuse_none(check_name, subject.name, "outputs", first)
    return subject._replace(outputs=first, original_outputs=third)


def _of_float64(subject: Subject) -> Subject:
    """A subject that computes in float32 whatever it is given, with float64 around it."""
    function = cast_around(subject.function, subject.inputs)
    return subject._replace(function=function, originals=subject.inputs, eps=EPS_32)


def _refuse_none(check_name: str, name: str, what: str, arrays: Sequence) -> None:
    """Raise if there are no arrays, or none with an entry."""
    if not arrays:
        raise ValueError(
            f"{check_name}: nothing to differentiate: {name} has no floating {what}; integers and "
            "bools have no derivative"
        )
    if not any(x.size for x in arrays):
        raise Vacuous(
            f"{check_name}: the {what} of {name} have no entries, so the check could not fail: "
            "choose arrays that have some"
        )


def _call(check_name: str, subject: Subject, xs: list) -> tuple[Tensor, ...]:
    """The outputs at `xs`; an error about mixed dtypes also says where they come from."""
    try:
        return subject.function(*map(asarray, xs))
    except (TypeError, RuntimeError) as error:  # ours, and PyTorch's
        if "do not mix" not in str(error) and not _takes_only_originals(subject, xs):
            raise
        dtypes = ", ".join(sorted({str(x.dtype) for x in xs}))
        raise TypeError(
            f"{check_name}: {subject.name} cannot be called with {dtypes}: {error} (arrays "
            "that it closes over keep their dtype: hand them in as arguments)"
        ) from error


def _takes_only_originals(subject: Subject, xs: list) -> bool:
    """Whether a function that fails at `xs` does not at the same values in the caller's dtypes."""
    if [x.dtype for x in xs] == [x.dtype for x in subject.originals]:
        return False
    try:
        subject.function(*map(asarray, subject.originals))
    except Exception:
        return False
    return True


def _floating_leaves(check_name: str, name: str, result: Any) -> tuple[Tensor, ...]:
    """The floating leaves of what a function returned, as tensors."""
    found = []
    for leaf, path in zip(tree.leaves(result), tree.paths(result)):
        try:
            found.append(asarray(leaf))
        except TypeError as error:
            raise ValueError(
                f"{check_name}: {name} returns a {type(leaf).__name__} at output "
                f"{path or '0'}, which is no tensor: {error}"
            ) from None
    return tuple(y for y in found if np.dtype(y.dtype).kind == "f")


def _refuse_infinite(kind: type[Exception], what: str, x: np.ndarray) -> None:
    """Raise `kind` with the first entry that is not finite, if there is one."""
    for index in np.argwhere(~np.isfinite(x))[:1].tolist():
        raise kind(f"{what} is not finite: {x[tuple(index)]} at {tuple(index)}")
