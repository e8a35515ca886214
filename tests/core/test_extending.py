"""An operation of a user: what its kernel must do, its name, replacing it."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.core.primitive import registry

pytestmark = pytest.mark.usefixtures("forget_new_primitives")
X = np.array([1.0, 2.0, 3.0])


def fill(out, x):
    np.multiply(x, 2, out=out)


def twice(kernel=fill, vjps=(lambda g, y, x: 2.0 * g,), **options):
    return tm.primitive(
        "twice", shape=lambda x: (x.shape, x.dtype), vjps=vjps, kernels={"cpu": kernel}, **options
    )


# ---- kernels ------------------------------------------------------------------------------------


def test_a_kernel_that_returns_its_result_is_refused_eagerly_and_compiled():
    op = twice(lambda out, x: 2 * x)
    for f in (op, tm.jit(lambda x: op(x))):
        with pytest.raises(TypeError, match="twice: its cpu kernel returned a ndarray: .* None"):
            f(X)


def test_a_kernel_may_return_out_as_ufuncs_do():
    op = twice(lambda out, x: np.multiply(x, 2, out=out))
    assert op(X).numpy().tolist() == tm.jit(lambda x: op(x))(X).numpy().tolist() == [2, 4, 6]


# ---- nothing is registered before everything is checked -----------------------------------------


def rule(g, y, x):
    return 2.0 * g


@pytest.mark.parametrize(
    "parts, message",
    [
        (
            {"vjps": (rule)},
            r"twice: vjps is one function, .* write \(rule,\) .* rule\(i, g, y, \*in",
        ),
        ({"vjps": None}, "twice: vjps must be a tuple .* not NoneType"),
        ({"vjps": ("2 * g",)}, "twice: a derivative rule is a function or None, not str"),
        ({"kernel": None}, "twice: its cpu kernel must be a function, got None"),
        ({"shape": (3,)}, "twice: shape must be a function, got \\(3,\\)"),
    ],
)
def test_wrong_parts_leave_the_name_free(parts, message):
    parts = {"kernel": fill, "shape": lambda x: (x.shape, x.dtype), "vjps": (rule,), **parts}
    parts["kernels"] = {"cpu": parts.pop("kernel")}
    with pytest.raises(TypeError, match=message):
        tm.primitive("twice", **parts)
    assert twice()(X).numpy().tolist() == [2, 4, 6]


def test_a_rule_without_its_comma_leaves_an_elementwise_name_free():
    with pytest.raises(TypeError, match=r"elementwise: vjps is one function, .* write \(rule,\)"):
        tm.elementwise("2 * a", vjps=(rule), name="twice")
    assert tm.elementwise("2 * a", vjps=(rule,), name="twice")(X).numpy().tolist() == [2, 4, 6]


def test_one_rule_for_any_number_of_inputs():
    total = tm.primitive(
        "total",
        shape=lambda *xs: (xs[0].shape, xs[0].dtype),
        vjps=lambda i, g, y, *xs: (i + 1.0) * g,
        kernels={"cpu": lambda out, *xs: np.copyto(out, sum(xs))},
    )
    second = tm.grad(lambda a, b: total(a, b).sum(), argnum=1)(X, X)
    assert second.numpy().tolist() == [2, 2, 2]


# ---- replacing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda factor, **options: tm.elementwise(
            f"{factor} * a", (lambda g, y, a: float(factor) * g,), name="scaled", **options
        ),
        lambda factor, **options: tm.primitive(
            "scaled",
            shape=lambda x: (x.shape, x.dtype),
            vjps=(lambda g, y, x: float(factor) * g,),
            kernels={"cpu": lambda out, x: np.multiply(x, factor, out=out)},
            **options,
        ),
    ],
)
def test_a_corrected_operation_takes_its_name_again(make):
    op = wrong = make(2)
    compiled = tm.jit(lambda x: tm.grad(lambda x: (op(x) * x).sum())(x))
    holds_the_first = tm.jit(lambda x: wrong(x))
    other = tm.jit(lambda x: x + x)
    constant = tm.jit(lambda x: x + op(np.ones(3)))  # computed when it is traced
    compiled(X), other(X), constant(X)
    kept = next(iter(other.programs.values()))
    _, pull = tm.vjp(wrong, X)

    with pytest.raises(ValueError, match="named 'scaled' exists already: .* replace=True"):
        make(3)
    op = make(3, replace=True)
    assert registry["scaled"] is op and op.name == "scaled"
    for _ in range(2):
        assert compiled(X).numpy().tolist() == [6, 12, 18]
        assert constant(X).numpy().tolist() == [4, 5, 6]
        assert len(compiled.programs) == 1
    other(X)
    assert next(iter(other.programs.values())) is kept  # it did not use the operation
    # The first one, where it is held, is still itself: eager, compiled and on the tape.
    assert wrong(X).numpy().tolist() == holds_the_first(X).numpy().tolist() == [2, 4, 6]
    assert pull(np.ones(3))[0].numpy().tolist() == [2, 2, 2]

    op = make(4, replace=True)
    assert compiled(X).numpy().tolist() == [8, 16, 24]
    assert holds_the_first(X).numpy().tolist() == [2, 4, 6]


def test_a_wrong_replacement_leaves_the_old_one_in_place():
    op = twice()
    with pytest.raises(TypeError, match="write"):
        twice(vjps=(rule), replace=True)
    assert registry["twice"] is op and op.name == "twice"


def test_what_has_no_name_yet_may_say_replace():
    assert twice(replace=True)(X).numpy().tolist() == [2, 4, 6]


def test_the_operations_of_the_library_are_not_replaced():
    with pytest.raises(ValueError, match="named 'exp' exists already: choose another name"):
        tm.elementwise("exp(a)", (None,), name="exp", replace=True)
