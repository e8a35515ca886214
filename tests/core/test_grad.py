"""Derivatives of derivatives: nested, in threads, by late pullbacks."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.core.primitive import run_eagerly
from tinymeta.core.scope import setting, state

rng = np.random.default_rng(0)


# ---- the example of core/grad.py ----------------------------------------------------------------


def test_what_grad_of_grad_runs_and_records():
    """As the docstring of core/grad.py tells it, operation by operation."""
    steps = []

    def noting(primitive, values, static):
        value = run_eagerly(primitive, values, static)
        steps.append((primitive.name, float(value), state.order, state.recording))
        return value

    with setting(interpreter=noting):
        assert tm.grad(tm.grad(lambda x: x**3))(2.0).item() == 12
    assert steps[:4] == [
        ("static_power", 8, 0, True),
        ("square", 4, 1, True),
        ("mul", 12, 1, True),
        ("product_or_zero", 12, 1, True),
    ]
    outer_pass = steps[4:]
    assert {(order, recording) for _, _, order, recording in outer_pass} == {(2, False)}


def test_the_history_of_an_inner_gradient_leads_through_the_inner_leaf_to_the_outer():
    def outer(a):
        d = tm.grad(lambda x: x**3)(a)
        found.append(d.history(depth=5))
        return d

    found = []
    tm.grad(outer)(2.0)
    assert found == ["product_or_zero(constant, mul(constant, square(leaf(leaf))))"]


# ---- nested derivatives do not mix -------------------------------------------------------------


def test_an_inner_derivative_does_not_see_the_outer_variable():
    assert tm.grad(lambda x: x * tm.grad(lambda y: x + y)(1.0))(1.0).item() == 1


def test_an_inner_derivative_at_the_outer_variable():
    """d/dx of x * (d/dy x y^2 at y = x) = d/dx 2 x^3"""
    f = tm.grad(lambda x: x * tm.grad(lambda y: x * y**2)(x))
    assert f(3.0).item() == 54


def test_three_levels_each_with_its_own_variable():
    """x y z^2 -> 2 x y z, at z = y: 2 x y^2 -> 4 x y, at y = x: 4 x^2 -> 8 x"""
    inner = lambda x, y: tm.grad(lambda z: x * y * z**2)(y)
    middle = lambda x: tm.grad(lambda y: inner(x, y))(x)
    assert tm.grad(middle)(5.0).item() == 40


@pytest.mark.parametrize("order, expected", list(enumerate([81, 108, 108, 72, 24, 0])))
def test_derivatives_of_a_power(order, expected):
    f = lambda x: x**4
    for _ in range(order):
        f = tm.grad(f)
    assert f(tm.tensor(3.0)).item() == expected


def test_an_inner_gradient_in_a_worker_thread():
    def f(x):
        with ThreadPoolExecutor(1) as pool:
            slope = pool.submit(lambda: tm.grad(lambda y: x * y**3)(2.0)).result()  # 12 x
        return x * slope

    assert tm.grad(f)(5.0).item() == 120
    assert tm.grad(tm.grad(f))(5.0).item() == 24


def test_gradients_in_many_threads_at_once():
    def third(x):
        return tm.grad(tm.grad(tm.grad(lambda x: x**4)))(x).item()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(third, map(float, range(40)))) == [24 * x for x in range(40)]


# ---- pullbacks ----------------------------------------------------------------------------------


def test_a_pullback_called_late_and_twice():
    x, u = rng.normal(size=(2, 5))
    y, pull = tm.vjp(tm.sin, x)
    for _ in range(2):
        np.testing.assert_allclose(pull(u)[0].numpy(), u * np.cos(x), rtol=1e-15)
    assert pull(u)[0].serial == 0 and y.serial == 0


def test_a_late_pullback_differentiated_in_its_cotangent():
    x, u = rng.normal(size=(2, 5))
    _, pull = tm.vjp(tm.sin, x)
    g = tm.grad(lambda u: (pull(u)[0] ** 2).sum())(u)
    np.testing.assert_allclose(g.numpy(), 2 * u * np.cos(x) ** 2, rtol=1e-14)


def test_a_late_pullback_differentiated_in_its_argument():
    x, u = rng.normal(size=(2, 5))

    def f(x):
        _, pull = tm.vjp(tm.sin, x)
        tm.grad(lambda z: z * z)(1.0)  # something in between
        return (pull(u)[0] ** 2).sum() + pull(u)[0].sum()

    expected = -2 * u**2 * np.cos(x) * np.sin(x) - u * np.sin(x)
    np.testing.assert_allclose(tm.grad(f)(x).numpy(), expected, rtol=1e-13)


def test_a_pullback_of_trees():
    (a, b), u = rng.normal(size=(2, 3)), rng.normal(size=3)
    value, pull = tm.vjp(lambda p: {"y": p["a"] * p["b"], "z": [p["a"]]}, {"a": a, "b": b})
    (g,) = pull({"y": u, "z": [2 * u]})
    np.testing.assert_allclose(g["a"].numpy(), u * b + 2 * u)
    np.testing.assert_allclose(g["b"].numpy(), u * a)
    np.testing.assert_allclose(value["y"].numpy(), a * b)


@pytest.mark.parametrize(
    "cotangent, message",
    [
        (
            np.zeros(3, np.float32),
            r"the cotangent is float32\(3,\) but the output is float64\(3,\)",
        ),
        (np.zeros((1, 3)), r"the cotangent is float64\(1, 3\) but the output is float64\(3,\)"),
        (1.0, r"the cotangent is float64\(\) but the output is float64\(3,\)"),
    ],
)
def test_a_cotangent_unlike_the_output_is_refused(cotangent, message):
    _, pull = tm.vjp(tm.sin, np.zeros(3))
    with pytest.raises(ValueError, match=message):
        pull(cotangent)


def test_a_cotangent_tree_unlike_the_output_tree_names_the_place():
    _, pull = tm.vjp(lambda x: {"a": [x, x]}, np.zeros(3))
    with pytest.raises(ValueError, match=r"the trees differ at \['a'\]: list of \[0, 1\] against"):
        pull({"a": [np.zeros(3)]})


# ---- what grad takes and returns ----------------------------------------------------------------


def test_argnum_picks_arguments():
    f = lambda a, b, c: a * b**2 * c**3
    args = (2.0, 3.0, 5.0)
    assert tm.grad(f, 1)(*args).item() == 2 * 2 * 3 * 125
    assert tm.grad(f, -1)(*args).item() == 2 * 9 * 3 * 25
    both = tm.grad(f, (2, 0))(*args)
    assert isinstance(both, tuple) and [g.item() for g in both] == [2 * 9 * 3 * 25, 9 * 125]


def test_argnum_out_of_range_is_refused():
    with pytest.raises(ValueError, match="argnum 2 is out of range for the 1 positional arguments"):
        tm.grad(lambda x: x, 2)(1.0)


def test_aux_is_passed_through():
    f = lambda x: (x * x, {"double": 2 * x, "note": "text"})
    (value, aux), g = tm.value_and_grad(f, has_aux=True)(3.0)
    assert (value.item(), aux["double"].item(), aux["note"], g.item()) == (9, 6, "text", 6)
    g, aux = tm.grad(f, has_aux=True)(3.0)
    assert (g.item(), aux["double"].item()) == (6, 6)
    _, pull, aux = tm.vjp(f, 3.0, has_aux=True)
    assert (pull(1.0)[0].item(), aux["double"].item()) == (6, 6)


def test_aux_of_an_inner_grad_keeps_its_way_to_the_outer_variable():
    def f(x):
        _, aux = tm.grad(lambda y: (y * y, x * y), has_aux=True)(x)  # aux = x^2
        return aux

    assert tm.grad(f)(3.0).item() == 6


def test_an_aux_that_alone_leads_to_the_outer_variable():
    f = lambda x: tm.grad(lambda y: (y * y, x * y), has_aux=True)(2.0)[1]
    assert tm.grad(f)(3.0).item() == 2


def test_keyword_arguments_are_not_differentiated():
    assert tm.grad(lambda x, *, k: k * x)(2.0, k=7).item() == 7


@pytest.mark.parametrize(
    "f, found",
    [
        (lambda x: x, r"float32\(2,\)"),
        (lambda x: x.sum() > 0, r"bool\(\)"),
        (lambda x: (x.sum(), x.sum()), "tuple"),
        (lambda x: None, "NoneType"),
    ],
)
def test_a_loss_that_is_no_floating_scalar_is_refused(f, found):
    with pytest.raises(ValueError, match=f"returns one floating scalar, got {found}"):
        tm.grad(f)(tm.ones(2))


def test_an_integer_leaf_is_refused_by_its_path():
    tree = {"w": np.ones(2), "steps": [np.arange(3)]}
    with pytest.raises(TypeError, match=r"int64 tensor at argument \[0\]\['steps'\]\[0\]: cast it"):
        tm.grad(lambda p: p["w"].sum())(tree)


def test_an_unused_leaf_gets_zeros_of_its_own_dtype():
    p = {"used": np.ones(2), "not": np.ones((2, 3), np.float32), "empty": np.ones(0)}
    g = tm.grad(lambda p: (p["used"] ** 2).sum())(p)
    assert g["not"].dtype == np.float32 and g["not"].shape == (2, 3) and not g["not"].numpy().any()
    assert g["empty"].shape == (0,)
    assert g["used"].numpy().tolist() == [2, 2]


def test_one_array_in_two_places_has_two_gradients():
    w = np.array([2.0, 3.0])
    g = tm.grad(lambda p: (p["a"] * p["b"] ** 2).sum())({"a": w, "b": w})
    assert g["a"].numpy().tolist() == [4, 9] and g["b"].numpy().tolist() == [8, 18]
    a, b = tm.grad(lambda a, b: (a * b**2).sum(), (0, 1))(w, w)
    assert a.numpy().tolist() == [4, 9] and b.numpy().tolist() == [8, 18]


def test_one_tensor_in_two_places_of_an_outer_derivative():
    """The two leaves of the inner grad stand for one outer variable: 2 x^2 + 3 x -> 4 x + 3"""

    def f(x):
        a, b = tm.grad(lambda a, b: a**2 * b + 3 * a * b, (0, 1))(x, x)  # 2x^2 + 3x, x^2 + 3x
        return a

    assert tm.grad(f)(5.0).item() == 23


def test_the_output_may_be_the_input():
    assert tm.grad(lambda x: x)(3.0).item() == 1
    y, pull = tm.vjp(lambda x: (x, x), np.array(3.0))
    assert pull((np.array(2.0), np.array(5.0)))[0].item() == 7


def test_stop_gradient_is_a_constant_at_every_order():
    f = lambda x: x * tm.stop_gradient(x)
    assert tm.grad(f)(3.0).item() == 3
    assert tm.grad(tm.grad(f))(3.0).item() == 0
    tree = tm.stop_gradient({"a": [tm.ones(2)]})
    assert tree["a"][0].serial == 0


def test_a_constant_function_has_gradient_zero():
    assert tm.grad(lambda x: 3.0)(1.0).item() == 0
    assert tm.grad(tm.grad(lambda x: 2 * x))(1.0).item() == 0


@pytest.mark.parametrize(
    "name",
    ["grad", "value_and_grad", "vjp", "jvp", "hvp", "jacobian", "hessian", "checkpoint", "jit"],
)
def test_what_is_no_function_is_refused_at_once(name):
    given = {"vjp": (1.0,), "jvp": ((1.0,), (1.0,)), "hvp": (1.0, 1.0)}.get(name, ())
    for bad in (3, None, "f", tm.ones(3)):
        with pytest.raises(TypeError, match=f"^{name}: f must be a function, got [^\\n]*$"):
            getattr(tm, name)(bad, *given)
