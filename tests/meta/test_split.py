"""A meta-batch in chunks on threads is the meta-batch: the same numbers, and the same bits on any
number of threads."""

import threading

import numpy as np
import pytest

import tinymeta as tm
from tinymeta import nn
from tinymeta.cpu.blas import blas_threads, thread_functions
from tinymeta.meta import maml, siamese
from tinymeta.meta.split import in_chunks

needs_openblas = pytest.mark.skipif(
    thread_functions() is None, reason="NumPy's BLAS here is not OpenBLAS"
)


def maml_case(dtype, tasks=5, over_tasks="mean"):
    rng = np.random.default_rng(0)
    model = nn.conv4(3, filters=4, activation=tm.tanh)
    x = rng.normal(size=(2, tasks, 6, 16, 16, 1)).astype(dtype)
    y = np.tile(np.arange(6) % 3, (tasks, 1))
    method = maml(model, lr=0.4, steps=2, over_tasks=over_tasks)
    params = tm.tree.map(lambda p: p.astype(dtype), method.init(rng))
    return method.meta_grad, params, tm.Tasks(tm.Batch(x[0], y), tm.Batch(x[1], y))


def leaves(grads):
    return [leaf.numpy() for leaf in tm.tree.leaves(grads)]


@pytest.mark.parametrize("over_tasks", ["mean", "sum"])
@pytest.mark.parametrize("chunks", [1, 2, 3, 5])
def test_chunks_are_the_whole(chunks, over_tasks):
    """Also where they differ in size: five tasks in two or three chunks."""
    meta_grad, params, tasks = maml_case(np.float64, over_tasks=over_tasks)
    metrics, grads = meta_grad(params, tasks)
    parts, sums = in_chunks(meta_grad, chunks, over_tasks=over_tasks)(params, tasks)
    assert parts.keys() == metrics.keys()
    for name in metrics:
        np.testing.assert_allclose(parts[name], metrics[name], rtol=1e-12)
    for whole, split in zip(leaves(grads), leaves(sums)):
        np.testing.assert_allclose(split, whole, rtol=1e-12, atol=1e-14)


def test_the_same_bits_on_one_and_two_threads():
    meta_grad, params, tasks = maml_case(np.float32)
    one, first = in_chunks(meta_grad, 4, threads=1)(params, tasks)
    two, second = in_chunks(meta_grad, 4, threads=2)(params, tasks)
    assert one == two
    for a, b in zip(leaves(first), leaves(second)):
        assert (a == b).all() and a.dtype == np.float32


def test_pairs_are_chunked_too():
    rng = np.random.default_rng(0)
    pairs = tm.data.Pairs(*rng.normal(size=(2, 7, 2, 2, 1)), rng.integers(2, size=7) == 1)
    method = siamese(nn.Sequential(nn.Flatten(), nn.Dense(4, 2)))
    params = tm.tree.map(lambda p: p.astype(np.float64), method.init(rng))
    metrics, grads = method.meta_grad(params, pairs)
    parts, sums = in_chunks(method.meta_grad, 3)(params, pairs)
    np.testing.assert_allclose(parts["loss"], metrics["loss"], rtol=1e-12)
    np.testing.assert_allclose(parts["accuracy"], metrics["accuracy"], rtol=1e-12)
    for whole, split in zip(leaves(grads), leaves(sums)):
        np.testing.assert_allclose(split, whole, rtol=1e-12, atol=1e-14)


def test_metrics_and_gradients_are_weighted_by_the_size_of_a_chunk():
    def meta_grad(params, tasks):
        return {"loss": float(tasks.mean())}, tm.asarray(tasks).mean()

    metrics, grad = in_chunks(meta_grad, 2)(None, np.array([1.0, 2.0, 30.0, 40.0, 50.0]))
    np.testing.assert_allclose([metrics["loss"], grad.item()], 24.6)


def test_threads_work_at_the_same_time():
    meeting = threading.Barrier(2)

    def meta_grad(params, tasks):
        meeting.wait(timeout=600)  # breaks if it is alone
        return {"loss": 0.0}, tm.asarray(np.zeros(1))

    assert in_chunks(meta_grad, 2, threads=2)(None, np.zeros(4))[0] == {"loss": 0.0}


def test_debug_nans_sees_into_the_threads():
    meta_grad, params, tasks = maml_case(np.float32)
    split = in_chunks(meta_grad, 2)
    tasks.query.x[4, 0] = np.nan
    assert np.isnan(split(params, tasks)[0]["loss"].item())
    with tm.debug_nans(), pytest.raises(FloatingPointError, match="conv.* was given a NaN"):
        split(params, tasks)


@needs_openblas
def test_blas_has_one_thread_meanwhile_and_its_own_number_after():
    get, _ = thread_functions()
    observed = []

    def meta_grad(params, tasks):
        observed.append(get())
        if params == "broken":
            raise ArithmeticError("in a chunk")
        return {"loss": 0.0}, tm.asarray(np.zeros(1))

    with blas_threads(2):
        in_chunks(meta_grad, 2)(None, np.zeros(4))
        assert get() == 2
        with pytest.raises(ArithmeticError, match="in a chunk"):
            in_chunks(meta_grad, 2)("broken", np.zeros(4))
        assert get() == 2
    assert set(observed) == {1}


@pytest.mark.parametrize("chunks, threads", [(0, 1), (1, 0)])
def test_at_least_one_chunk_and_thread(chunks, threads):
    with pytest.raises(ValueError, match="must be at least 1"):
        in_chunks(None, chunks, threads)


def test_no_empty_chunks():
    with pytest.raises(ValueError, match="2 tasks cannot be cut into 3 chunks: use fewer"):
        in_chunks(None, 3)(None, np.zeros(2))
