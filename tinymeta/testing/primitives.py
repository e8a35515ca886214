"""All that is asked of a primitive, ours or yours, on the cases of its strategy.

It has a derivative rule, or None, for each input. Its kernel fills all of `out` by the shape rule,
leaves its inputs alone, reads them by their strides and computes in every dtype the same but for
rounding. Its derivatives are right to third order in every dtype, and made of operations of the
registry: the set is closed under differentiation, which is why every order comes free.
"""

from collections.abc import Callable

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from .. import ops
from ..core.device import device, devices, find_kernel, move
from ..core.grad import grad, vjp
from ..core.primitive import Primitive, registry, replaced, run_eagerly
from ..core.scope import setting
from ..core.tensor import Tensor
from .cases import strategy_for
from .gradcheck import check_grads
from .identities import check_identities
from .layouts import SAME_ENTRIES, spread
from .report import Undecided
from .subject import Vacuous

EDGES = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.5])
SEEDS = st.integers(0, 2**32 - 1)
ULPS = 64  # how far two computations may be apart, in roundings of the largest
LONG = 10_001  # entries: more than a block, a chunk or a vector register holds


def registry_test(*names: Primitive | str) -> Callable:
    """A pytest test of the primitives of these names, or of all but those replaced, one by one.

    test_primitives = registry_test("cube", "my_sort")
    """
    import pytest

    present = [name for name, op in sorted(registry.items()) if op not in replaced]

    @pytest.mark.parametrize("name", [getattr(n, "name", n) for n in names] or present)
    def test(name):
        check_primitive(name)

    return test


