"""ANIL is MAML whose inner rate is zero for everything but the head."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.meta import anil, maml

MODEL = tm.nn.Sequential(tm.nn.Dense(2, 5), tm.tanh, tm.nn.Dense(5, 3))


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    params = tm.tree.map(lambda p: p + rng.uniform(0.1, 0.4, p.shape), MODEL.init(rng))

    def batch(n):
        return tm.Batch(rng.normal(size=(3, n, 2)), rng.integers(3, size=(3, n)))

    return params, tm.Tasks(batch(6), batch(4))


@pytest.mark.parametrize("options", [{}, {"steps": 3}, {"steps": 2, "first_order": True}])
def test_it_is_maml_with_a_still_body(case, options):
    params, tasks = case
    still = [{"w": 0, "b": 0}, None, {"w": 0.5, "b": 0.5}]
    ours, theirs = anil(MODEL, lr=0.5, **options), maml(MODEL, lr=still, **options)
    (metrics, grads), (expected, plain) = (m.meta_grad(params, tasks) for m in (ours, theirs))
    np.testing.assert_allclose(metrics["loss"], expected["loss"], rtol=1e-12)
    for a, b in zip(tm.tree.leaves(grads), tm.tree.leaves(plain)):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)
    x = tasks.query.x
    np.testing.assert_allclose(
        ours.predict(params, tasks.support, x), theirs.predict(params, tasks.support, x), rtol=1e-12
    )


def test_the_rates_may_be_a_tree_like_the_head(case):
    params, tasks = case
    method = anil(MODEL, lr={"w": 0.5, "b": 0})
    expected = maml(MODEL, lr=[{"w": 0, "b": 0}, None, {"w": 0.5, "b": 0}])
    np.testing.assert_allclose(
        *(m.predict(params, tasks.support, tasks.query.x) for m in (method, expected)), rtol=1e-12
    )


def test_the_head_must_be_known():
    with pytest.raises(TypeError, match="anil: the model must be a Sequential.*got Dense"):
        anil(tm.nn.Dense(2, 3), lr=0.1)
