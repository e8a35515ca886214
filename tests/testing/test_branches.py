"""Which smooth piece a function is on, and that a failed check names the kink it met."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.core.scope import state
from tinymeta.testing import branches, check_grads
from tinymeta.testing.kinks import crossed_kinks


def names(f, *args):
    return [name for name, _ in branches(f, *args)]


def test_branches_are_met_in_order_and_smooth_operations_have_none():
    x = np.array([[1.0, -2.0]])
    f = lambda x: tm.max(tm.relu(tm.exp(x) - 1.0) + tm.abs(x), axis=1)
    assert names(f, x) == ["relu", "abs", "max"]
    pieces = dict(branches(f, x))
    assert pieces["relu"].tolist() == pieces["abs"].tolist() == [[1, -1]]
    assert pieces["max"].tolist() == [[True, False]]
    assert names(lambda x: tm.softplus(x) @ x.T, x) == []
    assert state.interpreter is None


def test_what_chooses_has_its_choice_as_its_branch():
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    ((name, places),) = branches(tm.max_pool2d, x)
    assert name == "window_argmax" and places.ravel().tolist() == [5, 7, 13, 15]
    assert names(lambda x: tm.where(x > 3.0, x, 0.0), tm.asarray(x)) == ["greater"]


@pytest.mark.parametrize(
    "f, here, there, expected",
    [
        (tm.relu, 1.0, 2.0, []),
        (tm.relu, -1.0, 2.0, ["relu"]),
        (tm.relu, 0.0, 2.0, ["relu"]),
        (lambda x: tm.maximum(x, 3.0) + tm.abs(x), 2.0, 4.0, ["maximum"]),
        (lambda x: tm.clip(x, 0, 1), -1.0, 2.0, ["maximum", "minimum"]),
        (
            lambda x: tm.max_pool2d(tm.reshape(tm.stack([x, x, x, 3.0 - x]), (1, 2, 2, 1))),
            1.0,
            2.0,
            ["window_argmax"],
        ),
    ],
)
def test_what_is_crossed_between_two_inputs(f, here, there, expected):
    assert crossed_kinks(f, (tm.asarray(here),), (tm.asarray(there),)) == expected


@pytest.mark.parametrize(
    "f, name",
    [
        (tm.relu, "relu"),
        (tm.abs, "abs"),  # even: a central difference sees it at order 2
        (lambda x: tm.maximum(x, 0.0), "maximum"),
        (lambda x: x * tm.abs(x), "abs"),
        (lambda x: tm.max(tm.stack([x, 2.0 * x])), "max"),
    ],
)
def test_a_failed_check_names_the_kink_it_met(f, name):
    with pytest.raises(AssertionError, match=rf"kinks between the points compared: .*\b{name}\b"):
        check_grads(f, np.zeros(3), order=2)


def test_a_wrong_rule_far_from_kinks_blames_none(a_new_primitive):
    op = a_new_primitive("exp(a)", (lambda g, y, a: -g * y,))
    with pytest.raises(AssertionError) as error:
        check_grads(lambda x: tm.relu(op(x)), np.ones(2))
    assert "kinks" not in str(error.value)
