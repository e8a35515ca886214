"""`jit`: which program belongs to which arguments.

In: a function of trees of tensors. Out: a function of the same arguments, which traces and compiles
at its first call for each signature and replays afterwards. A signature is the tree of the
arguments, shapes and dtypes of arrays, and the values of all leaves that are neither arrays nor
floats.

Cost of a call besides the program: O(leaves of the arguments). The compiler, and Numba with it, is
imported when there is something to compile: `import tinymeta` takes no second for what only checks
a gradient.
"""

import random
import threading
import warnings
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import tree
from ..core.checks import check_function
from ..core.primitive import replaced
from ..core.scope import state
from ..core.tensor import Tensor
from ..system.world import current
from .trace import as_own_array, is_array, is_float

if TYPE_CHECKING:
    from .compile import CompiledProgram

_MANY_PROGRAMS = 8  # of one function: worth a warning


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
        key, leaves, is_tracked = _key_and_leaves(args, kwargs)
        if is_tracked:
            return f(*args, **kwargs)
        try:
            program = cache.programs.get(key) or cache.find_or_compile(key, args, kwargs, leaves)
            if program is not None:
                return program(leaves)
        except MemoryError as error:
            name = getattr(f, "__name__", "the function")
            raise MemoryError(f"jit: {name} does not fit the memory: {error}") from None
        return f(*args, **kwargs)

    def prepare(*args, **kwargs):
        """Compile for arguments like these."""
        cache.forget_outdated()
        key, leaves, _ = _key_and_leaves(args, kwargs)
        cache.find_or_compile(key, args, kwargs, leaves)

    wrapped.programs = cache.programs  # type: ignore[attr-defined]
    wrapped.prepare = prepare  # type: ignore[attr-defined]
    return wrapped


class _ProgramCache:
    """The programs of one function by signature, device, products and world.

    None: it cannot be compiled.
    """

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
    ) -> "CompiledProgram | None":
        """The program of a signature; warns when a function has been compiled many times."""
        from .compile import compile_for  # Numba is slow to import

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


def _key_and_leaves(args: tuple, kwargs: dict) -> tuple[tuple, list, bool]:
    """((signature, device, its products and world), leaves of the arguments, is one tracked?)

    A signature is what a program is compiled for: each inner node of the tree, before its children,
    and of each leaf its `_leaf_signature`. Arrays of other libraries are Tensors among the leaves.
    Every call makes one, so what trees are mostly made of comes first, in one loop.
    """
    leaves: list = []
    signature: list = []
    serials = 0  # of the tensors, or-ed: not 0 if one is being differentiated
    nodes: list[Any] = [kwargs, args]  # still to visit, the next one last
    while nodes:
        node = nodes.pop()
        kind = type(node)
        if kind is Tensor:
            serials |= node.serial
            signature.append((node.value.shape, node.value.dtype))
            leaves.append(node)
        elif kind is np.ndarray:
            signature.append((node.shape, node.dtype))
            leaves.append(node)
        elif kind is dict:
            keys = tree.sorted_keys(node)
            signature.append((dict, *keys))
            nodes += [node[key] for key in reversed(keys)]
        elif kind is list or isinstance(node, tuple):
            signature.append((kind, len(node)))
            nodes += node[::-1]
        elif node is None:
            signature.append((None,))
        elif parts := tree.children(node):
            labels, subtrees, _ = parts
            signature.append((kind, *labels))
            signature += map(_hashable, tree.static_fields(node))
            nodes += reversed(subtrees)
        else:
            leaf = as_own_array(node)
            serials |= leaf.serial if type(leaf) is Tensor else 0
            signature.append(_leaf_signature(leaf))
            leaves.append(leaf)
    return (tuple(signature), state.device, state.products, current()), leaves, bool(serials)


def _leaf_signature(leaf: Any) -> tuple:
    """What a program depends on: an array's shape and dtype, a float's type, else the value.

    Raises TypeError for a random generator and for what cannot be hashed.
    """
    if is_array(leaf):
        return leaf.shape, leaf.dtype
    if is_float(leaf):
        return (type(leaf),)
    if isinstance(leaf, (np.random.Generator, np.random.RandomState, random.Random)):
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
        if _leaf_signature(old) != _leaf_signature(new):
            return f"argument {path}"
    return "the tree"
