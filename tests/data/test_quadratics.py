"""Random least-squares problems: shapes, their distribution, and what is refused."""

import numpy as np
import pytest

from tinymeta.data import Quadratics


@pytest.mark.parametrize(
    "uniform, least, most, mean, std",
    [(False, -np.inf, np.inf, 0.0, 1.0), (True, 0.0, 1.0, 0.5, 12**-0.5)],
)
def test_the_family(uniform, least, most, mean, std):
    start, (w, y) = Quadratics(4, uniform).sample(np.random.default_rng(0), tasks=3000)
    assert start.shape == y.shape == (3000, 4) and w.shape == (3000, 4, 4)
    assert {a.dtype for a in (start, w, y)} == {np.dtype(np.float32)}
    for entries in (w, y):
        assert least <= entries.min() and entries.max() <= most
        np.testing.assert_allclose((entries.mean(), entries.std()), (mean, std), atol=0.03)
    np.testing.assert_allclose(start.std(), 0.01, rtol=0.03)


def test_f_at_the_start_is_what_theory_says():
    """E |W theta - y|^2 near theta = 0 is E |y|^2 = D."""
    start, (w, y) = Quadratics().sample(np.random.default_rng(0), tasks=4000)
    f = ((np.einsum("tij,tj->ti", w, start) - y) ** 2).sum(-1)
    np.testing.assert_allclose(f.mean(), 10.0, rtol=0.03)


def test_counts():
    with pytest.raises(ValueError, match="size=0 must be a whole number >= 1"):
        Quadratics(0)
    with pytest.raises(ValueError, match="tasks=0 must be a whole number >= 1"):
        Quadratics().sample(np.random.default_rng(0), tasks=0)
