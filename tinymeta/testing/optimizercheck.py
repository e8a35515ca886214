"""The check of an optimizer's step, as a function that can be differentiated.

    params_1, state_1 = step(params_0, g_0, state_0);   params_2, state_2 = step(params_1, g_1, ..)

What one learns through an optimizer (a rate, an initialisation, the optimizer itself) needs its
derivative by the parameters, every gradient and the state. A moment that is detached from one step
to the next leaves each single step right: so some steps are taken, and differentiated together.
"""

from collections.abc import Callable, Sequence, Sized
from typing import Any

import numpy as np

from ..core import tree
from ..core.checks import check_function, shown
from .foreign import as_numpy
from .gradcheck import check_grads
from .refusals import name_of
from .report import Report


def check_optimizer_step(
    step: Callable,
    params: Any,
    gradients: Sequence,
    state: Any = None,
    *,
    equation: Callable | None = None,
    order: int = 1,
    seed: int | np.random.Generator = 0,
) -> Report:
    """Check the derivatives of some steps of an optimizer, and that they are steps.

    step(params, gradient, state) -> (params, state), of any framework; params, each of `gradients`
    (one for each step, at least two) and state are trees of its arrays.
    equation: the same step once more, as the paper has it; to compare results with.

    Raises AssertionError as `check_grads` does, and if a step changes the tree, a shape or a dtype
    of parameters or state, or computes something else than `equation`; ValueError for fewer than
    two gradients; TypeError for a step that does not return a pair.
    """
    check_function("check_optimizer_step", step=step)
    name = name_of(step)
    if not isinstance(gradients, Sized) or len(gradients) < 2:
        raise ValueError(
            f"check_optimizer_step: gradients={shown(gradients)}: give two at least, one for each "
            "step, so that what the state carries on is seen"
        )

    def steps(params: Any, gradients: Sequence, state: Any, step: Callable = step) -> Any:
        for g in gradients:
            result = step(params, g, state)
            if not isinstance(result, (tuple, list)) or len(result) != 2:
                raise TypeError(
                    f"check_optimizer_step: {name_of(step)} returns "
                    f"{shown(result)}: return (params, state)"
                )
            params, state = result
        return params, state

    now, kept = params, state
    for k, g in enumerate(gradients, 1):
        after, state_after = steps(now, [g], kept)
        _refuse_other_form(name, k, "the parameters", now, after)
        _refuse_other_form(name, k, "the state", kept, state_after)
        now, kept = after, state_after
    if equation is not None:
        check_function("check_optimizer_step", equation=equation)
        _compare(name, steps(params, gradients, state), steps(params, gradients, state, equation))
    steps.__name__ = name
    return check_grads(steps, params, list(gradients), state, order=order, seed=seed)


def _refuse_other_form(name: str, k: int, what: str, before: Any, after: Any) -> None:
    form = lambda node: [
        (path, tuple(getattr(x, "shape", ())), str(getattr(x, "dtype", type(x).__name__)))
        for path, x in zip(tree.paths(node), tree.leaves(node))
    ]
    for a, b in zip(form(before), form(after)):
        if a != b:
            place = f" at {b[0]}" if a[0] != b[0] else ""
            raise AssertionError(
                f"check_optimizer_step: step {k} of {name} makes of {what}{a[0]}, {a[2]}{a[1]}, "
                f"a {b[2]}{b[1]}{place}: a step keeps tree, shapes and dtypes"
            )
    if len(form(before)) != len(form(after)):
        raise AssertionError(
            f"check_optimizer_step: step {k} of {name} makes of {what}, which has "
            f"{len(form(before))} leaves, {len(form(after))}: give the state that it starts with"
        )


def _compare(name: str, found: Any, expected: Any) -> None:
    forms = [
        [(path, as_numpy(x).shape) for path, x in zip(tree.paths(node), tree.leaves(node))]
        for node in (found, expected)
    ]
    if forms[0] != forms[1]:
        raise AssertionError(
            f"check_optimizer_step: {name} returns {_listed(forms[0])}, and its equation "
            f"{_listed(forms[1])}: let both return (params, state), alike"
        )
    for path, a, b in zip(tree.paths(found), tree.leaves(found), tree.leaves(expected)):
        a, b = as_numpy(a), as_numpy(b)
        error = np.abs(a - b).max(initial=0)
        tolerance = 100 * np.finfo(np.result_type(a, np.float32)).eps * np.abs(b).max(initial=0)
        if not error <= tolerance:
            what = "the parameters" if path.startswith("[0]") else "the state"
            raise AssertionError(
                f"check_optimizer_step: {name} does not follow its equation: {what}{path[3:]} "
                f"{error:.1e} apart"
            )


def _listed(form: list) -> str:
    return ", ".join(f"{path} {shape}" for path, shape in form)
