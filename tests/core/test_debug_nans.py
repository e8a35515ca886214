"""A NaN is stopped where it is made, and says which operation, where in the nest of derivatives."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.core.scope import describe_scope, state


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def message(f, *args) -> str:
    with pytest.raises(FloatingPointError) as error, tm.debug_nans():
        f(*args)
    assert state.interpreter is None and state.path == ()
    return str(error.value)


def test_it_names_the_operation_the_shapes_and_the_first_bad_element():
    text = message(tm.log, np.array([[1.0, 2.0], [-1.0, -2.0]]))
    assert text.startswith(
        "log(float64(2, 2)) made a NaN, first at index (1, 0) of its result, in the forward pass"
    )


def test_it_tells_a_nan_that_was_given_from_one_that_was_made():
    assert "was given a NaN" in message(lambda x: tm.exp(x), np.array([np.nan]))
    assert "made a NaN" in message(lambda x: tm.sub(x, x), np.array([np.inf]))


def hidden(x):
    """The value is right, the slope of the hidden branch is 0 / 0."""
    return tm.where(x > 0, tm.log(x), 0.0).sum()


def test_it_names_the_backward_pass():
    assert np.isnan(tm.grad(hidden)(np.zeros(2)).numpy()).all()
    text = message(tm.grad(hidden), np.zeros(2))
    assert text.startswith("div(float64(2,), float64(2,)) made a NaN, first at index (0,)")
    assert "in the backward pass: if a tm.where hides the bad branch" in text


def test_it_names_the_derivative_of_the_derivative(a_new_primitive):
    inner = a_new_primitive("a * 1", (lambda g, y, a: g / a * a,))  # inf * 0 at 0
    cube = a_new_primitive("a * a * a", (lambda g, y, a: g * inner(a),))
    f = lambda x: cube(x).sum()
    assert tm.grad(f)(np.zeros(2)).numpy().tolist() == [0, 0]
    text = message(tm.grad(lambda x: tm.grad(f)(x).sum()), np.zeros(2))
    assert "in the backward of backward pass" in text


def test_it_names_the_inner_step():
    """log log log log 1e6 is negative, and has no logarithm."""

    def f(x):
        for k in range(5):
            with tm.scope(f"inner {k}"):
                x = tm.log(x)
        return x

    assert "in the inner 4 / forward pass" in message(f, np.array([1e6]))


def test_it_names_the_inner_step_on_the_way_back():
    def f(x):
        with tm.scope("task 2"), tm.scope("inner 3"):
            return tm.grad(hidden)(x).sum()

    assert "in the task 2 / inner 3 / backward pass" in message(f, np.zeros(1))


def test_without_a_nan_nothing_changes():
    with tm.debug_nans():
        assert tm.grad(tm.grad(lambda x: x**4))(2.0).item() == 48


def test_where_as_people_read_it():
    assert describe_scope() == "forward"
    with tm.scope("inner 3"):
        assert describe_scope() == "inner 3 / forward"
    assert describe_scope() == "forward"


def test_a_scope_ends_with_an_exception():
    with pytest.raises(KeyError), tm.scope("inner 1"):
        raise KeyError
    assert state.path == ()
