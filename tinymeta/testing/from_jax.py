"""A function of JAX's pytrees as one of arrays; jax is handed in.

Any registered pytree will do: its arrays become entries of a dict, by their paths, and are put back
for each call. A pytree that is itself called, as an Equinox module, is its own first argument. All
is computed with 64 bits enabled, here alone, whatever the program has configured.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..core import tree
from .constants import Constant, split_arguments
from .foreign import Foreign, as_numpy, is_floating
from .refusals import name_of


def jax_function(jax: Any, f: Any, args: tuple) -> tuple[Callable, tuple]:
    """(a `Foreign`, its arguments as arrays); see `as_function_of_arrays`."""
    util = jax.tree_util
    name = name_of(f)
    if not util.all_leaves([f]):
        name = type(f).__name__
        f, args = (lambda model, *given: model(*given)), (f, *args)

    paths, structure = util.tree_flatten_with_path(args)
    leaves = [x for _, x in paths]
    ours = tree.leaves(args)
    if len(ours) == len(leaves) and all(a is b for a, b in zip(ours, leaves)):
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
        return tuple(util.tree_leaves(f(*util.tree_unflatten(structure, found))))

    foreign = _Differentiable(jax, of_arrays, name)
    return foreign, rebuild(split_arguments(leaves, moves, as_numpy))


class _Differentiable(Foreign):
    """A function of JAX whose pullback is again such a one, made when it is asked for.

    A pullback is traced once for each dtype, and what was traced is run after that: to trace takes
    ten times as long. One that cannot be traced, as it looks at values, is taken anew each time.
    """

    def __init__(self, jax: Any, f: Callable, name: str):
        super().__init__(_with_64_bits(jax, f), asarray=_with_64_bits(jax, jax.numpy.asarray))
        self.jax, self.of_jax, self.__name__ = jax, f, name
        self.traced: dict[tuple, Callable] = {}

    def __getattribute__(self, name: str) -> Any:
        if name == "backward" and self.__dict__["backward"] is None:
            self.backward = _Differentiable(self.jax, self.pullback, f"backward of {self.__name__}")
        return super().__getattribute__(name)

    @property
    def stacked(self) -> "_Differentiable":
        """This at many points at once: the floating arguments have one more axis, the first."""

        def at_many(*args: Any) -> tuple:
            leaves, rebuild = tree.flatten(args)
            axes = [0 if is_floating(x) else None for x in leaves]
            return self.jax.vmap(lambda *xs: self.of_jax(*rebuild(xs)), in_axes=axes)(*leaves)

        return _Differentiable(self.jax, at_many, self.__name__)

    def pullback(self, us: Any, *args: Any) -> tuple:
        """The gradients of the floating arguments, each an array."""
        leaves, rebuild = tree.flatten(args)
        places = [k for k, x in enumerate(leaves) if is_floating(x)]
        xs = [leaves[k] for k in places]
        cotangents = [u for u in tree.leaves(us) if is_floating(u)]

        def of_floats(*xs: Any) -> tuple:
            complete = list(leaves)
            for k, x in zip(places, xs):
                complete[k] = x
            return tuple(y for y in tree.leaves(self.of_jax(*rebuild(complete))) if is_floating(y))

        def gradients(us: list, xs: list) -> tuple:
            return self.jax.vjp(of_floats, *xs)[1](tuple(us))

        if any(isinstance(x, self.jax.core.Tracer) for x in (*cotangents, *xs)):
            return gradients(cotangents, xs)
        key = tuple((x.shape, x.dtype) for x in (*cotangents, *xs))
        if key not in self.traced:
            self.traced[key] = self._trace(gradients, cotangents, xs)
        return tuple(self.traced[key](cotangents, xs))

    def _trace(self, gradients: Callable, us: list, xs: list) -> Callable:
        try:
            traced = self.jax.make_jaxpr(gradients)(us, xs)
        except TypeError:  # it looks at a value, which a tracer has not
            return gradients
        core = self.jax.core
        return lambda us, xs: core.eval_jaxpr(traced.jaxpr, traced.consts, *us, *xs)


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
        return tree.map(as_numpy, f(*(tree.map(jax.numpy.asarray, x) for x in args)))

    return _with_64_bits(jax, on_arrays)
