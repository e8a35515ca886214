"""What no difference quotient sees: batches, equal bits, memory, the steps of an optimizer.

pip install torch 'tinymeta[test]' && pytest examples/gradcheck/test_beyond.py
"""

import pytest

from tinymeta.testing import check_batch, check_deterministic, check_memory, check_optimizer_step

torch = pytest.importorskip("torch")
X, W = torch.randn(6, 4), torch.randn(4, 3)


def layer(x, w):
    return torch.tanh(x @ w)


def test_one_example_at_a_time_gives_what_all_give_at_once():
    check_batch(layer, X, W)
    check_batch(torch.func.vmap(layer, (0, None)), X, W, one=layer)
    with pytest.raises(AssertionError, match="of example 0 is another alone than in the batch"):
        check_batch(lambda x, w: torch.softmax(x @ w, dim=0), X, W)


def test_the_same_bits_at_every_call():
    check_deterministic(layer, X, W)
    seen = []

    def drifts(x):
        seen.append(x)
        return x * (1.0 if len(seen) < 8 else 1.0 + 1e-12)

    with pytest.raises(AssertionError, match="has other bits at call|gives two values"):
        check_deterministic(drifts, X.double(), calls=9)


def test_no_memory_is_left_behind():
    check_memory(layer, X, W)
    log = []

    def remembers(x):
        log.append(x.sum())  # with its whole graph
        return x * 2.0

    with pytest.raises(
        AssertionError, match="each call of remembers leaves .* bytes and .* behind"
    ):
        check_memory(remembers, X)


def momentum(params, gradient, velocity):
    velocity = 0.9 * velocity + gradient
    return params - 0.1 * velocity, velocity


def test_an_optimizer_can_be_differentiated_through_all_of_its_steps():
    gradients = [torch.randn(4), torch.randn(4), torch.randn(4)]
    check_optimizer_step(momentum, torch.randn(4), gradients, torch.zeros(4))

    def detached(params, gradient, velocity):
        return momentum(params, gradient, velocity.detach())

    with pytest.raises(AssertionError, match="detached of order 1 is wrong"):
        check_optimizer_step(detached, torch.randn(4), gradients, torch.zeros(4))
