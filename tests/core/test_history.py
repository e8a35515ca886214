"""What stays in memory: a step's graph and no more; and how deep a graph may be."""

import gc
import time
import weakref

import numpy as np
import pytest

import tinymeta as tm


@pytest.fixture
def no_gc():
    """Reference counts alone must free what is no longer needed."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def tensors_alive() -> int:
    return sum(type(x) is tm.Tensor for x in gc.get_objects())


def test_state_carried_over_a_thousand_steps_does_not_grow(no_gc):
    def loss(w, state):
        state = 0.9 * state + 0.1 * w * w
        return (w * state).sum(), state

    w, state, old, alive = tm.tensor([1.0, 2.0]), tm.zeros(2), [], []
    for _ in range(1000):
        (_, state), g = tm.value_and_grad(loss, has_aux=True)(w, state)
        w = w - 0.01 * g
        assert (state.serial, g.serial, w.serial) == (0, 0, 0)
        old.append(weakref.ref(state))
        alive.append(tensors_alive() if len(old) % 100 == 0 else None)
    assert sum(ref() is not None for ref in old) == 1
    assert alive[99] == alive[999]


def test_values_that_leave_a_second_derivative_have_no_history(no_gc):
    before = tensors_alive()
    outer = tm.grad(lambda x: tm.grad(lambda y: tm.exp(x * y).sum())(x).sum())
    g = outer(np.ones(3))
    assert g.serial == 0 and g.inputs == ()
    assert tensors_alive() == before + 1


def test_an_exception_keeps_nothing_alive(no_gc):
    before = tensors_alive()

    def f(x):
        for _ in range(100):
            x = tm.sin(x)
        raise RuntimeError

    for _ in range(3):
        try:
            tm.grad(tm.grad(f))(1.0)
        except RuntimeError:
            pass
    assert tensors_alive() == before


def test_a_pullback_holds_its_graph_and_lets_it_go(no_gc):
    before = tensors_alive()
    _, pull = tm.vjp(lambda x: tm.sin(tm.sin(tm.sin(x))), 1.0)
    pull(1.0)
    assert tensors_alive() >= before + 4  # the leaf and three values
    del pull, _
    assert tensors_alive() == before


def chain(x, length):
    for _ in range(length):
        x = x * 1.00001
    return x


def test_a_chain_of_100_000_operations(no_gc):
    """Forward, backward, and freeing it: no recursion anywhere."""
    before = tensors_alive()
    value, g = tm.value_and_grad(lambda x: chain(x, 30_000))(np.array(2.0))
    np.testing.assert_allclose(g.item(), 1.00001**30_000, rtol=1e-10)
    np.testing.assert_allclose(value.item(), 2 * g.item(), rtol=1e-10)
    value, pull = tm.vjp(lambda x: chain(x, 100_000), np.array(2.0))  # freed unused
    del value, pull, g
    assert tensors_alive() == before


def test_a_long_chain_at_order_two(no_gc):
    """(c x)^2 with c = 1.00001^n has the second derivative 2 c^2."""
    before = tensors_alive()
    h = tm.grad(tm.grad(lambda x: chain(x, 20_000) ** 2))(np.array(3.0))
    np.testing.assert_allclose(h.item(), 2 * 1.00001**40_000, rtol=1e-9)
    del h
    assert tensors_alive() == before


def test_a_value_used_again_and_again_is_pulled_back_once():
    """2^40 paths lead from the output to x; there are 40 nodes."""

    def f(x):
        for _ in range(40):
            x = x + x
        return x

    start = time.perf_counter()
    assert tm.grad(f)(np.array(1.0)).item() == 2.0**40
    assert time.perf_counter() - start < 2


def test_an_inner_gradient_does_not_look_into_the_history_before_it():
    def seconds(length):
        taken = []

        def f(x):
            x = chain(x, length)
            for _ in range(5):
                start = time.perf_counter()
                tm.grad(lambda y: x * y * y)(x)
                taken.append(time.perf_counter() - start)
            return x

        tm.grad(f)(np.array(1.0))
        return min(taken)

    assert seconds(20_000) < 10 * seconds(1)  # visiting it would take a hundred times as long


def test_recording_stops_where_nobody_differentiates():
    assert (tm.ones(2) * 3).serial == 0
    seen = []

    def f(x):
        y = tm.sin(x)
        seen.append(y.serial > 0)
        return y

    assert tm.grad(f)(1.0).serial == 0
    assert seen == [True]
