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
from .foreign import Foreign, as_numpy
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

    def vjp(f: Callable, *xs: Any) -> tuple[Any, Callable]:
        ys, pull = jax.vjp(f, *xs)
        return ys, _with_64_bits(jax, pull)

    foreign = Foreign(
        _with_64_bits(jax, of_arrays),
        vjp=_with_64_bits(jax, vjp),
        asarray=_with_64_bits(jax, jax.numpy.asarray),
    )
    foreign.__name__ = name
    return foreign, rebuild(split_arguments(leaves, moves, as_numpy))


def _with_64_bits(jax: Any, f: Callable) -> Callable:
    """`f`, run with float64 enabled."""
    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64

    @wraps(f)
    def wrapped(*args: Any) -> Any:
        with enable(True):
            return f(*args)

    return wrapped
