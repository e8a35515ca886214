"""MAML++ (Antoniou, Edwards & Storkey 2019): every inner step is judged, and has its own rates.

    theta_{k+1}  = theta_k - alpha_k grad L(theta_k; support)       alpha_k: a number per layer
    (theta, alpha) <- (theta, alpha) - beta grad sum_i sum_k w_k L_i(theta_k; query)   (equation 4)

The weights w begin alike, which keeps the gradient of a long inner loop in bounds, and move to the
last step, which is all that MAML looks at. Batch norm uses the batch at hand, as in `maml`; the
paper's running moments for each step are not here, its falling rate is `tm.optim.cosine`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .. import ops
from ..core import tree
from ..core.checks import real, whole
from ..core.tensor import asarray
from ..data import Tasks
from ..nn.losses import cross_entropy
from .adapt import adapt, count_tasks, for_each_task
from .method import Method, answers, check_method, objective_of, one_per_task, query_grad


class Weighted(NamedTuple):
    """Tasks and the weights (steps,) of their inner steps; x, y as in Tasks."""

    support: object
    query: object
    weights: np.ndarray


def step_weights(progress: float, steps: int) -> np.ndarray:
    """The weights (steps,) from all alike, at progress 0, to the last alone, from progress 1 on."""
    whole("step_weights", steps=steps)
    real("step_weights", progress=progress)
    last = np.eye(steps)[-1]
    share = min(max(progress, 0.0), 1.0)
    return ((1 - share) / steps + share * last).astype(np.float32)


def maml_plus(
    model,
    loss: Callable = cross_entropy,
    *,
    lr: float = 0.1,
    steps: int = 5,
    transductive: bool = True,
) -> Method:
    """MAML++ of `model`; its parameters are {"theta": .., "rates": ..}, the rates (steps,) each.

    lr: every rate's first value. `meta_grad` takes Weighted tasks, and of plain Tasks judges the
    last step alone. The other arguments are those of `maml`. Raises ValueError if steps < 1.
    """
    check_method("maml_plus", model, loss, transductive=transductive, steps=steps)
    real("maml_plus", lr=lr)
    if steps < 1:
        raise ValueError(f"maml_plus: steps must be at least 1, got {steps}")
    loss = one_per_task(loss)
    objective, answer = objective_of(model, loss), answers(model, transductive)

    def init(rng):
        theta = model.init(rng)
        rates = tree.map(lambda p: np.full(steps, lr, np.asarray(p).dtype), theta)
        return {"theta": theta, "rates": rates}

    def path(params, support):
        """The adapted parameters after each inner step."""
        own = for_each_task(params["theta"], count_tasks(support))
        for k in range(steps):
            lr = tree.map(lambda rates: asarray(rates)[k], params["rates"])
            own = adapt(objective, own, support, lr=lr, steps=1)
            yield own

    def judged(params, tasks):
        if isinstance(tasks, Tasks):
            tasks = Weighted(*tasks, step_weights(1.0, steps))
        count_tasks(tasks.support, tasks.query)
        predictions = [model(own, tasks.query.x) for own in path(params, tasks.support)]
        losses = [loss(prediction, tasks.query.y) for prediction in predictions]
        weights = ops.astype(tasks.weights, losses[0].dtype)
        if weights.shape != (steps,):
            raise ValueError(
                f"maml_plus: weights {weights.shape} must be ({steps},), one number "
                "for each inner step, as step_weights makes them"
            )
        return sum(weights[k] * losses[k] for k in range(steps)), predictions[-1]

    def predict(params, support, x):
        *_, own = path(params, support)
        return answer(own, support, x)

    return Method(init, query_grad(judged), predict)
