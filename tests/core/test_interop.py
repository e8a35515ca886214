"""Tensors and NumPy in one expression; which readers get a value, and which raise."""

import math
import re
from functools import partial
from operator import attrgetter

import numpy as np
import pytest

import tinymeta as tm

# ---- NumPy --------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["+", "-", "*", "/", "**", "@", "<", "<=", ">", ">=", "==", "!="])
def test_an_array_on_either_side_of_an_operator(op):
    a, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[2.0, 2.0], [0.5, 4.0]])
    expected = eval(f"a {op} b", {"a": a, "b": b})
    for left, right in [(a, tm.tensor(b)), (tm.tensor(a), b), (tm.tensor(a), tm.tensor(b))]:
        y = eval(f"a {op} b", {"a": left, "b": right})
        assert type(y) is tm.Tensor and y.dtype == expected.dtype
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-15)


def test_the_gradient_flows_past_an_array_on_the_left():
    a = np.array([2.0, 3.0])
    assert tm.grad(lambda x: (a * x).sum())(np.ones(2)).numpy().tolist() == [2, 3]
    assert tm.grad(lambda x: (a - x / a).sum())(a).numpy().tolist() == [-1 / 2, -1 / 3]
    assert tm.grad(lambda x: (np.float64(3) * x).sum())(a).numpy().tolist() == [3, 3]


# ---- what others read ---------------------------------------------------------------------------

READERS = {
    "np.sum": np.sum,
    "np.mean": np.mean,
    "np.exp": np.exp,
    "np.isnan": np.isnan,
    "np.abs": np.abs,
    "np.array": np.array,
    "np.asarray": np.asarray,
    "np.shape": np.shape,
    "np.cumsum": np.cumsum,
    "np.stack": lambda t: np.stack([t, t]),
    "np.concatenate": lambda t: np.concatenate([t, t]),
    "np.where": lambda t: np.where(np.ones(2, bool), t, 0.0),
    "np.linalg.norm": np.linalg.norm,
    "np.add.reduce": np.add.reduce,
    "np.dot": lambda t: np.dot(t, np.ones(2)),
    "np.testing": lambda t: np.testing.assert_array_equal(t, t),
    "a list": lambda t: np.array([t[0], t[1]]),
    "np.sum of a list": lambda t: np.sum([t[0], t[1]]),
    "float": lambda t: float(t[0]),
    "int": lambda t: int(t[0]),
    "round": lambda t: round(t[0]),
    "math": lambda t: math.exp(t[0]),
    "DLPack": np.from_dlpack,
    "a buffer": lambda t: np.zeros(2).__setitem__(0, t[0]),
    "np.full": lambda t: np.full(2, t[0]),
}


@pytest.mark.parametrize("name", READERS)
def test_others_read_an_untracked_tensor_and_a_tracked_one_refuses(name):
    read, values = READERS[name], np.array([0.5, 2.0])
    found, expected = read(tm.asarray(values)), read(values)
    if expected is not None:
        assert type(found) is type(expected)
        np.testing.assert_array_equal(found, expected)
    with pytest.raises((TypeError, ValueError)) as error:
        tm.grad(lambda t: (read(t), t.sum())[1])(values)
    said = error.value if type(error.value) is TypeError else error.value.__cause__  # a buffer's
    assert re.search(r"would drop the gradient: use .*\.numpy\(\) or \.item\(\)", str(said))


def test_what_says_that_it_reads_stays_legal_on_a_tracked_tensor():
    def f(t):
        assert t.numpy().tolist() == t.tolist() == [0.5, 2.0] and t[0].item() == 0.5
        assert bool(t[0] > 0) and t[1] > t[0] and f"{t[0]:.2f}" == "0.50" and "leaf" in repr(t)
        assert int(tm.argmax(t)) == 1 and np.asarray(t > 1).tolist() == [False, True]
        return t.sum()

    assert tm.grad(f)(np.array([0.5, 2.0])).numpy().tolist() == [1, 1]


@pytest.mark.parametrize(
    "function, advised",
    [
        (np.sum, "tm.sum"),
        (np.exp, "tm.exp"),
        (np.absolute, "tm.abs"),
        (np.linalg.norm, "tm.linalg.norm"),
        (np.linalg.det, "tm.linalg.det"),
        (np.add.reduce, "tm.sum"),
        (np.maximum.reduce, "tm.max"),
        (np.minimum.reduce, "tm.min"),
        (np.asarray, "tm.asarray"),
        (lambda t: np.array([t[0], t[1]]), "tm.asarray"),
        (lambda t: np.add(t, t), "tm.add"),
        (lambda t: np.subtract(t, 1.0), "tm.sub"),
        (np.multiply.reduce, "tm.prod"),
        (lambda t: np.multiply.outer(t, t), None),
        (np.add.accumulate, "tm.cumsum"),
        (np.shape, None),
        (np.cumsum, "tm.cumsum"),
        (np.prod, "tm.prod"),
    ],
)
def test_what_is_advised_exists(function, advised):
    with pytest.raises(TypeError) as error:
        tm.grad(lambda t: (function(t), t.sum())[1])(np.ones(2))
    names = re.findall(r"\btm\.[\w.]+\w", str(error.value))
    assert names == ([advised] if advised else [])
    assert all(callable(attrgetter(name[3:])(tm)) for name in names)


@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.power, np.less, np.matmul])
def test_a_function_of_numpy_gives_arrays_where_an_operator_gives_tensors(ufunc):
    a, b = np.array([0.5, 2.0]), np.array([3.0, 1.0])
    s, t = tm.asarray(a), tm.asarray(b)
    for found in (ufunc(s, t), ufunc(s, b)):
        assert type(found) is type(ufunc(a, b))
        np.testing.assert_array_equal(found, ufunc(a, b))
    assert type(a + t) is type(np.float64(2) * t) is type(s + t) is tm.Tensor