def check_primitive(
    op: Primitive | str,
    *,
    order: int = 3,
    dtypes=(np.float32, np.float64),
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
    for name in usable() if devices is None else devices:
        with device(name):
            for dtype in map(np.dtype, dtypes):
                on_cases(op, examples, lambda case, seed: check_kernel(op, case, dtype, name, seed))
                on_cases(op, min(examples, 5), lambda case, seed: check_same(op, case, dtype, name))
            if callable(op.vjps) or any(op.vjps):
                half = (examples + 1) // 2
                short = min(map(np.dtype, dtypes), key=lambda dtype: dtype.itemsize)
                on_cases(op, half, lambda c, seed: check_derivatives(op, c, short, order, seed))
                for dtype in map(np.dtype, dtypes):
                    on_cases(op, min(half, 3), lambda c, seed: check_linear(op, c, dtype, seed))
                if op.branch is not None:
                    on_cases(op, half, lambda case, seed: check_flat(op, case))
    on_cases(op, min(examples, 5), lambda case, seed: check_rules(op, case))
    if callable(op.vjps) or any(op.vjps):
        on_cases(op, 2, lambda case, seed: check_closed(op, case, order))


def usable() -> list[str]:
    return [name for name, reason in devices().items() if reason is True]


def on_cases(op: Primitive, examples: int, check: Callable) -> None:
    """`check(case, seed)` on so many cases that tell anything, as the loaded profile has it."""

    @settings(
        max_examples=examples,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(strategy_for(op), SEEDS)
    def each(case, seed):
        met.append(case)
        try:
            check(case, seed)
        except Vacuous:  # nothing moves, such as an empty array: it runs, but counts not
            assume(False)

    met = []
    try:
        each()
    except Unsatisfiable:
        raise AssertionError(
            f"{op.name}: its derivatives cannot be wrong on any case of its "
            "strategy, where its value never moves"
            if met
            else f"{op.name}: its shape rule takes no arrays of one shape: add cases "
            "with tm.testing.register"
        ) from None


# ---- what is asked ------------------------------------------------------------------------------


def check_rules(op: Primitive, case) -> None:
    """One derivative rule, or None, for each input."""
    rules = len(case.inputs) if callable(op.vjps) else len(op.vjps)
    assert rules == len(case.inputs), (
        f"{op.name} has {rules} derivative rules for {len(case.inputs)} inputs"
    )


def check_kernel(op: Primitive, case, dtype: np.dtype, where: str, seed: int) -> None:
    """Its kernel keeps to its shape rule, fills all of `out` and writes into no input.

    On any other device it gives what the CPU gives, but for rounding.
    """
    arrays = in_dtype(case, dtype)
    inputs = [Tensor(move(x.copy(), where)) for x in arrays]
    kernel = find_kernel(op, where)
    shape, out_dtype = op.shape(*arrays, **case.static)
    value, again = (op(*inputs, **case.static).numpy() for _ in range(2))
    assert (value.shape, value.dtype) == (shape, out_dtype), (
        f"{op.name} makes {value.dtype}{value.shape}, its shape rule says {out_dtype}{shape}"
    )
    if value.dtype.kind == "f" and "dtype" not in case.static:
        assert value.dtype == dtype, f"{op.name} makes {value.dtype} of {dtype}"
    for x, y in zip(inputs, arrays):
        np.testing.assert_array_equal(x.numpy(), y, f"{op.name} writes into an input")
    np.testing.assert_array_equal(value, again, f"{op.name} gives two values for one input")
    for memory in [] if op.view else found_in_memory(shape, value.dtype, seed):
        out = move(memory, where)
        kernel(out, *(x.value for x in inputs), **case.static)
        filled = move(out, "cpu")
        np.testing.assert_array_equal(filled, value, f"{op.name} does not fill all of out")
    if where != "cpu":
        with device("cpu"):
            expected = op(*arrays, **case.static).numpy()
        close = ULPS * np.finfo(dtype).eps
        np.testing.assert_allclose(
            value,
            expected,
            close,
            close,
            err_msg=f"{op.name} on {where} is not what it is on the CPU",
        )


def check_same(op: Primitive, case, dtype: np.dtype, where: str) -> None:
    """It computes the same in float64, on views with any strides, and on long arrays.

    Long: an elementwise operation has no other axis; of any other, a larger case is its strategy's.
    """

    def value(arrays):
        return op(*(Tensor(move(x, where)) for x in arrays), **case.static).numpy()

    def same(found, expected, what):
        close = ULPS * np.finfo(dtype).eps
        np.testing.assert_allclose(found, expected, close, close, err_msg=f"{op.name} {what}")

    arrays = in_dtype(case, dtype)
    expected = value(arrays)
    same(expected, value(in_dtype(case, np.float64)), f"in {dtype} is not what it is in float64")
    if where == "cpu":  # what moves to a device is put in order
        for layout in SAME_ENTRIES:
            same(
                value([layout(x) for x in arrays]),
                expected,
                f"reads memory, not strides: its inputs are {layout.__name__}",
            )
        rows = [spread(x) for x in arrays]
        same(
            value(rows),
            value([np.array(x) for x in rows]),
            "reads memory, not strides: its inputs have an axis of stride 0",
        )
    if op.family == "elementwise" and all(x.dtype.kind == "f" for x in arrays):
        edges = [x.ravel() for x in np.meshgrid(*[EDGES] * len(arrays))]
        with np.errstate(all="ignore"):
            same(
                value([x.astype(dtype) for x in edges]),
                value(edges),
                f"in {dtype} is not what it is in float64, of infinities, NaN and zeros",
            )
    if op.family == "elementwise" and expected.size:
        times = -(-LONG // expected.size)
        same(
            value([np.tile(x.ravel(), times) for x in arrays]),
            np.tile(expected.ravel(), times),
            f"is another on {times * expected.size} entries than on {expected.size}",
        )


def in_dtype(case, dtype) -> list[np.ndarray]:
    return [x.astype(dtype) if x.dtype.kind == "f" else x for x in case.inputs]


def found_in_memory(shape: tuple, dtype: np.dtype, seed: int) -> list[np.ndarray]:
    """What memory may hold before a kernel fills it, twice, and everywhere another: NaN and 0, or
    bits and their opposites for what is no float. What is not filled cannot be right by luck twice.
    """
    if dtype.kind == "f":
        return [np.full(shape, np.nan, dtype), np.zeros(shape, dtype)]
    bits = np.random.default_rng(seed).integers(0, 2 if dtype.kind == "b" else 2**62, shape)
    bits = np.asarray(bits, dtype)  # of a 0-d array NumPy makes a number
    return [bits, np.asarray(~bits)]


def check_derivatives(op: Primitive, case, dtype: np.dtype, order: int, seed: int) -> None:
    """They agree with differences, from the first to the `order`-th, in float64 and in `dtype`."""
    check_grads(called_by_name(op, case), *in_dtype(case, dtype), order=order, n_dirs=1, seed=seed)


def check_linear(op: Primitive, case, dtype: np.dtype, seed: int) -> None:
    """Its pullback is linear, has the pushforward as its adjoint, and a symmetric Hessian."""
    try:
        check_identities(called_by_name(op, case), *in_dtype(case, dtype), seed=seed)
    except Undecided:  # a stationary point, where all sides are zero
        assume(False)


def check_flat(op: Primitive, case) -> None:
    """Where a piece is flat, 0 comes back whatever comes in: for infinity, too, and not 0 * inf.

    Else a piece that was not selected makes NaN of a gradient, as in log(relu(x)) at x < 0.
    """
    y, pull = vjp(called_by_name(op, case), *case.inputs)
    with np.errstate(invalid="ignore"):
        slopes, found = (pull(np.full(y.shape, u, y.dtype)) for u in (1.0, np.inf))
    for k, (slope, g) in enumerate(zip(slopes, found)):
        assert not g.numpy()[slope.numpy() == 0].any(), (
            f"{op.name}: rule {k} lets an infinite cotangent through where its slope is 0: "
            "select there, or use product_or_zero"
        )


def called_by_name(op: Primitive, case) -> Callable:
    def named(*xs):
        return op(*xs, **case.static)

    named.__name__ = op.name
    return named


def check_closed(op: Primitive, case, order: int) -> None:
    """Whatever its rules call, and theirs, is in the registry."""
    met = set()

    def noting(primitive, values, static):
        met.add(primitive)
        return run_eagerly(primitive, values, static)

    first = next(k for k, x in enumerate(case.inputs) if x.dtype.kind == "f")

    def scalar(x):
        inputs = (*case.inputs[:first], x, *case.inputs[first + 1 :])
        return ops.sum(ops.square(op(*inputs, **case.static)))

    f = scalar
    for _ in range(order):
        f = (lambda g: lambda x: ops.sum(ops.square(grad(g)(x))))(f)
    with setting(interpreter=noting):
        f(case.inputs[first])
    strangers = sorted(p.name for p in met if registry.get(p.name) is not p)
    assert op in met and not strangers, f"{op.name} calls {strangers}, not in the registry"
