"""Functions that compute in float32 whatever they are given: compared in float32, and told so."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import Foreign, check_grads

rng = np.random.default_rng(0)
x = rng.normal(size=(6, 4))
w1, w2 = (rng.normal(size=n).astype(np.float32) for n in ((4, 16), (16, 3)))


def model(x, act=tm.tanh):
    return act(x.astype("float32") @ w1) @ w2


def closed_over(x):
    return tm.tanh(x @ w1) @ w2


def scaled(factor, order=1):
    """sin in float32, its derivative of this order off by a factor."""

    def backward_of_backward(g, u, x):
        f = factor if order == 2 else 1.0
        u, x, g = np.float32(u), np.float32(x), np.float32(g)
        return g * np.cos(x), -f * g * u * np.sin(x)

    def backward(u, x):
        return (factor if order == 1 else 1.0) * np.float32(u) * np.cos(np.float32(x))

    return Foreign(
        lambda x: np.sin(np.float32(x)), backward=Foreign(backward, backward=backward_of_backward)
    )


RIGHT = {
    "casts": (model, x),
    "closes over": (closed_over, x.astype(np.float32)),
    "loss": (lambda x: tm.mean(model(x) ** 2), x),
    "relu": (lambda x: model(x, tm.relu), x),
    "relu, loss": (lambda x: tm.mean(model(x, tm.relu) ** 2), x),
    "steep": (lambda x: tm.exp(2 * x.astype("float32")), x),
    "by hand": (scaled(1.0), x),
    "large": (lambda x: model(x) + 100.0, x),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_one_passes_and_the_report_says_how(name):
    f, at = RIGHT[name]
    for seed in range(5):
        report = check_grads(f, at, seed=seed)
        assert {row.dtype for row in report.rows} == {"float32"}
        assert "computed in float32 whatever the dtype" in str(report)
        assert all(row.verdict == "right" for row in report.rows if row.order == 1)


def test_one_of_float64_says_nothing_of_float32():
    assert "computed in float32" not in str(check_grads(tm.tanh, x))
    assert "computed in float32" not in str(check_grads(tm.tanh, x.astype(np.float32)))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("factor", [1.015, 0.985, -1.0, 0.0, 1.1])
def test_a_mistake_of_more_than_a_hundredth_is_found(factor, order):
    for seed in range(5):
        with pytest.raises(AssertionError, match=f"of order {order} is wrong") as failure:
            check_grads(scaled(factor, order), x, seed=seed)
        assert "computed in float32" in str(failure.value)


def test_what_is_shorter_still_is_refused():
    half = Foreign(lambda x: np.float16(x), backward=lambda g, x: g)
    with pytest.raises(ValueError, match="returns float16 for float64 inputs, too coarse"):
        check_grads(half, x)
