"""Loops that follow one another within a block are one kernel, and not a bit of them changes."""

import numpy as np
import pytest

import tinymeta as tm
from benchmarks import work
from tinymeta.cuda import driver, target
from tinymeta.cuda.target import SIMULATED
from tinymeta.jit import gpu_groups, graph

F32 = np.float32
rng = np.random.default_rng(0)


def batch_norm(x, gamma, beta):
    """x (T, N, H, W, C), by the numbers of each task and channel."""
    mean = tm.mean(x, (1, 2, 3), keepdims=True)
    variance = tm.mean(tm.square(x - mean), (1, 2, 3), keepdims=True)
    return tm.relu((x - mean) * (gamma / tm.sqrt(variance + 1e-5)) + beta)


def log_softmax(x):
    x = x - tm.max(x, -1, keepdims=True)
    return x - tm.log(tm.exp(x).sum(-1, keepdims=True))


def two_updates(a, b):
    return a - 0.1 * tm.square(a), b + tm.square(b)


TASKS, WIDTH = (2, 3) if SIMULATED else (3, 40)
SHAPE = (TASKS, 2, 2, 3, WIDTH)
PROGRAMS = {
    "batch norm": (batch_norm, [SHAPE, (WIDTH,), (WIDTH,)], 1),
    "its gradient": (
        tm.grad(lambda *a: tm.square(batch_norm(*a)).sum()),
        [SHAPE, (WIDTH,), (WIDTH,)],
        None,
    ),
    "softmax": (log_softmax, [(TASKS, 5, 7)], 1),
    "its gradient's": (
        tm.grad(lambda x: tm.square(log_softmax(x)[..., 0]).sum()),
        [(TASKS, 5, 7)],
        None,
    ),
    "no reduction": (two_updates, [(WIDTH, 5), (WIDTH, 5)], 1),
}


def arguments(shapes, dtype):
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def launched(f, args):
    """(results on the CPU, how many launches) of a compiled function on the GPU."""
    with tm.device("cuda"):
        compiled = tm.jit(f)
        results = [np.asarray(y.numpy()) for y in tm.tree.leaves(compiled(*args))]
        (program,) = compiled.programs.values()
    return results, len(program.replay.recording.launches)


@pytest.mark.cuda
@pytest.mark.ptx_run
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_group_computes_what_its_loops_do(name, dtype, monkeypatch):
    f, shapes, expected_launches = PROGRAMS[name]
    args = arguments(shapes, dtype)
    found, launches = launched(f, args)
    monkeypatch.setattr(graph, "grouped", lambda steps, materialized: (steps, {}))
    alone, launches_alone = launched(f, args)
    assert launches < launches_alone
    if expected_launches:
        assert launches == expected_launches
    for a, b, c in zip(found, alone, tm.tree.leaves(f(*args))):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(
            a, c.numpy(), rtol=1e-3 if dtype == "float32" else 1e-9, atol=1e-5
        )


@pytest.mark.ptx_run
def test_threads_that_do_not_meet_are_noticed(gpu, monkeypatch):
    """A block's threads read a mean that another of them stores."""
    right = gpu_groups.Phase
    monkeypatch.setattr(
        gpu_groups, "Phase", lambda body, arrays, kept, waits: right(body, arrays, kept, False)
    )
    launched(batch_norm, arguments(PROGRAMS["batch norm"][1], "float32"))
    assert any("race" in fault or "nobody has written" in fault for fault in gpu.faults())


@pytest.mark.cuda
@pytest.mark.ptx_run
def test_few_kept_elements_are_shared_by_many_blocks_in_loops_of_their_own(monkeypatch):
    """One block would leave the others idle: the sum is made in parts, and not grouped."""
    count = 1_000 if SIMULATED else 40_000
    x = arguments([(count,)], "float64")[0]
    f = lambda x: x - x.mean()
    found, launches = launched(f, [x])
    np.testing.assert_allclose(found[0], x - x.mean(), rtol=1e-9, atol=1e-12)
    assert launches == 4  # parts, their sum, the mean, the difference


@pytest.mark.ptx
def test_the_launches_of_a_step():
    """conv4, 32 tasks, one inner step: it had 287 when each loop was a launch."""
    if target.SIMULATED or driver.has_compiler() is not True:
        pytest.skip("kernels cannot be compiled here")
    job = work.WORKS["conv4"]()
    found = tm.explain(job.run, job.params, job.data, device="cuda")
    assert len(found.replay.recording.launches) <= 115
