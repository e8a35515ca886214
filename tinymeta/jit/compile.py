"""`jit`: which program belongs to which arguments, and the passes in order.

In: a function of trees of tensors. Out: a function of the same arguments, which traces and compiles
at its first call for each signature and replays afterwards. A signature is the tree of the
arguments, shapes and dtypes of arrays, and the values of all leaves that are neither arrays nor
floats.

Invariant: after each pass the program is `checked`. Cost of a call besides the program: O(leaves of
the arguments). Compiling costs O(operations traced), and Numba's time for kernels that are new.
"""

import random
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from ..core import tree
from ..core.checks import check_function
from ..core.device import kind_of, move
from ..core.primitive import replaced
from ..core.scope import state
from ..core.tensor import Tensor
from .chunks import Execution, build_replay
from .lower import lower
from .program import Program, checked
from .simplify import simplify
from .trace import Traced, as_own_array, is_array, is_number, leaf_array

# By device; a GPU reads windows where they are, so it needs no lowering.
PASSES = {"cpu": (lower, simplify), "cuda": (simplify,)}
_GENERATORS = np.random.Generator, np.random.RandomState, random.Random
_MANY_PROGRAMS = 8  # of one function: worth a warning


class CompiledProgram(NamedTuple):
    """A function compiled for arguments of one signature."""

    traced: Traced
    program: Program  # after all passes
    replay: Callable  # arrays -> arrays
    execution: Execution  # how it is run, in words

    def __call__(self, leaves: list) -> Any:
        """The function's result; leaves: of the arguments, in their order."""
        arrays = [leaf_array(leaves[k], dtype) for k, dtype in self.traced.input_leaves]
        for eqn, array in zip(self.program.inputs, arrays):
            for check in eqn.value_checks:
                check(move(array, "cpu"))
        outputs = iter(self.replay(arrays))
        results = [make_result(outputs) for make_result in self.traced.result_makers]
        return self.traced.rebuild(results)


def run_passes(program: Program) -> Iterator[tuple[str, Program]]:
    """("trace", the program), then (name, program) after each pass for this thread's device."""
    program = checked(program, "trace")
    yield "trace", program
    for run_pass in PASSES[kind_of(state.device)]:
        program = checked(run_pass(program), run_pass.__name__)
        yield run_pass.__name__, program


def compile_for(f: Callable, args: tuple, kwargs: dict) -> CompiledProgram | None:
    """Trace a function for these arguments and compile it.

    None if its result depends on a tensor outside that is being differentiated.
    """
    traced = Traced(f, args, kwargs)
    if traced.needs_outer_gradient:
        return None
    *_, (_, program) = run_passes(traced.program)
    if state.device != "cpu":
        from .graph import Launches  # numba.cuda is slow to import

        return CompiledProgram(traced, program, Launches(program), Execution("whole"))
    return CompiledProgram(traced, program, *build_replay(program))


# ---- jit ----------------------------------------------------------------------------------------


def jit(f: Callable) -> Callable:
    """`f` of trees of tensors, traced at its first call and replayed afterwards.

    Arrays and floats may change from call to call; other leaves (ints, bools, strings) are part of
    the program, as are shapes, dtypes and the tree. What `f` closes over is constant: arrays are
    copied when it is traced. Under an outer derivative, trace or interpreter, `f` is simply called.

    The result has `programs`, a dict of what has been compiled, and `prepare(*args, **kwargs)`,
    which compiles for such arguments and runs nothing.

    Raises `Unreadable`, a TypeError, if `f` reads a value; TypeError for a random generator among
    the arguments, and for an argument that may change without notice, such as a bytearray.
    """
    check_function("jit", f=f)
    cache = _ProgramCache(f)

    @wraps(f)
    def wrapped(*args, **kwargs):
        if state.interpreter is not None:
            return f(*args, **kwargs)
        cache.forget_outdated()
        key, leaves = _key_and_leaves(args, kwargs)
        if any(type(x) is Tensor and x.serial for x in leaves):
            return f(*args, **kwargs)
        program = cache.programs.get(key) or cache.find_or_compile(key, args, kwargs, leaves)
        return f(*args, **kwargs) if program is None else program(leaves)

    def prepare(*args, **kwargs):
        """Compile for arguments like these."""
        cache.forget_outdated()
        key, leaves = _key_and_leaves(args, kwargs)
        cache.find_or_compile(key, args, kwargs, leaves)

    wrapped.programs = cache.programs  # type: ignore[attr-defined]
    wrapped.prepare = prepare  # type: ignore[attr-defined]
    return wrapped


