"""All that is asked of a primitive, ours or yours, on the cases of its strategy.

It has a derivative rule, or None, for each input. Its kernel (kernelcheck.py) fills all of `out` by
the shape rule, leaves its inputs alone, reads them by their strides and computes the same in every
dtype but for rounding. Its derivatives are right to third order in every dtype, forward and reverse
mode are over each other, and they are made of operations of the registry: the set is closed under
differentiation, which is why every order comes free.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from .. import ops
from ..core.device import device, devices
from ..core.grad import grad, vjp
from ..core.primitive import Primitive, registry, replaced, run_eagerly
from ..core.scope import setting
from .cases import Case, strategy_for
from .gradcheck import check_grads
from .identities import check_identities
from .kernelcheck import check_equal_values, check_kernel, in_dtype
from .refusals import Vacuous
from .report import Undecided

SEEDS = st.integers(0, 2**32 - 1)
# Without Phase.explain, which traces each line of Python while a case is made smaller, at several
# times the cost: a check's own sentence says what is wrong.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink)


def registry_test(*names: Primitive | str, examples: int = 15) -> Callable:
    """A pytest test of the primitives of these names, or of all but those replaced, one by one.

    examples: as of `check_primitive`.

    test_primitives = registry_test("cube", "my_sort")
    """
    import pytest

    present = [name for name, op in sorted(registry.items()) if op not in replaced]

    @pytest.mark.parametrize("name", [getattr(n, "name", n) for n in names] or present)
    def test(name: str) -> None:
        check_primitive(name, examples=examples)

    return test


def check_primitive(
    op: Primitive | str,
    *,
    order: int = 3,
    dtypes: Sequence = (np.float32, np.float64),
    devices: tuple[str, ...] | None = None,
    examples: int = 15,
) -> None:
    """Check a primitive, by itself or its name, on `examples` cases of `strategy_for(op)`.

    Half as many decide the derivatives, from the first to the `order`-th, and a few what holds for
    all derivatives. dtypes: of the floating inputs; what a kernel and its derivatives are in one
    shorter than float64 is compared with what they are in that.
    devices: by name; None for all that can be used here.
    Raises AssertionError, with a case made as small as hypothesis can; KeyError if it has no
    strategy; NotImplementedError if it has no kernel; RuntimeError if a device is not usable.
    """
    op = registry[op] if isinstance(op, str) else op
    dtypes = [np.dtype(dtype) for dtype in dtypes]
    shortest = min(dtypes, key=lambda dtype: dtype.itemsize)
    half, few = (examples + 1) // 2, min(examples, 5)
    has_rules = callable(op.vjps) or any(op.vjps)
    for name in _usable_devices() if devices is None else devices:
        with device(name):
            for dtype in dtypes:
                on_cases(op, examples, lambda c, seed: check_kernel(op, c, dtype, name, seed))
                on_cases(op, few, lambda c, seed: check_equal_values(op, c, dtype, name))
            if has_rules:
                on_cases(op, half, lambda c, seed: _check_derivatives(op, c, shortest, order, seed))
                for dtype in dtypes:
                    on_cases(op, min(half, 3), lambda c, seed: _check_linear(op, c, dtype, seed))
                on_cases(op, min(half, 2), lambda c, seed: _check_mixed_modes(op, c, order, seed))
                if op.branch is not None:
                    on_cases(op, half, lambda c, seed: _check_zero_where_flat(op, c))
    on_cases(op, few, lambda c, seed: _check_number_of_rules(op, c))
    if has_rules:
        on_cases(op, 2, lambda c, seed: _check_closed(op, c, order))


def _usable_devices() -> list[str]:
    return [name for name, reason in devices().items() if reason is True]


def on_cases(op: Primitive, examples: int, check_case: Callable) -> None:
    """Call `check_case(case, seed)` on so many cases of the strategy of `op`.

    A case on which it raises Vacuous does not count. Raises what it raises, AssertionError if no
    case counts. Settings not named here are those of the loaded hypothesis profile.
    """
    drawn: list[Case] = []

    @settings(
        max_examples=examples,
        phases=[phase for phase in settings().phases if phase in PHASES],
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(strategy_for(op), SEEDS)
    def on_each(case: Case, seed: int) -> None:
        drawn.append(case)
        try:
            check_case(case, seed)
        except Vacuous:  # nothing moves, such as an empty array: it runs, but does not count
            assume(False)

    try:
        on_each()
    except Unsatisfiable:
        raise AssertionError(
            f"{op.name}: its derivatives cannot be wrong on any case of its "
            "strategy, where its value never moves"
            if drawn
            else f"{op.name}: its shape rule takes no arrays of one shape: add cases "
            "with tm.testing.register"
        ) from None


# ---- what is asked of its derivative rules ------------------------------------------------------


def _check_number_of_rules(op: Primitive, case: Case) -> None:
    """One derivative rule, or None, for each input."""
    rules = len(case.inputs) if callable(op.vjps) else len(op.vjps)
    assert rules == len(case.inputs), (
        f"{op.name} has {rules} derivative rules for {len(case.inputs)} inputs"
    )


def _check_derivatives(op: Primitive, case: Case, dtype: np.dtype, order: int, seed: int) -> None:
    """They agree with differences, from the first to the `order`-th, in float64 and in `dtype`."""
    f = _with_static(op, case)
    check_grads(f, *in_dtype(case, dtype), order=order, n_dirs=1, seed=seed)


def _check_mixed_modes(op: Primitive, case: Case, order: int, seed: int) -> None:
    """They agree with differences in forward and reverse mode, mixed in every way."""
    f = _with_static(op, case)
    args = in_dtype(case, np.dtype(np.float64))
    check_grads(f, *args, order=order, n_dirs=1, modes=("fwd", "rev"), seed=seed)


def _check_linear(op: Primitive, case: Case, dtype: np.dtype, seed: int) -> None:
    """Its pullback is linear, has the pushforward as its adjoint, and a symmetric Hessian."""
    try:
        check_identities(_with_static(op, case), *in_dtype(case, dtype), seed=seed)
    except Undecided:  # a stationary point, where all sides are zero
        assume(False)


def _check_zero_where_flat(op: Primitive, case: Case) -> None:
    """Where a piece is flat, its gradient is 0 for any cotangent: for infinity, too, not 0 * inf.

    Else a piece that was not selected makes NaN of a gradient, as in log(relu(x)) at x < 0.
    """
    y, pull = vjp(_with_static(op, case), *case.inputs)
    with np.errstate(invalid="ignore"):
        slopes, of_infinity = (pull(np.full(y.shape, u, y.dtype)) for u in (1.0, np.inf))
    for k, (slope, g) in enumerate(zip(slopes, of_infinity)):
        assert not g.numpy()[slope.numpy() == 0].any(), (
            f"{op.name}: rule {k} lets an infinite cotangent through where its slope is 0: "
            "select there, or use product_or_zero"
        )


def _with_static(op: Primitive, case: Case) -> Callable:
    """The operation as a function of arrays alone, under its own name."""

    def named(*xs: Any) -> Any:
        return op(*xs, **case.static)

    named.__name__ = op.name
    return named


def _check_closed(op: Primitive, case: Case, order: int) -> None:
    """All operations that its rules call, and the rules of those, are in the registry."""
    called = set()

    def record(primitive: Primitive, values: list, static: dict) -> Any:
        called.add(primitive)
        return run_eagerly(primitive, values, static)

    first = next(k for k, x in enumerate(case.inputs) if x.dtype.kind == "f")

    def value(x: Any) -> Any:
        inputs = (*case.inputs[:first], x, *case.inputs[first + 1 :])
        return ops.sum(ops.square(op(*inputs, **case.static)))

    def squared_gradient(f: Callable) -> Callable:
        return lambda x: ops.sum(ops.square(grad(f)(x)))

    f = value
    for _ in range(order):
        f = squared_gradient(f)
    with setting(interpreter=record):
        f(case.inputs[first])
    strangers = sorted(p.name for p in called if registry.get(p.name) is not p)
    assert op in called and not strangers, f"{op.name} calls {strangers}, not in the registry"
