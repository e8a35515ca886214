"""A function of JAX's pytrees as one of arrays; jax is handed in.

Any registered pytree will do: its arrays become entries of a dict, by their paths, and are put back
for each call. A pytree that is itself called, as an Equinox module, is its own first argument. All
is computed with 64 bits enabled, here alone, whatever the program has configured.
"""

import operator
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from ..core import tree
from .constants import Constant, split_arguments
from .foreign import Foreign, as_numpy, is_floating
from .refusals import name_of

_KEPT = 4  # points of a function whose values are kept


def jax_function(jax: Any, f: Any, args: tuple) -> tuple[Callable, tuple]:
    """(a `Foreign`, its arguments as arrays); see `as_function_of_arrays`."""
    util = jax.tree_util
    name = name_of(f)
    if not util.all_leaves([f]):
        name = type(f).__name__
        args = (f, *args)
        f = lambda model, *given: model(*given)

    paths, structure = util.tree_flatten_with_path(args)
    leaves = [x for _, x in paths]
    ours = tree.leaves(args)
    all_are_known = len(ours) == len(leaves) and all(map(operator.is_, ours, leaves))
    if all_are_known:
        rebuild: Callable = tree.flatten(args)[1]
    else:  # it has nodes that only JAX knows
        keys = [f"{k:03} {util.keystr(path)}" for k, (path, _) in enumerate(paths)]
        rebuild = lambda leaves: (dict(zip(keys, leaves)),)

    def moves(k: int, x: Any) -> bool:
        if not hasattr(x, "dtype"):
            return isinstance(x, float)
        return jax.numpy.issubdtype(x.dtype, jax.numpy.floating)

    def of_arrays(*given: Any) -> tuple:
        found = [x.value if isinstance(x, Constant) else x for x in tree.leaves(given)]
        arguments = util.tree_unflatten(structure, found)
        return tuple(util.tree_leaves(f(*arguments)))

    foreign = _Differentiable(jax, of_arrays, name)
    return foreign, rebuild(split_arguments(leaves, moves, as_numpy))


class _Differentiable(Foreign):
    """A function of JAX whose pullback is again such a one, made when it is asked for.

    A pullback is traced once for each dtype, and what was traced is run after that: to trace takes
    ten times as long. One that cannot be traced, as it looks at values, is taken anew each time.
    Each operation that JAX runs takes longer than its numbers, so fewer are run: of a difference
    all points at once (`stacked`).
    """

    def __init__(self, jax: Any, f: Callable, name: str, is_pullback: bool = False):
        super().__init__(_with_64_bits(jax, f), asarray=_with_64_bits(jax, jax.numpy.asarray))
        self.jax, self.of_jax, self.__name__ = jax, f, name
        self.traced: dict[tuple, Any] = {}  # by shapes and dtypes; None: it cannot be
        self.is_pullback = is_pullback
        self.seen: dict[tuple, tuple[int, Any]] = {}

    def __getattribute__(self, name: str) -> Any:
        if name == "backward" and self.__dict__["backward"] is None:
            named = f"backward of {self.__name__}"
            self.backward = _Differentiable(self.jax, self.pullback, named, is_pullback=True)
        return super().__getattribute__(name)

    def _value(self, arguments: Callable, copies: list[np.ndarray], others: list) -> Any:
        """The value, computed anew until it was computed twice at these inputs, the last few.

        So one that is random is seen, and a check, which asks for a dozen pullbacks at one point,
        does not compute the value for each. A pullback is computed anew each time.
        """
        arrays = [x for x in others if hasattr(x, "dtype")]
        if self.is_pullback or not all(map(is_floating, arrays)):
            return super()._value(arguments, copies, others)
        key = tuple((x.shape, x.dtype, x.tobytes()) for x in copies)
        times, result = self.seen.get(key, (0, None))
        if times < 2:
            result = super()._value(arguments, copies, others)
            if len(self.seen) >= _KEPT:
                del self.seen[next(iter(self.seen))]  # the oldest
            self.seen[key] = (times + 1, result)
        return result

    @property
    def stacked(self) -> "_Differentiable":
        """This at many points at once: the floating arguments have one more axis, the first."""

        def at_many(*args: Any) -> tuple:
            leaves, rebuild = tree.flatten(args)
            places = [k for k, x in enumerate(leaves) if is_floating(x)]

            def at_one(*xs: Any) -> tuple:
                return self.of_jax(*rebuild(_with_floats(leaves, places, xs)))

            floating = [leaves[k] for k in places]
            return tuple(many._run(self.jax.vmap(at_one), *floating))

        many = _Differentiable(self.jax, at_many, self.__name__)
        return many

    def pullback(self, us: Any, *args: Any) -> tuple:
        """The gradients of the floating arguments, each an array."""
        leaves, rebuild = tree.flatten(args)
        places = [k for k, x in enumerate(leaves) if is_floating(x)]
        xs = [leaves[k] for k in places]
        cotangents = [u for u in tree.leaves(us) if is_floating(u)]

        def of_floats(*xs: Any) -> tuple:
            arguments = rebuild(_with_floats(leaves, places, xs))
            found = self.of_jax(*arguments)
            return tuple(y for y in tree.leaves(found) if is_floating(y))

        def gradients(us: list, xs: list) -> tuple:
            _, pull = self.jax.vjp(of_floats, *xs)
            return pull(tuple(us))

        return tuple(self._run(gradients, cotangents, xs))

    def _run(self, f: Callable, *args: Any) -> Any:
        """The leaves of f(*args), from its trace; f is the same at each call, all but its values.

        One that cannot be traced, as it looks at values, which a tracer has not, is just called.
        """
        util, core = self.jax.tree_util, self.jax.core
        leaves = util.tree_leaves(args)
        if any(isinstance(x, core.Tracer) for x in leaves):
            return f(*args)
        key = tuple((x.shape, x.dtype) for x in leaves)
        if key not in self.traced:
            try:
                self.traced[key] = self.jax.make_jaxpr(f)(*args)
            except TypeError:
                self.traced[key] = None
        traced = self.traced[key]
        if not traced:
            return f(*args)
        return core.eval_jaxpr(traced.jaxpr, traced.consts, *leaves)


def _with_floats(leaves: list, places: list[int], xs: tuple) -> list:
    """The leaves, with xs at these places."""
    complete = list(leaves)
    for k, x in zip(places, xs):
        complete[k] = x
    return complete


def _with_64_bits(jax: Any, f: Callable) -> Callable:
    """`f`, run with float64 enabled."""
    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64

    @wraps(f)
    def wrapped(*args: Any) -> Any:
        with enable(True):
            return f(*args)

    return wrapped


def on_jax_arrays(jax: Any, f: Callable) -> Callable:
    """`f` of trees of JAX's arrays, as a function of trees of NumPy arrays."""

    def on_arrays(*args: Any) -> Any:
        of_jax = [tree.map(jax.numpy.asarray, x) for x in args]
        return tree.map(as_numpy, f(*of_jax))

    return _with_64_bits(jax, on_arrays)
