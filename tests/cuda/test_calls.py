"""What a compiled call costs the host: calls of libcuda, which a GPU waits for."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.cuda import driver, launch

pytestmark = pytest.mark.ptx_run
COUNT = 22  # arrays, as conv4 has parameters and state


class Counting:
    """A library, and how often each of its functions was called."""

    def __init__(self, library):
        self.library, self.calls = library, {}

    def __getattr__(self, name):
        def call(*arguments):
            self.calls[name] = self.calls.get(name, 0) + 1
            return getattr(self.library, name)(*arguments)

        return call


def test_a_call_is_a_copy_of_each_array_and_a_graph(on_gpu, monkeypatch):
    compiled = tm.jit(lambda xs: [x * 2.0 for x in xs])
    xs = [tm.tensor(np.full((2, 3 + k), k, np.float32)) for k in range(COUNT)]
    compiled(xs)
    current = driver.current()
    current.synchronize()
    counting = Counting(current.context.library)
    monkeypatch.setattr(current.context, "library", counting)
    monkeypatch.setattr(launch.GpuKernel, "__call__", None)  # no kernel is launched by Python
    results = compiled(xs)
    calls = dict(counting.calls)
    contexts = sum(calls.pop(name, 0) for name in list(calls) if name.startswith("cuCtx"))
    assert calls == {"cuMemcpyDtoDAsync_v2": 2 * COUNT, "cuGraphLaunch": 1}
    assert contexts <= 9  # is the context ours: once for all inputs, the graph, all outputs
    assert [y.numpy().max() for y in results] == [2 * k for k in range(COUNT)]


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
