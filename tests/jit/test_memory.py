"""Peak memory: checkpoints on the inner steps keep it from growing with their number."""

import numpy as np

import tinymeta as tm
from tinymeta.jit.compile import run_passes
from tinymeta.jit.plan import ExecutionPlan
from tinymeta.jit.trace import Traced

MODEL = tm.nn.conv4(5, filters=8)
PARAMS = MODEL.init(np.random.default_rng(0))
X, Y = np.ones((2, 5, 28, 28, 1), np.float32), np.tile(np.arange(5), (2, 1))


def arena(steps: int, checkpointed: bool) -> int:
    """Bytes of the arena of a meta-gradient of so many inner steps."""

    def loss(params):
        return tm.losses.cross_entropy(MODEL(params, X), Y)

    def step(params):
        grads = tm.grad(lambda p: loss(p).sum())(params)
        return tm.tree.map(lambda p, g: p - 0.1 * g, params, grads)

    def meta_grad(params):
        def outer(params):
            own = tm.tree.map(lambda p: tm.broadcast_to(p, (2, *p.shape)), params)
            for _ in range(steps):
                own = (tm.checkpoint(step) if checkpointed else step)(own)
            return loss(own).mean()

        return tm.grad(outer)(params)

    *_, (_, program) = run_passes(Traced(meta_grad, (PARAMS,), {}).program)
    return ExecutionPlan(program).memory.size


def test_with_checkpoints_a_step_adds_at_most_a_third():
    growth = {kept: (arena(4, kept) - arena(2, kept)) / 2 for kept in (False, True)}
    assert 0 < growth[True] < growth[False] / 3, growth
