"""Compiled programs on the GPU: what eager mode gives, again and again, without Python between."""

import threading

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.cuda import launch
from tinymeta.cuda.driver import DriverError, current
from tinymeta.cuda.target import SIMULATED

pytestmark = [pytest.mark.cuda, pytest.mark.ptx_run]
rng = np.random.default_rng(0)
F32 = np.float32


def small_net():
    """A convolutional network and a batch of tasks; another one in the simulator."""
    one = tm.nn.Sequential(
        tm.nn.Conv2d(1, 2, stride=2),
        tm.nn.BatchNorm(2),
        tm.relu,
        tm.nn.GlobalAveragePooling(),
        tm.nn.Dense(2, 2),
    )
    model = one if SIMULATED else tm.nn.conv4(5, scale=True, filters=16)
    tasks, size = (1, 5) if SIMULATED else (4, 28)
    x = rng.random((2, tasks, 2, size, size, 1), dtype=F32)
    y = np.tile(np.arange(2), (tasks, 1))
    return model, tm.Tasks(tm.Batch(x[0], y), tm.Batch(x[1], y))


def small_meta_gradient():
    """A method with that network, parameters and tasks in float64: tests that ask for its
    meta-gradient compile the same kernels, which takes longer than to run them."""
    model, tasks = small_net()
    params = tm.tree.map(lambda p: np.asarray(p, np.float64), model.init(rng))
    tasks = tm.tree.map(lambda a: np.asarray(a, np.float64) if a.dtype == F32 else a, tasks)
    return tm.meta.maml(model, tm.losses.cross_entropy, lr=0.4), params, tasks


def close(found, expected, rtol):
    for a, b in zip(tm.tree.leaves(found), tm.tree.leaves(expected)):
        a, b = np.asarray(a), np.asarray(b)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(np.abs(b).max(), 1e-3))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_every_order(order):
    x, w = rng.normal(size=(4, 3)), rng.normal(size=(3, 2))

    def f(w):
        return (tm.softmax(tm.tanh(x @ w)) * tm.var(x @ w, 0)).sum()

    for _ in range(order - 1):
        f = (lambda g: lambda w: tm.square(tm.grad(g)(w)).sum())(f)
    expected = tm.grad(f)(w)
    with tm.device("cuda"):
        compiled = tm.jit(tm.grad(f))
        found = [compiled(w) for _ in range(2)]
    assert found[0].device == "cuda"
    close(found[0], expected, 1e-9)
    np.testing.assert_array_equal(found[0].numpy(), found[1].numpy(), "two replays differ")


def test_a_meta_gradient_of_dense_layers():
    model = tm.nn.mlp(1, 5, 1)
    tasks = tm.data.Sinusoids().sample(rng, tasks=2, shot=3, query=3)
    steps = 1 if SIMULATED else 2
    method, params = tm.meta.maml(model, tm.losses.mse, lr=0.1, steps=steps), model.init(rng)
    expected = tm.jit(method.meta_grad)(params, tasks)
    with tm.device("cuda"):
        compiled = tm.jit(method.meta_grad)
        close(compiled(params, tasks), expected, 1e-4)
        other = tm.tree.map(lambda p: np.asarray(p) * F32(1.5), params)
        close(compiled(other, tasks), tm.jit(method.meta_grad)(other, tasks), 1e-6)


def test_a_meta_gradient_of_convolutions():
    method, params, tasks = small_meta_gradient()
    expected = method.meta_grad(params, tasks)
    with tm.device("cuda"):
        close(tm.jit(method.meta_grad)(params, tasks), expected, 1e-9)


def test_one_call_replays_all_launches(on_gpu, monkeypatch):
    compiled = tm.jit(lambda x: tm.tanh(x).sum(0) @ x)
    x = rng.normal(size=(3, 3))
    compiled(x)
    (program,) = compiled.programs.values()
    assert program.replay.graph and len(program.replay.recording.launches) >= 2
    monkeypatch.setattr(launch.GpuKernel, "__call__", None)  # no kernel is launched by Python now
    np.testing.assert_allclose(compiled(x).numpy(), np.tanh(x).sum(0) @ x, rtol=1e-12)


def test_without_graphs_the_launches_are_replayed_one_by_one(on_gpu, monkeypatch):
    def missing(launches, needs=None):
        raise DriverError("no graphs", 801)

    monkeypatch.setattr(current(), "capture_graph", missing)
    f = lambda x: tm.exp(x).sum(1) * 2.0
    compiled, x = tm.jit(f), rng.normal(size=(2, 5))
    np.testing.assert_allclose(compiled(x).numpy(), f(x).numpy(), rtol=1e-12)
    (program,) = compiled.programs.values()
    assert not program.replay.graph
    assert "plain launches" in str(tm.explain(f, x))


def test_results_are_fresh_and_threads_may_share_a_program(on_gpu):
    compiled = tm.jit(lambda x: x * 2.0)
    xs = [np.full(4, k, F32) for k in range(4)]
    first = compiled(xs[0])
    results = {}

    def call(k):
        with tm.device("cuda"):
            results[k] = compiled(xs[k]).numpy()

    threads = [threading.Thread(target=call, args=(k,)) for k in range(1, 4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert first.numpy().tolist() == [0] * 4
    assert all((results[k] == 2 * k).all() for k in range(1, 4))


def test_explain_shows_the_kernels_of_the_gpu(on_gpu, tmp_path):
    found = tm.explain(lambda x, w: tm.tanh(x @ w).sum(0), np.ones((3, 4)), np.ones((4, 2)))
    text, page = found.text(), found.save(tmp_path / "step.html").read_text()
    assert "products" in text and "cuda.threadIdx" in text and "on cuda" in text
    assert "cuda.threadIdx" in page and "launches as" in page


def test_training_runs_there(on_gpu):
    model = tm.nn.mlp(1, 4, 1)
    sample = lambda: tm.data.Sinusoids().sample(rng, tasks=2, shot=3, query=3)
    run = tm.meta.train(tm.meta.maml(model, tm.losses.mse, lr=0.01), sample, iterations=2, rng=rng)
    assert len(run.curve) and all(p.device == "cuda" for p in tm.tree.leaves(run.params))
