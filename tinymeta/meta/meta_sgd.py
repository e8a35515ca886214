"""Meta-SGD (Li, Zhou, Chen & Li 2017, equation 3): the inner rates are learned, one per parameter.

    theta'_i        = theta - alpha o grad L_i(theta; support)           o: elementwise
    (theta, alpha) <- (theta, alpha) - beta grad sum_i L_i(theta'_i; query)

The rates alpha may turn negative: then a step climbs, and the learner has learned that it should.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import tree
from ..core.checks import check_real
from ..nn.losses import cross_entropy
from .adapt import adapt_each_task
from .method import Method, check_method, method_of_inner_loop, objective_of
from .recompute import check_remat


def meta_sgd(
    model: Any,
    loss: Callable = cross_entropy,
    *,
    lr: float = 0.01,
    steps: int = 1,
    test_steps: int | None = None,
    transductive: bool = True,
    remat: str | None = None,
    mode: str = "reverse",
) -> Method:
    """Meta-SGD of `model`; its parameters are {"theta": .., "rates": ..}, two trees alike.

    lr: every rate's first value; the other arguments are those of `maml`.
    """
    check_method(
        "meta_sgd", model, loss, transductive=transductive, steps=steps, test_steps=test_steps
    )
    check_real("meta_sgd", lr=lr)
    check_remat("meta_sgd", remat, mode, steps)
    objective = objective_of(model, loss)

    def init(rng):
        theta = model.init(rng)
        rates = tree.map(lambda p: np.full_like(p, lr), theta)
        return {"theta": theta, "rates": rates}

    def inner_loop(params, support, steps):
        theta, rates = params["theta"], params["rates"]
        return adapt_each_task(
            objective, theta, support, lr=rates, steps=steps, remat=remat, mode=mode
        )

    return method_of_inner_loop(
        init, model, loss, inner_loop, steps=steps, test_steps=test_steps, transductive=transductive
    )
