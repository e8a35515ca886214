"""`jit`: which program belongs to which arguments, and the passes in order."""

import threading
import warnings
from collections.abc import Callable, Iterator
from functools import wraps
from typing import NamedTuple

import numpy as np

from ..core import tree
from ..core.scope import state
from ..core.tensor import Tensor
from .chunks import made_ready
from .lower import lower
from .program import Program, checked
from .simplify import simplify
from .split import split
from .trace import FLOATS, Traced, as_arrays, is_array

PASSES = {"cpu": (lower, simplify), "cuda": (simplify,)}     # a GPU reads windows where they are
MANY = 8                            # so many programs of one function are worth a warning


class Compiled(NamedTuple):
    """A program for arguments of one signature, and how its outputs become a tree again."""
    program: Program
    replay: Callable            # arrays -> arrays
    rebuild: Callable

    def __call__(self, arrays: list[np.ndarray]):
        return self.rebuild([Tensor(y) for y in self.replay(arrays)])


def passes(traced: Traced) -> Iterator[tuple[str, Program]]:
    """The program after each pass for this thread's device, by the name of the pass, all checked."""
    program = checked(traced.program, "trace")
    yield "trace", program
    for step in PASSES[state.device]:
        program = checked(step(program), step.__name__)
        yield step.__name__, program


def compiled(f: Callable, args: tuple) -> Compiled | None:
    """All passes; None if the result hangs on something outside that is being differentiated."""
    traced = Traced(f, args)
    if traced.outside:
        return None
    for _, program in passes(traced):
        pass
    if state.device == "cuda":
        from .graph import Launches                     # numba.cuda is slow to import
        return Compiled(program, Launches(program), traced.rebuild)
    return Compiled(program, made_ready(program, split(program)), traced.rebuild)


def jit(f: Callable) -> Callable:
    """`f` of trees of tensors, traced at its first call and replayed afterwards.

    Arrays and Python floats may change from call to call; other leaves (ints, bools, strings) are
    part of the program, as are shapes, dtypes and the tree. Tensors that `f` closes over are
    constants. Under an outer derivative, trace or interpreter, `f` is simply called.

    Raises `Unreadable`, a TypeError, if `f` reads a value; TypeError for a `numpy.random.Generator`
    among the arguments.
    """
    programs, latest, one_at_a_time = {}, [], threading.RLock()

    def prepared(args: tuple, key: tuple, flat: list) -> Compiled | None:
        """The program for arguments like these, whose signature and leaves are given."""
        with one_at_a_time:
            if key not in programs:
                if len(programs) == MANY:
                    warnings.warn(f"jit: {called(f)} has been compiled {MANY} times: "
                                  f"{changing(latest, flat, args)} changes from call to call; "
                                  "pass it as an array or a float", stacklevel=3)
                programs[key], latest[:] = compiled(f, args), flat
        return programs[key]

    @wraps(f)
    def wrapped(*args):
        if state.interpreter is not None:
            return f(*args)
        key = signature(args, flat := []), state.device
        if any(type(x) is Tensor and x.serial for x in flat):
            return f(*args)
        program = programs.get(key) or prepared(args, key, flat)
        if program is None:
            return f(*args)
        return program([x for x in as_arrays(flat) if is_array(x)])

    def prepare(*args):
        prepared(args, (signature(args, flat := []), state.device), flat)

    wrapped.programs, wrapped.prepare = programs, prepare
    return wrapped


def signature(node, leaves: list) -> tuple:
    """What a program is compiled for: the tree, and the kind of each leaf; `leaves` gets those."""
    parts = tree.children(node)
    if parts is None:
        leaves.append(node)
        return kind(node)
    labels, subtrees, _ = parts
    return type(node), tuple(labels), tuple([signature(sub, leaves) for sub in subtrees])


def kind(leaf) -> tuple:
    """What a program depends on: the shape and dtype of an array, the value of any other leaf."""
    if isinstance(leaf, Tensor) or is_array(leaf):
        return leaf.shape, leaf.dtype
    if type(leaf) in FLOATS:
        return (float,)
    if isinstance(leaf, np.random.Generator):
        raise TypeError("jit: an argument is a random generator, whose numbers would be drawn once "
                        "and replayed: draw outside and pass what was drawn")
    return type(leaf), leaf


def changing(before: list, now: list, args: tuple) -> str:
    """The first leaf that differs from the program before, by name."""
    leaves = zip(tree.paths(args), map(kind, before), map(kind, now))
    return next((f"argument {path}" for path, a, b in leaves if a != b), "the tree")


def called(f) -> str:
    return getattr(f, "__name__", repr(f))
