"""Each rank updates the slice of the parameters that it owns: bits, what is kept, what is sent."""

import numpy as np
import pytest
from thread_ranks import bits, on_ranks
from trainings import maml, on_batch, train_numbered, waves_of

import tinymeta as tm
from tinymeta.ranks import sharded

OPTIMIZERS = {
    "sgd": tm.optim.sgd(0.01),
    "momentum": tm.optim.momentum(0.01),
    "nesterov": tm.optim.momentum(0.01, nesterov=True),
    "adam": tm.optim.adam(0.01),
    "adam on a schedule": tm.optim.adam(tm.optim.cosine(0.01, 3)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_in_parts_has_the_bits_of_a_whole_one(name, capsys):
    run = on_batch(maml(), waves_of(), iterations=3, optimizer=OPTIMIZERS[name])
    expected = run()
    for size in (2, 3):
        assert set(on_ranks(size, run)) == {expected}
    assert "updates all parameters" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["nesterov", "adam"])
def test_an_element_has_the_same_bits_wherever_it_is(name):
    """Alone, in a short row, in a slice: machine code would join other products and sums there."""
    rng, optimizer = np.random.default_rng(0), OPTIMIZERS[name]
    shapes = [(1,), (40,), (2, 3), (1, 1), (7,), (1,)]
    begin = [tm.tensor(rng.normal(size=shape).astype(np.float32)) for shape in shapes]
    data = [rng.normal(size=(256, 40, *shape)).astype(np.float32) for shape in shapes]

    def meta_grad(params, data):
        """As of a method: the sums over tasks (axis 0) of what depends on the parameters."""
        return {}, [tm.tanh(x * p).sum((0, 1)) for p, x in zip(params, data)]

    def work(world=None):
        params, state, found = begin, optimizer.init(begin), []
        if world:
            update = world.sharded(meta_grad, optimizer, params, state, data)
            state = update.own(state)
        else:
            update = tm.jit(lambda p, s, x: ({}, *optimizer.update(meta_grad(p, x)[1], s, p)))
        for _ in range(20):
            _, params, state = update(params, state, data)
            found.append([np.asarray(p).tobytes() for p in params])
        return found

    expected = work()
    for size in (2, 3, 4):
        assert on_ranks(size, work) == [expected] * size


@pytest.mark.parametrize(
    "mine, runs",
    [
        ((0, 11), [((0, 7), [(1, 0, 3), (0, 0, 4)]), ((9, 11), [(2, 0, 2)])]),
        ((2, 6), [((2, 6), [(1, 2, 3), (0, 0, 3)])]),
        ((6, 8), [((6, 7), [(0, 3, 4)])]),  # and a sum that is no parameter's
        ((7, 9), []),
        ((4, 4), []),
    ],
)
def test_parameters_that_are_neighbours_in_the_sum_are_one_run(mine, runs):
    """Of 4, 3 and 2 numbers that begin at 3, 0 and 9: their order in the sum is another."""
    found = sharded._runs([4, 3, 2], [3, 0, 9], slice(*mine))
    assert [((run.place.start, run.place.stop), run.pieces) for run in found] == runs


@pytest.mark.parametrize("size", [2, 3])
def test_each_rank_keeps_its_slice_of_the_moments_and_sends_no_more_than_the_gradient(size):
    method, batch, optimizer = maml(), waves_of(), tm.optim.adam(0.01)

    def work(world):
        params = tm.tree.map(tm.tensor, method.init(np.random.default_rng(0)))
        state = optimizer.init(params)
        update = world.sharded(method.meta_grad, optimizer, params, state, batch)
        own = update.own(state)
        _, params, own = update(params, own, batch)  # compiled
        before = world.messages.bytes
        for _ in range(2):
            _, params, own = update(params, own, batch)
        sent = (world.messages.bytes - before) // 2
        elements = sum(x.size for x in tm.tree.leaves(own.mean))
        assert len(update.update.programs) == len(update.programs) == 1  # compiled once
        return elements, sent, bits(params), bits(update.whole(own).square)

    found = on_ranks(size, work)
    total = sum(x.size for x in tm.tree.leaves(maml().init(np.random.default_rng(0))))
    assert sum(elements for elements, *_ in found) == total
    assert max(elements for elements, *_ in found) < total / size + 4
    most = 2 * 4 * (total + 1) * (size - 1) / size
    if size == 2:
        assert all(sent <= most + 4 for _, sent, *_ in found)
    assert len({rest for *_, sent, a, b in found for rest in [(a, b)]}) == 1


@pytest.mark.parametrize("size", [2, 3])
def test_an_update_begins_with_the_parameters_that_it_is_given(size):
    """Those that it made itself, others of the same shapes, and then its own once more."""
    method, batch, optimizer = maml(), waves_of(), tm.optim.adam(0.01)

    def work(world=None):
        params = tm.tree.map(tm.tensor, method.init(np.random.default_rng(0)))
        state = optimizer.init(params)

        def whole(params, state, batch):
            metrics, grads = method.meta_grad(params, batch)
            return metrics, *optimizer.update(grads, state, params)

        update = tm.jit(whole)
        if world:
            update = world.sharded(method.meta_grad, optimizer, params, state, batch)
            state = update.own(state)
        found = []
        for halved in (False, False, True, False):
            begin = tm.tree.map(lambda x: 0.5 * x, params) if halved else params
            _, params, state = update(begin, state, batch)
            found.append(bits(params))
        return found

    assert on_ranks(size, work) == [work()] * size


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_moment_that_is_no_number_on_the_rank_that_owns_it_stops_all(tmp_path):
    """The loss and the parameters still are numbers, on all ranks."""
    checkpoint = tm.meta.Checkpoint(tmp_path / "c.npz", {}, {}, every=1e9)

    def init(params):
        first, *others = tm.tree.leaves(params)
        moments = [tm.zeros_like(first) + 3e38, *map(tm.zeros_like, others)]
        return tm.tree.unflatten(tm.tree.flatten(params)[1], moments)

    def update(grads, state, params):
        return params, tm.tree.map(lambda s: 2.0 * s, state)

    growing = tm.optim.Optimizer(init, update, elementwise=True)

    def work(world):
        with pytest.raises(FloatingPointError, match="a parameter is no longer a number"):
            train_numbered(iterations=2, optimizer=growing, checkpoint=checkpoint)
        return True

    assert on_ranks(2, work) == [True, True]
