"""Linear regression tasks: each is a quadratic, so all that a method computes has a closed form.

L_i(w) = mean (X w - y)^2 has the gradient H w - r with H = 2 X'X / N and r = 2 X'y / N.
"""

from types import SimpleNamespace

import numpy as np
import pytest

import tinymeta as tm

T, D, N = 4, 3, 6


@pytest.fixture
def linear():
    rng = np.random.default_rng(0)

    def batch():
        return tm.Batch(rng.normal(size=(T, N, D)), rng.normal(size=(T, N, 1)))

    def pieces(batch):
        """[(H (D, D), r (D,))] for each task."""
        return [(2 * x.T @ x / N, 2 * x.T @ y[:, 0] / N) for x, y in zip(batch.x, batch.y)]

    tasks = tm.Tasks(batch(), batch())
    return SimpleNamespace(
        model=tm.nn.Dense(D, 1, bias=False),
        loss=tm.losses.mse,
        tasks=tasks,
        params={"w": rng.normal(size=(D, 1))},
        support=pieces(tasks.support),
        query=pieces(tasks.query),
        w=lambda params: np.asarray(params["w"])[:, 0],
    )
