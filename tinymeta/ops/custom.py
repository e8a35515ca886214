"""A function whose derivative is given: straight-through estimators, stable forms, solvers.

An example before the mechanism: log(1 + exp(x)), whose slope is exp(x) / (1 + exp(x)), which
overflows where 1 / (1 + exp(-x)) does not.

    softplus = tm.custom_vjp(
        f,                                             f(x) = log(1 + exp(x))
        lambda x: (f(x), x),                           fwd(x) = (f(x), residuals)
        lambda x, g: (g / (1.0 + tm.exp(-x)),),        bwd(residuals, g) = (cotangent of x,)
    )

On the tape, a call is one node, whatever f does inside. Its rule is bwd, which is made of
operations: so it is differentiated in turn, and transposed for forward mode (core/forward.py). The
residuals are made from the arguments by operations, too, and keep that history, so a second
derivative goes through them as through anything. A residual that is one of the results is the
node's own result again: its derivative is bwd, not that of what fwd did to find it.

Cost: that of fwd and bwd; for a grad inside a jvp, fwd once more.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..core import tree
from ..core.checks import check_function, is_array, shown
from ..core.grad import detach
from ..core.scope import setting, state
from ..core.tape import tape_between
from ..core.tensor import Tensor, asarray, serials
from .checkpoint import pack, unpack
from .create import zeros_like


class _Rules(NamedTuple):
    """What the user gave, and where the floating leaves of the arguments are."""

    name: str
    fwd: Callable
    bwd: Callable
    arguments: Callable  # of f, given the floating ones among their leaves
    places: list[int]  # of these among all leaves


class _ResultAt:
    """Stands among the residuals for a result: the node would hold itself."""

    def __init__(self, place: int):
        self.place = place


class _Call:
    """One call: the provenance of the packed vector of its results."""

    def __init__(self, rules: _Rules, inputs: tuple[Tensor, ...]):
        self.rules, self.inputs, self.name = rules, inputs, rules.name
        pair = _run(self.name, rules.fwd, rules.arguments(inputs), inputs)
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(
                f"custom_vjp: the fwd of {self.name} must return a pair (result, residuals), "
                f"got {shown(pair)}"
            )
        results, self.rebuild = tree.flatten(pair[0])
        result_at = {id(y): _ResultAt(k) for k, y in enumerate(results)}
        self.residuals = tree.map(lambda x: result_at.get(id(x), x), pair[1])
        self.results = [detach(asarray(y)) for y in results]

    def input_cotangents(self, g: Tensor, y: Tensor, wanted: list[int]) -> list[Tensor | None]:
        """What bwd returns for the inputs `wanted`; None where that is None."""
        call = self
        if y.inputs is not self.inputs:  # a grad inside a jvp, whose residuals have tangents
            call = _Call(self.rules, y.inputs)
        results = unpack(y, call.results)
        residuals = tree.map(
            lambda x: results[x.place] if type(x) is _ResultAt else x, call.residuals
        )
        gs = [_cotangent_of_result(u) for u in unpack(g, call.results)]
        cotangents = self.rules.bwd(residuals, call.rebuild(gs))
        arguments = self.rules.arguments(y.inputs)
        of_leaves = _by_leaf(self.name, arguments, cotangents)
        return [of_leaves[self.rules.places[i]] for i in wanted]


def _cotangent_of_result(u: Tensor) -> Tensor:
    """As it is; zeros for a result of integers."""
    return u if u.dtype.kind == "f" else zeros_like(u)


def custom_vjp(f: Callable, fwd: Callable, bwd: Callable) -> Callable:
    """`f` with a derivative of its own, at every order and in both modes.

    fwd(*args) returns (f(*args), residuals), a tree of what bwd needs; bwd(residuals, g) returns a
    tuple of cotangents, one like each argument, or None where there is no derivative. `g` is like
    the result of f. bwd is made of operations, and linear in g. Arguments and results are trees of
    tensors; what else is among the arguments is handed on as it is.

    What is being differentiated may be used only as an argument: ValueError for a tensor that f or
    fwd closes over. Raises TypeError if fwd returns no pair, and ValueError, naming the argument,
    where bwd returns what has not its structure, shape or dtype.

    >>> import tinymeta as tm
    >>> sign = tm.custom_vjp(tm.sign, lambda x: (tm.sign(x), None), lambda _, g: (g,))
    >>> float(sign(-2.0)), float(tm.grad(sign)(-2.0))  # straight through
    (-1.0, 1.0)
    """
    check_function("custom_vjp", f=f, fwd=fwd, bwd=bwd)
    name = getattr(f, "__name__", "f")

    def wrapped(*args: Any) -> Any:
        leaves, rebuild = tree.flatten(args)
        places = [k for k, x in enumerate(leaves) if _is_floating(x)]
        inputs = tuple(asarray(leaves[k]) for k in places)

        def arguments(tensors: tuple[Tensor, ...]) -> Any:
            full = list(leaves)
            for k, t in zip(places, tensors):
                full[k] = t
            return rebuild(full)

        if not any(t.serial for t in inputs):
            return _run(name, f, args, inputs)
        rules = _Rules(name, fwd, bwd, arguments, places)

        def run(tensors: tuple[Tensor, ...]) -> tuple[Tensor, _Call]:
            call = _Call(rules, tensors)
            return pack(call.results), call

        packed, call, _ = run_as_one(run, inputs)
        return call.rebuild(unpack(packed, call.results))

    wrapped.__name__, wrapped.__doc__ = name, f.__doc__
    return wrapped


def run_as_one(run: Callable, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Any, dict]:
    """What `bind` does of a primitive, for a computation that is to be one node of the tape.

    run: of tensors like `inputs`, to (its result, who has `name` and `input_cotangents`).
    Returns the result, who has the rule, and no static.
    """
    is_tracked = any(t.serial for t in inputs)
    if state.forward is not None and is_tracked:
        return state.forward.result_of(partial(run_as_one, run), inputs)
    y, call = run(inputs)
    if state.recording and is_tracked:
        node = Tensor(y.value, call, inputs, {}, next(serials), state.order)
        return node, call, {}
    return Tensor(y.value), call, {}


def _is_floating(x: Any) -> bool:
    if not is_array(x) or isinstance(x, np.generic):
        return False
    return x.dtype.kind == "f"


def _run(name: str, f: Callable, args: tuple, inputs: tuple[Tensor, ...]) -> Any:
    """f(*args). Raises ValueError if it is made of a tracked tensor that is none of `inputs`."""
    first_serial = next(serials)
    with setting(recording=True):
        result = f(*args)
    made = [t for t in tree.leaves(result) if type(t) is Tensor]
    if tape_between(made, list(inputs), first_serial).older_tracked:
        raise ValueError(
            f"custom_vjp: {name} closes over a tensor that is being differentiated, whose gradient "
            "would be lost: make it an argument, or take stop_gradient of it"
        )
    return result


def _by_leaf(name: str, args: tuple, cotangents: Any) -> list[Tensor | None]:
    """What bwd returned for each leaf of the arguments; None where there is no derivative."""
    is_tuple = isinstance(cotangents, (tuple, list))
    if is_tuple and len(cotangents) == len(args):
        found: list[Tensor | None] = []
        for k, (x, g) in enumerate(zip(args, cotangents)):
            found += _of_tree(name, x, g, f"[{k}]")
        return found
    raise ValueError(
        f"custom_vjp: the bwd of {name} must return a tuple of {len(args)}, a cotangent like each "
        f"argument, got {shown(cotangents)}"
    )


def _of_tree(name: str, x: Any, g: Any, path: str) -> list[Tensor | None]:
    """The leaves of `g`, a tree like `x`, whose subtrees and leaves may be None."""
    if g is None:
        return [None] * len(tree.leaves(x))
    parts = tree.children(x)  # (labels, subtrees, rebuild), or None of a leaf
    parts_of_g = tree.children(g)
    if parts is None and parts_of_g is None:
        return [_of_leaf(name, x, g, path)]
    if parts and parts_of_g and type(x) is type(g):
        labels, subtrees, _ = parts
        labels_of_g, subtrees_of_g, _ = parts_of_g
        if list(labels) == list(labels_of_g):
            found: list[Tensor | None] = []
            for label, part, part_of_g in zip(labels, subtrees, subtrees_of_g):
                found += _of_tree(name, part, part_of_g, f"{path}[{label!r}]")
            return found
    raise ValueError(
        f"custom_vjp: the bwd of {name} returned {shown(g)} for argument {path}, which is "
        f"{shown(x)}: return a tree like it, or None"
    )


def _of_leaf(name: str, x: Any, g: Any, path: str) -> Tensor | None:
    """The cotangent of a leaf; None where the leaf is no floating array."""
    if not _is_floating(x):
        return None
    g = asarray(g)
    if g.shape != x.shape or g.dtype != x.dtype:
        raise ValueError(
            f"custom_vjp: the bwd of {name} returned {g.dtype}{g.shape} for argument "
            f"{path}, which is {x.dtype}{x.shape}: they must agree"
        )
    return g