class _ProgramCache:
    """The programs of one function by signature and device; None where it cannot be compiled."""

    def __init__(self, f: Callable):
        self.f = f
        self.programs: dict[tuple, CompiledProgram | None] = {}
        self.last_leaves: list = []  # of the arguments that were compiled for last
        self.lock = threading.RLock()  # f may call itself
        self.replacements_seen = len(replaced)  # how many operations had been replaced

    def forget_outdated(self) -> None:
        """Drop the programs that call an operation which has been replaced since."""
        if self.replacements_seen == len(replaced):
            return
        with self.lock:
            now = len(replaced)
            new = {*replaced[self.replacements_seen : now]}
            self.replacements_seen = now
            for key, program in list(self.programs.items()):
                if program and program.traced.primitives & new:
                    del self.programs[key]

    def find_or_compile(
        self, key: tuple, args: tuple, kwargs: dict, leaves: list
    ) -> CompiledProgram | None:
        """The program of a signature; warns when a function has been compiled many times."""
        with self.lock:
            if key not in self.programs:
                if len(self.programs) == _MANY_PROGRAMS:
                    name = getattr(self.f, "__name__", repr(self.f))
                    changed = _changed_argument(self.last_leaves, leaves, args, kwargs)
                    warnings.warn(
                        f"jit: {name} has been compiled {_MANY_PROGRAMS} times: "
                        f"{changed} changes from call to call; "
                        "pass it as an array or a float",
                        stacklevel=3,
                    )
                self.programs[key] = compile_for(self.f, args, kwargs)
                self.last_leaves = leaves
        return self.programs[key]


# ---- signatures ---------------------------------------------------------------------------------


def _key_and_leaves(args: tuple, kwargs: dict) -> tuple[tuple, list]:
    """(signature and device, leaves of the arguments)."""
    leaves: list = []
    signature = _signature((args, kwargs), leaves)
    return (signature, state.device), leaves


def _signature(node: Any, leaves: list) -> tuple:
    """What a program is compiled for: the tree, and each leaf's `leaf_signature`.

    Appends the leaves to `leaves`, arrays of other libraries as Tensors.
    """
    parts = tree.children(node)
    if parts is None:
        leaf = as_own_array(node)
        leaves.append(leaf)
        return leaf_signature(leaf)
    labels, subtrees, _ = parts
    fixed = tuple([_hashable(value) for value in tree.static_fields(node)])
    subtrees = tuple([_signature(sub, leaves) for sub in subtrees])
    return type(node), tuple(labels), fixed, subtrees


def leaf_signature(leaf: Any) -> tuple:
    """What a program depends on: an array's shape and dtype, a float's type, else the value.

    Raises TypeError for a random generator and for what cannot be hashed.
    """
    if is_array(leaf):
        return leaf.shape, leaf.dtype
    if is_number(leaf):
        return (type(leaf),)
    if isinstance(leaf, _GENERATORS):
        raise TypeError(
            "jit: an argument is a random generator, whose numbers would be drawn once "
            "and replayed: draw outside and pass what was drawn"
        )
    if isinstance(leaf, set):
        return set, frozenset(leaf)
    return _hashable(leaf)


def _hashable(value: Any) -> tuple:
    """The type and the value of what a program depends on as it is; TypeError if it may change."""
    try:
        hash(value)
    except TypeError:
        raise TypeError(
            f"jit: an argument is a {type(value).__name__}, which may change unseen: "
            "pass arrays, numbers and strings in dicts, lists, tuples and dataclasses"
        ) from None
    return type(value), value


def _changed_argument(before: list, now: list, args: tuple, kwargs: dict) -> str:
    """The path of the first leaf that differs from the last program's."""
    for path, old, new in zip([*tree.paths(args), *tree.paths(kwargs)], before, now):
        if leaf_signature(old) != leaf_signature(new):
            return f"argument {path}"
    return "the tree"
