"""Small trainings for the tests of ranks: what they share needs its kernels compiled only once.

A kernel is compiled for a structure, whatever the sizes. So most methods are tried on a net of one
hidden layer, on points enough that each rank has chunks of its own; MAML on the sinusoid net, too.
"""

import numpy as np
from thread_ranks import bits

import tinymeta as tm

NET = tm.nn.mlp(1, 40, 40, 1)
SMALL = tm.nn.mlp(1, 40, 1)


def maml():
    """MAML on the sinusoid net."""
    return tm.meta.maml(NET, tm.losses.mse, lr=0.01)


def waves_of(tasks=64, points=20):
    """A batch of waves, the same each time."""
    rng = np.random.default_rng(1)
    return tm.data.Sinusoids().sample(rng, tasks=tasks, shot=points, query=points)


def episodes(tasks=6):
    """A batch of 5-way episodes of random images (T, 5, 14, 14, 1)."""
    x = np.random.default_rng(0).random((2, tasks, 5, 14, 14, 1), dtype=np.float32)
    y = np.tile(np.arange(5), (tasks, 1))
    return tm.Tasks(tm.Batch(x[0], y), tm.Batch(x[1], y))


def on_batch(method, batch, iterations=2, **options):
    """A function of a world: the bits of a training on one batch."""

    def run(world=None):
        rng = np.random.default_rng(0)
        found = tm.meta.train(
            method, lambda: batch, iterations=iterations, rng=rng, rows=1, **options
        )
        return bits(found.params)

    return run


def numbered(drawn=None):
    """A source of 64 waves; drawn: a list of what is drawn, by (update, task)."""
    waves = tm.data.Sinusoids()
    source = tm.data.Numbered(
        lambda rng: waves.sample(rng, tasks=1, shot=20, query=20), tasks=64, seed=3
    )
    if drawn is not None:
        one = source.generator
        source.generator = lambda k, n: drawn.append((k, n)) or one(k, n)
    return source


def train_numbered(drawn=None, **options):
    """A training of MAML on numbered waves."""
    options = {"iterations": 4, "rows": 1, **options}
    return tm.meta.train(maml(), numbered(drawn), rng=np.random.default_rng(0), **options)
