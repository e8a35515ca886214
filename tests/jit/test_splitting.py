"""What is split, and how little chunks hand over: counted, at sizes that meet by chance, too."""

from importlib import import_module
from unittest.mock import patch

import numpy as np
import pytest

import tinymeta as tm
from tinymeta import nn
from tinymeta.jit.chunks import ChunkedReplay, chunk_bounds
from tinymeta.jit.compile import run_passes
from tinymeta.jit.memory import FreeList
from tinymeta.jit.plan import ExecutionPlan
from tinymeta.jit.split import Split, split
from tinymeta.jit.trace import Traced
from tinymeta.testing.interpreted import without_compiling

chunks_module = import_module("tinymeta.jit.chunks")
memory_module = import_module("tinymeta.jit.memory")
rng = np.random.default_rng(0)


def simplified(f, *args):
    *_, (_, program) = run_passes(Traced(f, args, {}).program)
    return program


def net(filters, way):
    return nn.Sequential(
        nn.Conv2d(1, filters, stride=2),
        nn.BatchNorm(filters),
        tm.tanh,
        nn.Conv2d(filters, filters, stride=2),
        tm.tanh,
        nn.GlobalAveragePooling(),
        nn.Dense(filters, way),
    )


def images(tasks, way):
    y = np.tile(np.arange(way), (tasks, 1))
    x = rng.normal(size=(2, tasks, way, 6, 6, 1)).astype(np.float32)
    return tm.Tasks(tm.Batch(x[0], y), tm.Batch(x[1], y))


# ---- sizes that meet by chance -------------------------------------------------------------------

METHODS = {
    "maml": lambda model, way: tm.meta.maml(model, lr=0.1, steps=2),
    "anil": lambda model, way: tm.meta.anil(model, lr=0.1),
    "meta_sgd": lambda model, way: tm.meta.meta_sgd(model, lr=0.1),
    "prototypical": lambda model, way: tm.meta.prototypical(model, way=way),
}


def split_of_update(name, tasks, filters, way):
    """The split of a whole update: the gradient, and Adam with its moments."""
    method, optimizer = METHODS[name](net(filters, way), way), tm.optim.adam(1e-3)
    params = tm.tree.map(tm.tensor, method.init(rng))

    def update(params, state, batch):
        metrics, grads = method.meta_grad(params, batch)
        return metrics, *optimizer.update(grads, state, params)

    return split(simplified(update, params, optimizer.init(params), images(tasks, way)))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("tasks, filters, way", [(4, 4, 3), (4, 5, 4), (4, 4, 4), (9, 4, 3)])
def test_as_many_tasks_as_filters_or_classes_are_split_as_any_others(name, tasks, filters, way):
    found, other = (split_of_update(name, t, filters, way) for t in (tasks, tasks + 3))
    assert isinstance(found, Split) and found.tasks == tasks
    for part in ("middle", "reduced", "mapped", "broadcast"):
        assert len(getattr(found, part)) == len(getattr(other, part)), part
    assert not found.concatenated  # no moment is taken for one of tasks


def test_a_value_that_is_read_by_rows_and_whole():
    """w is as long as the tasks by chance: row for row with x, and whole for each task."""
    x, w = rng.normal(size=(3, 3, 200)), rng.normal(size=(3,))

    def f(x, w):
        v = tm.exp(w)
        by_rows = x * v[:, None, None]
        return (by_rows * tm.broadcast_to(v[:, None], (3, 3, 200))).sum()

    found = split(simplified(f, x, w))
    assert isinstance(found, Split)
    result = ChunkedReplay(found, 1, chunk_bounds(3, 4))([x, w])[0]
    np.testing.assert_allclose(result, f(x, w).item(), rtol=1e-12)


def test_each_task_factors_matrices_of_its_own():
    a, b = rng.normal(size=(3, 5, 5)) + 4 * np.eye(5), rng.normal(size=(3, 5))

    def f(a, b):
        definite = a @ tm.swapaxes(a, -1, -2)
        log_det = tm.linalg.slogdet(tm.linalg.cholesky(definite)).logabsdet
        return (log_det + (tm.linalg.solve(a, b[..., None]) ** 2).sum((1, 2))).sum()

    gradient = tm.grad(f)
    found = split(simplified(gradient, a, b))
    assert isinstance(found, Split) and found.tasks == 3
    assert {"cholesky", "lu", "triangular_solve"} <= {eqn.op for eqn in found.middle}
    result = ChunkedReplay(found, 1, chunk_bounds(3, 2))([a, b])[0]
    np.testing.assert_allclose(result, gradient(a, b).numpy(), rtol=1e-12)


# ---- checkpoints --------------------------------------------------------------------------------


