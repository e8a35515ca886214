"""Test your gradient in five lines: NumPy, with a backward pass written by hand.

pip install 'tinymeta[test]' && pytest examples/gradcheck/test_numpy.py
"""

import numpy as np
import pytest

from tinymeta.testing.strategies import tensors


def softplus(x):
    return np.logaddexp(x, 0)


def softplus_backward(g, x):  # the pullback: J(x)^T g
    return g / (1 + np.exp(-x))


def test_softplus(gradcheck):
    gradcheck(softplus, np.array([-1.0, 0.5, 2.0]), backward=softplus_backward)


def test_softplus_at_inputs_that_are_drawn(gradcheck):  # plain arrays; one that fails is made small
    gradcheck(softplus, tensors((2, 3)), backward=softplus_backward, examples=20)


class Ridge:
    """An object as scikit-learn's losses are: the loss and its gradient at once."""

    strength = 0.1

    def loss_and_grad(self, w, x, y):
        error = x @ w - y
        loss = error @ error / 2 + self.strength * w @ w / 2
        return loss, x.T @ error + self.strength * w


def test_an_object_with_loss_and_grad(gradcheck):
    rng = np.random.default_rng(0)
    gradcheck(Ridge(), rng.normal(size=3), rng.normal(size=(5, 3)), rng.normal(size=5))


def test_what_a_mistake_looks_like(gradcheck):
    with pytest.raises(AssertionError, match=r"(?s)order 1 is wrong.*worst entry.*smallest input"):
        gradcheck(softplus, np.ones(3), backward=lambda g, x: g / (1 + np.exp(x)))
