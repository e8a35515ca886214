"""Gradients of hyperparameters through thousands of inner steps, in bounded memory.

    theta_{k+1} = step(theta_k, h, k),    k = 0 .. K - 1,        L = outer_loss(theta_K, h)

    a_K = dL/dtheta_K,    a_k = a_{k+1} dstep_k/dtheta_k,    dL/dh + sum_k a_{k+1} dstep_k/dh

h is whatever the steps depend on: a learning rate for each step, a regulariser, a weight for each
example. This is reverse mode through the whole descent (Maclaurin, Duvenaud & Adams 2015), exact.

A traced loop of thousands of steps would be a program of millions of equations. Here one step is
compiled, and one step's vector-Jacobian product, which runs the step again by itself; a loop in
Python calls them, each at least K times. So the states theta_k are all that has to be kept, and of
these only some: the steps between two that are kept are run again, as `remat` says (recompute.py).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..core import tree
from ..core.checks import check_flag, check_function, check_whole
from ..core.grad import value_and_grad, vjp
from ..core.scope import state as scope_state
from ..core.tensor import Tensor, asarray
from ..jit import jit
from .recompute import check_remat, run_steps, segment_edges, segment_lengths


class Hypergradient(NamedTuple):
    """The outer loss after all steps, and its derivatives."""

    loss: Tensor  # a number
    grads: Any  # by the hyperparameters, a tree like them
    start_grads: Any  # by the state that the steps began with, a tree like it
    state: Any  # after the last step


def hypergradient(
    step: Callable,
    outer_loss: Callable,
    *,
    steps: int,
    remat: str | None = "nested",
    compiled: bool = True,
) -> Callable:
    """The function `(hyper, start) -> Hypergradient` of the loss after `steps` inner steps.

    step(state, hyper, k) -> the next state, a tree of floating tensors like `state`; k: a 0-d
    integer tensor, from 0 on, so of a tree of rates for each step one takes `tm.take(rates, k)`.
    outer_loss(state, hyper) -> a number. Both are functions of their arguments and constants.
    remat: which states are kept, see recompute.py; the tape is always that of one step, so "sqrt"
    runs each step three times. None records all on one tape, to compare.
    compiled: whether the step and its derivative are. Where the arguments are differentiated again,
    or all of it is traced, the steps are recorded as those of `adapt` are.
    Raises ValueError if steps < 1, for another `remat`, and for a step that changes the state's
    tree, shapes or dtypes; what `grad` raises for other losses and integers.
    """
    check_function("hypergradient", step=step, outer_loss=outer_loss)
    (steps,) = check_whole("hypergradient", steps=steps)
    check_remat("hypergradient", remat)
    check_flag("hypergradient", compiled=compiled)

    def advance(state, hyper, k):
        after = tree.map(asarray, step(state, hyper, k))
        _check_like(state, after)
        return after

    def pullback(state, hyper, k, state_cotangent, hyper_cotangent):
        """From the cotangent of the state after step k to that of the state before it.

        hyper_cotangent: of the later steps; that of this step is added to it.
        """
        _, pull = vjp(lambda state, hyper: advance(state, hyper, k), state, hyper)
        before, of_this_step = pull(state_cotangent)
        return before, tree.map(lambda total, part: total + part, hyper_cotangent, of_this_step)

    loss_and_grads = value_and_grad(outer_loss, (0, 1))
    as_asked = jit if compiled else lambda f: f
    one = _OneStep(as_asked(advance), as_asked(pullback), as_asked(loss_and_grads))

    def on_one_tape(hyper, start):
        def loss_after(hyper, start):
            def numbered(k, state):
                return advance(state, hyper, asarray(k))

            state = run_steps(numbered, start, steps, remat)
            return outer_loss(state, hyper), state

        (loss, state), grads = value_and_grad(loss_after, (0, 1), has_aux=True)(hyper, start)
        return Hypergradient(loss, *grads, state)

    def of_arguments(hyper, start):
        hyper, start = tree.map(asarray, (hyper, start))
        is_tracked = any(x.serial for x in tree.leaves((hyper, start)))
        if remat is None or is_tracked or scope_state.interpreter is not None:
            return on_one_tape(hyper, start)
        lengths = segment_lengths(steps, remat)
        if lengths[-1] > 1:
            lengths = (*lengths, 1)
        return _Descent(one, hyper, lengths).differentiated(start, steps)

    return of_arguments


class _OneStep(NamedTuple):
    """The three functions that a descent and its derivative are made of, compiled if so asked."""

    advance: Callable  # (state, hyper, k) -> the next state
    pullback: Callable  # (state, hyper, k, cotangents of the next state and of hyper) -> of these
    loss_and_grads: Callable  # (state, hyper) -> (loss, gradients by both)


class _Descent(NamedTuple):
    """Steps at some hyperparameters, in segments of these lengths level by level, 1 in the end."""

    one: _OneStep
    hyper: Any
    lengths: tuple[int, ...]

    def differentiated(self, start: Any, steps: int) -> Hypergradient:
        """From the start to the end, and back."""
        kept = self._segment_states(0, steps, 0, start)
        last, _ = segment_edges(0, steps, self.lengths[0])[-1]
        state = self._advanced(last, steps, kept[-1])
        loss, cotangents = self.one.loss_and_grads(state, self.hyper)
        start_grads, grads = self._pulled_back(0, steps, 0, kept, cotangents)
        return Hypergradient(loss, grads, start_grads, state)

    def _advanced(self, begin: int, end: int, state: Any) -> Any:
        for k in range(begin, end):
            state = self.one.advance(state, self.hyper, asarray(k))
        return state

    def _segment_states(self, start: int, stop: int, level: int, state: Any) -> list:
        """The states at which this level's segments begin, the first of which is given."""
        kept = [state]
        for begin, end in segment_edges(start, stop, self.lengths[level])[:-1]:
            kept.append(self._advanced(begin, end, kept[-1]))
        return kept

    def _pulled_back(
        self, start: int, stop: int, level: int, kept: list, cotangents: tuple
    ) -> tuple:
        """From the cotangents (of the state, of hyper) at `stop` to those at `start`.

        kept: the states at which the segments begin; they are let go on the way.
        """
        is_last_level = level == len(self.lengths) - 1
        for begin, end in reversed(segment_edges(start, stop, self.lengths[level])):
            state = kept.pop()
            if is_last_level:
                cotangents = self.one.pullback(state, self.hyper, asarray(begin), *cotangents)
            else:
                inner = self._segment_states(begin, end, level + 1, state)
                cotangents = self._pulled_back(begin, end, level + 1, inner, cotangents)
        return cotangents


def _check_like(before: Any, after: Any) -> None:
    """Raise ValueError unless two states are trees of one structure, shapes and dtypes."""
    parts = tree.paths(before, "state")
    found = tree.paths(after, "state")
    if parts != found:
        raise ValueError(
            f"hypergradient: step returned {', '.join(found)} for {', '.join(parts)}: "
            "it must return a tree like the state"
        )
    for part, x, y in zip(parts, tree.leaves(before), tree.leaves(after)):
        if (x.dtype, x.shape) != (y.dtype, y.shape):
            raise ValueError(
                f"hypergradient: step made {y.dtype}{y.shape} of {part}, {x.dtype}{x.shape}: "
                "a state keeps its shapes and dtypes"
            )