def adapted_loss(model, steps, checkpointed):
    """A meta-gradient whose inner steps may be checkpoints."""

    def step(params, x, y):
        loss = lambda p: tm.losses.cross_entropy(model(p, x), y).sum()
        return tm.tree.map(lambda p, g: p - 0.1 * g, params, tm.grad(loss)(params))

    def meta_grad(params, tasks):
        def outer(params):
            own = tm.tree.map(lambda p: tm.broadcast_to(p, (4, *p.shape)), params)
            for _ in range(steps):
                run = tm.checkpoint(step) if checkpointed else step
                own = run(own, *tasks.support)
            return tm.losses.cross_entropy(model(own, tasks.query.x), tasks.query.y).mean()

        return tm.grad(outer)(params)

    return meta_grad


def operations(program):
    products = [eqn for eqn in program.equations if eqn.op == "matmul"]
    return sum(2 * eqn.size * eqn.inputs[0].shape[-1] for eqn in products)


@pytest.mark.parametrize("filters", [4, 5])
def test_a_checkpoint_is_split_and_computes_its_steps_once_more(filters):
    model = net(filters, 3)
    args = tm.tree.map(tm.tensor, model.init(rng)), images(4, 3)
    plain, kept = (simplified(adapted_loss(model, 5, kept), *args) for kept in (False, True))
    found = split(kept)
    assert isinstance(found, Split) and found.tasks == 4
    assert not {eqn.op for eqn in kept.equations} & {"pad", "concatenate", "slice"}
    assert operations(kept) < 1.25 * operations(plain)
    assert len(kept.equations) < 1.45 * len(plain.equations)


# ---- planning -----------------------------------------------------------------------------------


class CountedFreeList(FreeList):
    """It counts the gaps that are looked at."""

    looked_at = allocated = 0

    def allocate(self, count):
        fits = (k for k, (begin, end) in enumerate(self.gaps, 1) if end - begin >= count)
        CountedFreeList.looked_at += next(fits, len(self.gaps))
        CountedFreeList.allocated += 1
        return super().allocate(count)


def planning(steps):
    """(equations planned, sources of kernels, gaps looked at for a value) of some inner steps."""
    model = net(4, 3)
    args = tm.tree.map(tm.tensor, model.init(rng)), images(4, 3)
    planned = []
    init = ExecutionPlan.__init__

    def counted(self, program, *rest):
        planned.append(len(program.equations))
        init(self, program, *rest)

    CountedFreeList.looked_at = CountedFreeList.allocated = 0
    with (
        without_compiling(),
        patch.object(ExecutionPlan, "__init__", counted),
        patch.object(memory_module, "FreeList", CountedFreeList),
        patch.multiple(chunks_module, WORTH_SPLITTING=-1.0, chunk_count=lambda split: 4),
    ):
        compiled = tm.jit(adapted_loss(model, steps, checkpointed=False))
        compiled.prepare(*args)
    (program,) = compiled.programs.values()
    (chunk,) = program.replay.chunks.values()
    visits = CountedFreeList.looked_at / CountedFreeList.allocated
    return (
        sum(planned) / len(program.program.equations),
        {s for [s] in chunk.sources().values()},
        visits,
    )


def test_a_program_is_planned_once_and_more_steps_run_the_same_kernels():
    (few, sources, visits), (many, more_sources, more_visits) = planning(2), planning(16)
    assert few < 1.1 and many < 1.1  # of the equations, in all plans together
    assert len(more_sources - sources) < 0.25 * len(sources)
    assert more_visits < 2 * visits + 2


# ---- what is handed over ------------------------------------------------------------------------


def test_unrolled_steps_hand_over_one_gradient():
    """Of 12 steps, each with a gradient by the same weights, their sum; and each step's loss."""
    data = tm.data.Quadratics().sample(rng, tasks=6)

    def objective(theta, data):
        residual = (data.x @ theta[..., None])[..., 0] - data.y
        return (residual * residual).sum(-1)

    method = tm.meta.learned_optimizer(objective, steps=12, hidden=5)
    params = method.init(rng)
    found = split(simplified(method.meta_grad, params, data))
    gradient = sum(np.asarray(p).nbytes for p in tm.tree.leaves(params))
    assert sum(y.nbytes for y in found.reduced) == gradient + 12 * 4


def test_many_chunks_keep_few_rows_of_sums():
    x, w = rng.normal(size=(64, 7, 3)).astype(np.float32), np.ones((3, 5), np.float32)
    found = split(simplified(tm.grad(lambda w, x: tm.tanh(x @ w).sum()), w, x))
    with without_compiling():
        replay = ChunkedReplay(found, 2, chunk_bounds(64, 64))
    (buffers,) = replay.idle_buffers
    assert [len(table.rows) for table in buffers.sums] == [8]  # of groups
    assert {subtree.slots for subtree in buffers.subtrees} == {3}  # of a thread: log2(64 / 8)
    row = 64 * -(-w.nbytes // 64)
    assert buffers.tables.arena_size == replay.chunks[1].memory.size + 3 * row
