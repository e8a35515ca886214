"""`jit`: which program belongs to which arguments, and the passes in order."""

import random
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import wraps
from typing import NamedTuple

import numpy as np

from ..core import tree
from ..core.checks import function
from ..core.device import move
from ..core.primitive import replaced
from ..core.scope import state
from ..core.tensor import Tensor
from .chunks import made_ready
from .lower import lower
from .program import Program, checked
from .simplify import simplify
from .split import split
from .trace import Traced, given, is_array, is_number, own

PASSES = {"cpu": (lower, simplify), "cuda": (simplify,)}  # a GPU reads windows where they are
GENERATORS = np.random.Generator, np.random.RandomState, random.Random
MANY = 8  # so many programs of one function are worth a warning


class Compiled(NamedTuple):
    """A program for arguments of one signature, and what is around it."""

    traced: Traced
    program: Program
    replay: Callable  # arrays -> arrays

    def __call__(self, leaves: list):
        """leaves: of the arguments, in their order."""
        arrays = [given(leaves[k], dtype) for k, dtype in self.traced.places]
        for line, array in zip(self.program.inputs, arrays):
            for test in line.tests:
                test(move(array, "cpu"))
        outputs = iter(self.replay(arrays))
        return self.traced.rebuild([result(outputs) for result in self.traced.results])


def passes(program: Program) -> Iterator[tuple[str, Program]]:
    """The program after each pass for this thread's device, by the name of the pass, all checked."""
    program = checked(program, "trace")
    yield "trace", program
    for step in PASSES[state.device]:
        program = checked(step(program), step.__name__)
        yield step.__name__, program


def compiled(f: Callable, args: tuple, kwargs: dict) -> Compiled | None:
    """All passes; None if the result hangs on something outside that is being differentiated."""
    traced = Traced(f, args, kwargs)
    if traced.outside:
        return None
    *_, (_, program) = passes(traced.program)
    if state.device == "cuda":
        from .graph import Launches  # numba.cuda is slow to import

        return Compiled(traced, program, Launches(program))
    return Compiled(traced, program, made_ready(program, split(program)))


def jit(f: Callable) -> Callable:
    """`f` of trees of tensors, traced at its first call and replayed afterwards.

    Arrays and floats may change from call to call; other leaves (ints, bools, strings) are part of
    the program, as are shapes, dtypes and the tree. What `f` closes over is constant: arrays are
    copied when it is traced. Under an outer derivative, trace or interpreter, `f` is simply called.

    Raises `Unreadable`, a TypeError, if `f` reads a value; TypeError for a random generator among
    the arguments, and for what cannot be told from other arguments.
    """
    function("jit", f=f)
    programs, latest, one_at_a_time = {}, [], threading.RLock()
    seen = len(replaced)  # how many operations had been when we looked last

    def forget_outdated():
        """Whatever was made with an operation that has been replaced is made again."""
        nonlocal seen
        with one_at_a_time:
            now = len(replaced)
            new, seen = {*replaced[seen:now]}, now
            for key in [k for k, made in programs.items() if made and made.traced.used & new]:
                del programs[key]

    def prepared(args: tuple, kwargs: dict, key: tuple, flat: list) -> Compiled | None:
        """The program for arguments like these, whose signature and leaves are given."""
        with one_at_a_time:
            if key not in programs:
                if len(programs) == MANY:
                    warnings.warn(
                        f"jit: {called(f)} has been compiled {MANY} times: "
                        f"{changing(latest, flat, args)} changes from call to call; "
                        "pass it as an array or a float",
                        stacklevel=3,
                    )
                programs[key], latest[:] = compiled(f, args, kwargs), flat
        return programs[key]

    @wraps(f)
    def wrapped(*args, **kwargs):
        if state.interpreter is not None:
            return f(*args, **kwargs)
        if seen != len(replaced):
            forget_outdated()
        key = signature((args, kwargs), flat := []), state.device
        if any(type(x) is Tensor and x.serial for x in flat):
            return f(*args, **kwargs)
        program = programs.get(key) or prepared(args, kwargs, key, flat)
        return f(*args, **kwargs) if program is None else program(flat)

    def prepare(*args, **kwargs):
        forget_outdated()
        prepared(args, kwargs, (signature((args, kwargs), flat := []), state.device), flat)

    wrapped.programs, wrapped.prepare = programs, prepare
    return wrapped


# ---- what a program is compiled for --------------------------------------------------------------


def signature(node, leaves: list) -> tuple:
    """What a program is compiled for: the tree, and the kind of each leaf; `leaves` gets those."""
    parts = tree.children(node)
    if parts is None:
        leaves.append(own(node))
        return kind(leaves[-1])
    labels, subtrees, _ = parts
    return type(node), tuple(labels), tuple([signature(sub, leaves) for sub in subtrees])


def kind(leaf) -> tuple:
    """What a program depends on: the shape and dtype of an array, the value of any other leaf."""
    if is_array(leaf):
        return leaf.shape, leaf.dtype
    if is_number(leaf):
        return (type(leaf),)
    if isinstance(leaf, GENERATORS):
        raise TypeError(
            "jit: an argument is a random generator, whose numbers would be drawn once "
            "and replayed: draw outside and pass what was drawn"
        )
    if isinstance(leaf, set):
        return set, frozenset(leaf)
    try:
        hash(leaf)
    except TypeError:
        raise TypeError(
            f"jit: an argument is a {type(leaf).__name__}, which may change unseen: "
            "pass arrays, numbers and strings in dicts, lists and tuples"
        ) from None
    return type(leaf), leaf


def changing(before: list, now: list, args: tuple) -> str:
    """The first leaf that differs from the program before, by name."""
    leaves = zip(tree.paths(args), map(kind, before), map(kind, now))
    return next((f"argument {path}" for path, a, b in leaves if a != b), "the tree")


def called(f) -> str:
    return getattr(f, "__name__", repr(f))
