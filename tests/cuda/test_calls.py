"""What a compiled call costs the host: calls of libcuda, which a GPU waits for."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.cuda import copies, driver, launch, memory

pytestmark = pytest.mark.ptx_run
COUNT = 22  # arrays, as conv4 has parameters and state
F32 = np.float32


class Counting:
    """A library, and how often each of its functions was called."""

    def __init__(self, library):
        self.library, self.calls = library, {}

    def __getattr__(self, name):
        def call(*arguments):
            self.calls[name] = self.calls.get(name, 0) + 1
            return getattr(self.library, name)(*arguments)

        return call


@pytest.fixture
def counting(monkeypatch):
    context = driver.current().context
    counting = Counting(context.library)
    monkeypatch.setattr(context, "library", counting)
    return counting


def test_a_call_copies_many_arrays_at_once_and_is_a_graph(on_gpu, counting, monkeypatch):
    compiled = tm.jit(lambda xs: [x * 2.0 for x in xs])
    xs = [tm.tensor(np.full((2, 3 + k), k, F32)) for k in range(COUNT)]
    compiled(xs)
    driver.current().synchronize()
    counting.calls.clear()
    with monkeypatch.context() as patch:
        patch.setattr(launch.GpuKernel, "__call__", None)  # Python looks at no launch again
        results = compiled(xs)
    calls = dict(counting.calls)
    contexts = sum(calls.pop(name, 0) for name in list(calls) if name.startswith("cuCtx"))
    launches = -(-COUNT // copies.AT_ONCE)
    assert calls == {"cuLaunchKernel": 2 * launches, "cuGraphLaunch": 1}
    assert contexts <= 2 * launches + 4  # is it our context: at each; it is set and put back once
    for k, y in enumerate(results):
        np.testing.assert_array_equal(y.numpy(), np.full((2, 3 + k), 2 * k))


# What is not copied with others: no whole words, more than a MiB, no elements, or not in order.
ARRAYS = {
    "bytes": np.arange(7, dtype=np.int8),
    "two bytes": np.arange(3, dtype=np.int16),
    "eight bytes": np.arange(5.0),
    "large": np.arange(2**18 + 1, dtype=F32),
    "a MiB": np.arange(2**18, dtype=F32),
    "a number": np.array(3.0, F32),
    "none": np.zeros((0, 3), F32),
    "not a number": np.array([np.nan, -0.0, np.inf, 1e-45], F32),
}


def test_arrays_of_every_kind_come_and_go_to_the_bit(on_gpu):
    """From the GPU, from the host, and from the GPU in another order, in one call."""
    compiled = tm.jit(lambda xs: (xs, [x[::-1] if x.ndim else x for x in xs]))
    host = [*ARRAYS.values()]
    here = [tm.tensor(x) for x in host]
    turned = [tm.tensor(np.ascontiguousarray(x[::-1]))[::-1] if x.ndim else x for x in host]
    mixed = [here[k] if k % 2 else host[k] for k in range(len(host))]
    for xs in (here, host, turned, mixed, here):
        same, reverse = compiled(xs)
        for x, y, z in zip(host, same, reverse):
            assert y.numpy().tobytes() == x.tobytes()
            assert z.numpy().tobytes() == (x[::-1] if x.ndim else x).tobytes()


def test_an_array_that_begins_between_two_words(on_gpu):
    """A view of a part of int16: its bytes are whole words, its address is not."""
    x = tm.tensor(np.arange(9, dtype=np.int16))
    found = tm.jit(lambda x: x + x)(x[1:5])
    assert found.numpy().tolist() == [2, 4, 6, 8]


def test_results_are_their_own(on_gpu):
    """No call changes what an earlier one has returned, and a result outlives its call."""
    compiled = tm.jit(lambda xs: [x + 1.0 for x in xs])
    xs = [tm.tensor(np.full(k + 1, k, F32)) for k in range(copies.AT_ONCE + 1)]
    first = compiled(xs)
    second = compiled(first)
    third = compiled(second)
    for k, (a, b, c) in enumerate(zip(first, second, third)):
        assert [y.numpy().max() for y in (a, b, c)] == [k + 1, k + 2, k + 3]


def test_blocks_at_once_are_those_of_one_by_one(on_gpu):
    used = memory.memory_pool().used
    sizes = [1, 512, 513, 4000, 0]
    several = memory.Block.several(sizes)
    assert [b.size for b in several] == [memory.rounded_size(size) for size in sizes]
    assert len({b.address for b in several}) == len(sizes)
    assert memory.memory_pool().used == used + sum(b.size for b in several)
    del several
    assert memory.memory_pool().used == used


def test_blocks_that_do_not_fit_leave_nothing_behind(on_gpu):
    used = memory.memory_pool().used
    with pytest.raises(MemoryError, match="CUDA: no room for"):
        memory.Block.several([512, 2**45])
    assert memory.memory_pool().used == used


def test_inputs_that_are_views_or_on_the_host(on_gpu):
    compiled = tm.jit(lambda a, b, c: a @ b + c)
    a, b = (np.random.default_rng(k).normal(size=(3, 3)) for k in range(2))
    flipped, turned = tm.tensor(a)[::-1], tm.transpose(tm.tensor(b))
    empty_first = compiled(np.zeros((3, 3)), b, 1.0)
    assert (empty_first.numpy() == 1).all()
    np.testing.assert_allclose(compiled(flipped, turned, 2.0).numpy(), a[::-1] @ b.T + 2.0)


def test_an_output_that_is_a_view_and_one_without_elements(on_gpu):
    x = np.arange(6.0).reshape(2, 3)
    found = tm.jit(lambda x: (tm.transpose(x * 2.0), x[:0], x))(x)
    for y, expected in zip(found, (x.T * 2, x[:0], x)):
        np.testing.assert_array_equal(y.numpy(), expected)
