"""Forward mode: the derivative along a tangent, which each operation carries to its result.

An example before the mechanism: jvp(f, (2.0,), (1.0,)) for f(x) = sin(x) * x.

    what runs       primal      tangent                    of which rules
    x               2           1                          (given)
    s = sin(x)      sin 2       cos 2                      u -> u cos x,  transposed: t -> t cos x
    y = mul(s, x)   2 sin 2     2 cos 2 + 1 sin 2          u -> u x, u -> u s, transposed and added

No operation needs a second rule: that of reverse mode is transposed (transpose.py). What is left to
do here is to run each operation twice, on primals and on tangents, and to keep the two apart.

Invariant: while `jvp` runs its function, each tensor made from the arguments has a `dual`: its
primal and its tangent, which are tensors of whoever called jvp. Operations on these are run in the
caller's state (`outside`), so an enclosing `grad` records them, an enclosing jvp carries tangents
of its own through them, and a trace compiles them. Nothing of this jvp is seen there: two tangents
of one value cannot be confused. A `grad` inside sees tensors as ever, and its backward pass is made
of operations, through which tangents are carried like through any.

Cost: each operation twice, and what its rule computes besides. Nothing is recorded for a jvp, so
its memory is that of the function run without a derivative, twice. The other way, which records
the function, its pullback and the pullback's pullback, holds all values of all three.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import numpy as np

from . import tree
from .checks import check_flag, check_function, check_instance
from .grad import as_cotangent, zeros_like
from .primitive import require
from .scope import setting, state
from .tensor import Tensor, asarray, serials
from .transpose import pushed_tangent


class Dual(NamedTuple):
    """What a tensor is made of inside a jvp: tensors of the jvp's caller."""

    primal: Tensor
    tangent: Tensor | None  # None: zero
    of: "Pushforward"  # the jvp that it belongs to: jvps nest, and each has duals of its own


class Pushforward:
    """A call of `jvp` while its function runs: it runs each operation on primals and on tangents.

    It is `state.forward`, which `bind` asks for the result (primitive.py).
    """

    def __init__(self) -> None:
        self.first_serial = next(serials)  # what was made before has a smaller one
        self.outer, self.recording = state.forward, state.recording

    def outside(self) -> AbstractContextManager[None]:
        """The state of the caller, in which primals and tangents are computed."""
        return setting(forward=self.outer, recording=self.recording)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The state in which the function runs; the caller is who asks for it, as a checkpoint
        runs a part of the function again after jvp has returned."""
        before = self.outer, self.recording
        self.outer, self.recording = state.forward, state.recording
        try:
            with setting(forward=self, recording=False):
                yield
        finally:
            self.outer, self.recording = before

    def variable(self, x: Tensor, tangent: Tensor | None) -> Tensor:
        """An argument of the function: `x` with this tangent, if it is of floats."""
        return _with_dual(x.value, Dual(x, tangent, self)) if x.dtype.kind == "f" else x

    def dual_of(self, t: Tensor) -> Dual | None:
        """The primal and tangent of `t`; None if it depends on nothing outside."""
        if t.dual is not None and t.dual.of is self:
            return t.dual
        is_from_outside = 0 < t.serial < self.first_serial  # closed over, tracked by the caller
        return Dual(t, None, self) if is_from_outside else None

    def primal_of(self, t: Tensor) -> Tensor:
        """`t` as the caller may see it: without this tangent, with the caller's own history."""
        dual = self.dual_of(t)
        if dual is None:  # tracked, if at all, by a grad inside: to the caller a constant
            return Tensor(t.value) if t.serial else t
        return dual.primal

    def tangent_of(self, t: Tensor) -> Tensor:
        """The tangent of `t`, zeros if there is none."""
        dual = self.dual_of(t)
        is_zero = dual is None or dual.tangent is None
        return zeros_like(t) if is_zero else dual.tangent  # type: ignore[union-attr,return-value]

    def result_of(self, run: Callable, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Any, dict]:
        """(the result of one operation on `inputs`, who has its derivative rule, its static).

        run: the operation, a function of tensors like `inputs` to such a triple.
        """
        duals = [self.dual_of(t) for t in inputs]
        tangents = {
            i: dual.tangent
            for i, dual in enumerate(duals)
            if dual is not None and dual.tangent is not None
        }
        primals = tuple(map(self.primal_of, inputs))
        with self.outside():
            y, primitive, static = run(primals)
            node = Tensor(y.value, primitive, primals, static, y.serial, y.order, y.dual)
            tangent = pushed_tangent(node, tangents)
        is_constant = tangent is None and not y.serial
        dual = None if is_constant else Dual(y, tangent, self)
        if state.recording and any(t.primitive for t in inputs):  # a grad inside of the jvp
            made_by = primitive, inputs, static
            result = Tensor(y.value, *made_by, next(serials), state.order, dual)
        else:
            result = Tensor(y.value) if dual is None else _with_dual(y.value, dual)
        return result, primitive, static


def _with_dual(value: Any, dual: Dual) -> Tensor:
    """A tensor without a history that is tracked, as it has a dual."""
    return Tensor(value, None, (), None, next(serials), state.order, dual)


def jvp(f: Callable, primals: tuple, tangents: tuple, has_aux: bool = False) -> tuple:
    """`(f(*primals), J @ tangents)`, the derivative of `f` along `tangents`, and aux with has_aux.

    Both are trees like f's result. `tangents` are trees like `primals`; that of an integer or bool
    is zero, as are those of integer results. It is linear in `tangents`, can be nested with any
    other derivative, and holds nothing of the function's past.

    Raises ValueError if a tangent differs from its primal in structure, shape or dtype, or is not
    zero for an integer.

    >>> import tinymeta as tm
    >>> y, slope = tm.jvp(tm.sin, (0.0,), (1.0,))
    >>> float(y), float(slope)
    (0.0, 1.0)
    """
    check_function("jvp", f=f)
    check_flag("jvp", has_aux=has_aux)
    check_instance("jvp", (tuple, list), "of arguments", primals=primals, tangents=tangents)
    primals, tangents = tuple(primals), tuple(tangents)
    vs = tree.map(_as_tangent, primals, tangents)
    forward = Pushforward()
    arguments = tree.map(forward.variable, tree.map(asarray, primals), vs)
    with forward.inside():
        result = f(*arguments)
        value, aux = result if has_aux else (result, None)
        value = tree.map(asarray, value)
    found = tree.map(forward.primal_of, value), tree.map(forward.tangent_of, value)
    if not has_aux:
        return found
    return (*found, tree.map(lambda x: forward.primal_of(x) if type(x) is Tensor else x, aux))


def _as_tangent(x: Any, v: Any) -> Tensor:
    """`v` as a tangent of `x`. Raises ValueError if it differs from it, or moves an integer."""
    x = asarray(x)
    if x.dtype.kind != "f":
        v = asarray(v)
        require(v, _refuse_moving)
        v = v.astype(x.dtype)
    return as_cotangent(x, v, "tangent", "argument")


def _refuse_moving(v: np.ndarray) -> None:
    if v.any():
        raise ValueError(
            "the tangent of an integer or bool argument must be zero: these do not move; cast the "
            "argument to a float if it should"
        )
