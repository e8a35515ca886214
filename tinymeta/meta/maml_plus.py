"""MAML++ (Antoniou, Edwards & Storkey 2019): every inner step has a loss and rates of its own.

    theta_{k+1}  = theta_k - alpha_k grad L(theta_k; support)       alpha_k: a number per layer
    (theta, alpha) <- (theta, alpha) - beta grad sum_i sum_k w_k L_i(theta_k; query)   (equation 4)

The weights w begin alike, which keeps the gradient of a long inner loop in bounds, and move to the
last step, which is the only one in MAML's loss. Batch norm uses the batch at hand, as in `maml`;
the paper's running moments for each step are not here, its falling rate is `tm.optim.cosine`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..core import tree
from ..core.checks import check_real, check_whole
from ..core.tensor import asarray
from ..data import Tasks
from ..nn.losses import cross_entropy
from .adapt import adapt, broadcast_to_tasks, count_tasks
from .method import Method, check_method, checked_loss, meta_grad_of, objective_of, query_predictor
from .recompute import check_remat, run_steps


class Weighted(NamedTuple):
    """Tasks and the weights (steps,) of their inner steps; support, query as in Tasks."""

    support: Any
    query: Any
    weights: np.ndarray


def step_weights(progress: float, steps: int) -> np.ndarray:
    """The weights w, (steps,) float32: all alike at progress 0, the last alone from progress 1 on.

    They sum to 1 and move linearly. Raises ValueError if steps < 1.
    """
    (steps,) = check_whole("step_weights", steps=steps)
    check_real("step_weights", progress=progress)
    last = np.eye(steps)[-1]
    share = min(max(progress, 0.0), 1.0)
    weights = (1 - share) / steps + share * last
    return weights.astype(np.float32)


def maml_plus(
    model: Any,
    loss: Callable = cross_entropy,
    *,
    lr: float = 0.1,
    steps: int = 5,
    transductive: bool = True,
    remat: str | None = None,
    mode: str = "reverse",
) -> Method:
    """MAML++ of `model`; its parameters are {"theta": .., "rates": ..}, the rates (steps,) each.

    lr: every rate's first value. `meta_grad` takes Weighted tasks; of plain Tasks the last step
    alone counts. The other arguments are those of `maml`. Raises ValueError if steps < 1.
    """
    check_method("maml_plus", model, loss, transductive=transductive, steps=steps)
    check_real("maml_plus", lr=lr)
    if steps < 1:
        raise ValueError(f"maml_plus: steps must be at least 1, got {steps}")
    check_remat("maml_plus", remat, mode)
    loss = checked_loss(loss)
    objective = objective_of(model, loss)
    predict_query = query_predictor(model, transductive)

    def init(rng):
        theta = model.init(rng)
        rates = tree.map(lambda p: np.full(steps, lr, np.asarray(p).dtype), theta)
        return {"theta": theta, "rates": rates}

    def inner_step(k, theta, params, support):
        """The parameters (T, ..) after step k, from 0 on, at its own rates."""
        lr = tree.map(lambda rates: asarray(rates)[k], params["rates"])
        return adapt(objective, theta, support, lr=lr, steps=1, mode=mode)

    def outer_loss(params, tasks):
        if isinstance(tasks, Tasks):
            tasks = Weighted(*tasks, step_weights(1.0, steps))
        support, query, weights = tasks.support, tasks.query, asarray(tasks.weights)
        start = broadcast_to_tasks(params["theta"], count_tasks(support, query))
        if weights.shape != (steps,):
            raise ValueError(
                f"maml_plus: weights {weights.shape} must be ({steps},), one number "
                "for each inner step, as step_weights makes them"
            )

        def step_and_loss(k, state):
            """A step, and its part of the weighted sum of losses; the query set is in it, too."""
            theta, total, _ = state
            theta = inner_step(k, theta, params, support)
            prediction = model(theta, query.x)
            losses = loss(prediction, query.y)
            weighted = ops.astype(weights, losses.dtype)[k] * losses
            return theta, weighted if total is None else total + weighted, prediction

        _, total, prediction = run_steps(step_and_loss, (start, None, None), steps, remat)
        return total, prediction

    def predict(params, support, x):
        theta = broadcast_to_tasks(params["theta"], count_tasks(support))
        for k in range(steps):
            theta = inner_step(k, theta, params, support)
        return predict_query(theta, support, x)

    return Method(init, meta_grad_of(outer_loss), predict)