def test_a_pushforward_has_no_history_unless_somebody_watches():
    f, x = (lambda x: x * x * x), np.array(2.0)
    assert not tm.jvp(f, (x,), (np.ones(()),))[1].serial
    assert np.asarray(tm.jvp(f, (x,), (np.ones(()),))[1]) == 12
    assert tm.grad(lambda x: tm.jvp(f, (x,), (np.ones(()),))[1])(x).item() == 12


@pytest.mark.parametrize("parts", [[np.ones(2), np.ones(3)], [np.ones(2), 1.0]])
def test_a_ragged_list_of_tensors_is_refused_and_shows_its_shapes(parts):
    parts = [tm.asarray(parts[0]), *parts[1:]]
    for make in (tm.stack, tm.asarray, tm.tensor, tm.sum):
        with pytest.raises(ValueError, match=r"stack needs .* equal shapes: \[\(2,\), \(3?,?\)\]"):
            make(parts)


LISTS = {
    "sum": (lambda x: tm.sum([x[0], x[1] ** 2]), [1, 4]),
    "mean": (lambda x: tm.mean([x[0], x[1] ** 2]), [0.5, 2]),
    "asarray": (lambda x: tm.sum(tm.asarray([x[0], x[1]]) * x), [2, 4]),
    "a tuple, nested": (lambda x: tm.sum(tm.asarray(((x[0], 1.0), (2.0, x[1])))), [1, 1]),
    "with numbers": (lambda x: tm.sum(tm.square([x[0], 3.0, 2])), [2, 0]),
    "beside a tensor": (lambda x: tm.sum(x * [x[1], x[0]]), [4, 2]),
    "in where": (
        lambda x: tm.sum(tm.where(np.array([True, False]), [x[1], x[1]], [x[0], x[0]])),
        [1, 1],
    ),
    "of rows": (lambda x: tm.sum(tm.matmul([x, x * 2.0], x)), [6, 12]),
    "logsumexp": (lambda x: tm.logsumexp([x[0], x[0]]), [1, 0]),
    "the constructor copies": (lambda x: tm.sum(tm.tensor([x[0], x[1]]) * x), [1, 2]),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_tensors_keeps_its_gradient(name, compiled):
    f, expected = LISTS[name]
    g = tm.jit(tm.grad(f)) if compiled else tm.grad(f)
    found = g(np.array([1.0, 2.0]))
    assert found.numpy().tolist() == expected and found.dtype == np.float64


def valley(x):
    return tm.exp(x[0]) - 2.0 * x[0] + tm.sum(tm.square(x[1:] - x[0]))


SECOND = {
    "none": {},
    "hess": {"hess": tm.hessian(valley)},
    "hessp": {"hessp": partial(tm.hvp, valley)},
}


@pytest.mark.parametrize(
    "method, second",
    [
        *((method, "none") for method in ("BFGS", "CG", "L-BFGS-B", "TNC", "SLSQP")),
        *((method, "hess") for method in ("dogleg", "trust-exact")),
        *(
            (method, second)
            for method in ("Newton-CG", "trust-ncg", "trust-krylov", "trust-constr")
            for second in ("hess", "hessp")
        ),
    ],
)
def test_scipy_takes_gradients_and_hessians_as_they_come(method, second):
    optimize = pytest.importorskip("scipy.optimize")
    found = optimize.minimize(
        valley, np.zeros(3), jac=tm.grad(valley), method=method, **SECOND[second]
    )
    np.testing.assert_allclose(found.x, np.full(3, np.log(2)), atol=2e-3)


def test_scipy_takes_jacobians_compiled_functions_and_both_at_once():
    optimize = pytest.importorskip("scipy.optimize")

    def distance(x):
        return x * x - np.array([1.0, 4.0])

    for solve in (optimize.root, optimize.least_squares):
        found = solve(distance, np.ones(2), jac=tm.jacobian(distance)).x
        np.testing.assert_allclose(found, [1, 2], rtol=1e-7)
    for f, jac in ((tm.value_and_grad(valley), True), (tm.jit(valley), tm.jit(tm.grad(valley)))):
        found = optimize.minimize(f, np.zeros(3), jac=jac, method="BFGS").x
        np.testing.assert_allclose(found, np.full(3, np.log(2)), atol=1e-4)


def test_reading_as_python_does():
    t, n = tm.tensor(np.array(1.256)), tm.tensor(2)
    assert f"{t:.2f}" == "1.26" and f"{n:03d}" == "002" and f"{t}" == str(t)
    assert round(t, 1) == 1.3 and round(t) == 1 and type(round(t)) is int
    assert tm.arange(6).reshape(2, 3).tolist() == [[0, 1, 2], [3, 4, 5]] and n.tolist() == 2
    assert "abc"[n] == "c" and list(range(n)) == [0, 1]
    for wrong in (t, tm.arange(1), tm.tensor(True)):
        with pytest.raises(TypeError, match="only a 0-d tensor of an integer counts or indexes"):
            "abc"[wrong]
    with pytest.raises(ValueError, match="needs a tensor of one element"):
        f"{tm.ones(2):.2f}"


@pytest.mark.parametrize(
    "read", [lambda t: f"{t:.2f}", round, lambda t: t.tolist(), lambda t: range(t.astype(int))]
)
def test_values_cannot_be_read_while_a_function_is_traced(read):
    with pytest.raises(TypeError, match="there are no values yet"):
        tm.jit(lambda x: read(x) and x)(np.array(1.5))
