"""What no check can judge gets the same sentence from each of them, not a number to puzzle over."""

import itertools

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import (
    Vacuous,
    check_deterministic,
    check_grads,
    check_identities,
    check_memory,
    check_meta_grad,
    check_taylor,
)

CHECKS = [check_grads, check_identities, check_taylor]
x = np.random.default_rng(0).normal(size=(3, 4))


def draws(x, rng=np.random.default_rng(0)):
    return x * rng.normal()


def counts(x, calls=itertools.count(1)):
    return x * float(next(calls))


def drops_out_in_its_second_output(x, rng=np.random.default_rng(0)):
    return x, {"rest": tm.where(rng.random(x.shape) < 0.5, x, 0.0)}


def writes(x):
    x.value[0, 0] = 5.0
    return x * 2.0


def writes_into_labels(p):
    p["labels"] += 1
    return p["x"] * 2.0


REFUSED = [
    (draws, x, AssertionError, "draws gives two values for one input: it is random or keeps a st"),
    (counts, x, AssertionError, "counts gives two values for one input"),
    (drops_out_in_its_second_output, x, AssertionError, "gives two values for one input"),
    (writes, x, AssertionError, r"writes writes into its argument \[0\]: let it make a new array"),
    (
        writes_into_labels,
        {"x": x, "labels": np.arange(3)},
        AssertionError,
        r"writes into its argument \[0\]\['labels'\]",
    ),
    (lambda x: x * np.nan, x, AssertionError, "value of .*, output 0, is not finite: nan at"),
    (lambda x: (x, tm.exp(x[0] * 1e4)), x, AssertionError, "output 1, is not finite: inf at"),
    (
        tm.exp,
        np.where(x == x[2, 1], np.nan, x),
        ValueError,
        r"argument \[0\] is not finite: nan at \(2, 1\)",
    ),
    (
        lambda x: {"name": "softmax", "y": x},
        x,
        ValueError,
        r"returns a str at output \['name'\], which is no tensor",
    ),
    (lambda x: None, x, ValueError, "has no floating outputs; integers and bools"),
    (lambda x: tm.argmax(x, 1), x, ValueError, "has no floating outputs; integers and bools"),
    (lambda x: x > 0, x, ValueError, "has no floating outputs; integers and bools"),
    (lambda n: n * 1.0, 3, ValueError, "has no floating inputs; integers and bools"),
    (lambda x: x * 0.0 + 1.0, x, Vacuous, "does not move with its inputs"),
    (tm.relu, -np.abs(x), Vacuous, "relu does not move"),
    (lambda x: tm.softmax(x).sum(), x, Vacuous, "or by no more than rounding, so the check could"),
    (tm.exp, np.zeros((0, 3)), Vacuous, "the inputs of exp have no entries, so the check could"),
    (lambda x: x[:0], x, Vacuous, "the outputs of .* have no entries"),
    (3, x, TypeError, "f must be a function, got 3"),
    (lambda text: x, "abc", ValueError, "has no floating inputs"),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("f, argument, kind, message", REFUSED)
def test_it_is_refused_in_a_sentence(f, argument, kind, message, check):
    with pytest.raises(kind, match=rf"^{check.__name__}: .*{message}"):
        check(f, argument)


@pytest.mark.parametrize("check", [*CHECKS, check_deterministic, check_memory])
def test_no_samples_are_refused_before_the_function_is_called(check):
    with pytest.raises(ValueError, match="nothing to differentiate: exp has no floating inputs"):
        check(tm.exp)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_callers_arrays_stay_as_they_were(check):
    mine, labels = x.copy(), np.arange(3)
    for f, argument in ((writes, mine), (writes_into_labels, {"x": mine, "labels": labels})):
        with pytest.raises(AssertionError, match="writes into its argument"):
            check(f, argument)
    assert (mine == x).all() and (labels == np.arange(3)).all()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_tree_with_integers_and_none_in_it_is_fine(check):
    def f(p, n):
        return {"z": tm.exp(p["x"]) * n, "best": tm.argmax(p["x"], 1), "none": None}, p["b"][0] ** 3

    check(f, {"x": x, "b": [tm.asarray(x[0]), None]}, 3)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_function_of_numpy_alone_is_asked_for_its_pullback(check):
    with pytest.raises(
        TypeError, match=r"^check_.*: np.sort .*: Foreign\(sort, backward=...\), or"
    ):
        check(np.sort, x)


def test_a_function_of_one_dtype_alone_says_where_it_may_come_from():
    def single(x):
        if x.dtype != np.float32:
            raise RuntimeError("expected the same dtype, but got: double != float")
        return x * 2.0

    with pytest.raises(
        TypeError, match="single cannot be called with float64: exp.* that it closes"
    ):
        check_taylor(single, x.astype(np.float32))
    assert "computed in float32" in str(check_grads(single, x.astype(np.float32)))
    for check in (check_grads, check_taylor):
        with pytest.raises(RuntimeError, match="^expected"):
            check(single, x)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_an_error_inside_the_function_is_its_own(check):
    def f(x):
        raise TypeError("mine")

    with pytest.raises(TypeError, match="^mine$"):
        check(f, x)


@pytest.mark.parametrize(
    "reduce, shape",
    [(lambda losses: losses.mean(), r"\(\)"), (lambda losses: losses[:, None], r"\(3, 1\)")],
)
def test_a_loss_that_is_not_one_number_for_each_task_is_refused(reduce, shape):
    """Though the gradient is right: of a scalar mean it would look like a sum."""
    tasks = np.arange(3.0), np.arange(3.0)
    check = lambda reduce: check_meta_grad(
        lambda t, tasks: 2 * (t - tasks[1]).mean(),
        lambda t, y: reduce((t - y) ** 2),
        lambda t, support: t,
        np.array(0.3),
        tasks,
    )
    check(lambda losses: losses)
    with pytest.raises(AssertionError, match=rf"loss must be \(T,\), .*\(3,\), and is {shape}"):
        check(reduce)
