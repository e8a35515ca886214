"""The time to compile grows linearly with a program's equations, and the stack does not grow."""

import time

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.jit import memory
from tinymeta.jit.memory import FreeList
from tinymeta.testing.interpreted import without_compiling


def diamond(n):
    """Each value is read twice, so there are 2^n paths from the result to the beginning."""

    def f(x):
        for _ in range(n):
            x = x - 0.01 * x * x
        return tm.sum(x)

    return f


def chain(n):
    def f(x):
        y = x
        for _ in range(n):
            y = y * x * 0.5 + 0.5
        return tm.sum(y)

    return f


def layers(n):
    def f(x):
        for _ in range(n):
            x = tm.tanh(x @ np.eye(3))
        return tm.sum(x)

    return f


def outputs(n):
    return lambda x: [x * float(k + 1) for k in range(n)]


def turns(n):
    def f(x):
        for _ in range(n):
            x = tm.flip(tm.transpose(x), 0)
        return x * 2.0

    return f


def seconds(f, x):
    start = time.process_time()
    with without_compiling():
        tm.jit(f).prepare(x)
    return time.process_time() - start


X = np.full((3, 3), 0.5)
KINDS = {
    "diamond": diamond,
    "chain": chain,
    "layers": layers,
    "outputs": outputs,
    "turns": turns,
    "gradient of a diamond": lambda n: tm.grad(diamond(n)),
    "gradient of layers": lambda n: tm.grad(layers(n)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_time_grows_linearly_with_the_equations(kind):
    """Four times the equations take about four times as long; sixteen times if it grew like n^2."""
    make = KINDS[kind]
    seconds(make(10), X)  # what is loaded once is loaded
    short, long = (min(seconds(make(n), X) for _ in range(2)) for n in (60, 240))
    assert long < 9 * short + 0.1, (short, long)


@pytest.mark.parametrize("make", [diamond, chain])
def test_two_thousand_steps_compile_and_are_right(make):
    compiled = tm.jit(make(2000))
    np.testing.assert_allclose(compiled(X).item(), make(2000)(tm.asarray(X)).item(), rtol=1e-10)


def test_a_long_body_is_cut_into_kernels_that_are_the_same():
    found = tm.explain(chain(1000), X)
    assert len(found.replay.steps) > 10 and len(found.kernels) <= 5


def test_more_inner_steps_need_no_more_kernels():
    """So the first call of fifty takes little longer than that of one, as kernels take longest."""
    net = tm.nn.mlp(1, 40, 40, 1, activation=tm.tanh)
    tasks = tm.data.Sinusoids().sample(np.random.default_rng(0), tasks=4, shot=10, query=10)
    params = net.init(np.random.default_rng(0))

    def kernels(steps):
        meta_grad = tm.meta.maml(net, tm.losses.mse, lr=0.01, steps=steps).meta_grad
        with without_compiling():
            return len(tm.explain(meta_grad, params, tasks).kernels)

    # Chunks of one task, of 12 steps, have an axis less, so some of their loops are alike.
    assert kernels(12) <= kernels(3) < 1.5 * kernels(1)


# ---- memory --------------------------------------------------------------------------------------


def test_blocks_that_come_back_are_one_gap():
    free_list = FreeList()
    assert [free_list.allocate(n) for n in (64, 128, 64, 64)] == [0, 64, 192, 256]
    free_list.free(64, 192)
    free_list.free(192, 256)
    assert (
        free_list.gaps == [[64, 256]]
        and free_list.allocate(128) == 64
        and free_list.allocate(192) == 320
    )
    free_list.free(0, 64)
    free_list.free(64, 192)
    assert free_list.gaps == [[0, 256]] and free_list.peak == 512
    for block in ((256, 320), (320, 512)):
        free_list.free(*block)
    assert free_list.gaps == [[0, 256]] or free_list.end == 0
    assert memory.aligned_size(1) == 64
