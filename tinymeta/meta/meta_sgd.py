"""Meta-SGD (Li, Zhou, Chen & Li 2017, equation 3): the inner rates are learned, one per parameter.

    theta'_i        = theta - alpha o grad L_i(theta; support)           o: elementwise
    (theta, alpha) <- (theta, alpha) - beta grad sum_i L_i(theta'_i; query)

The rates alpha may turn negative: then a step climbs, and the learner has learned that it should.
"""

from collections.abc import Callable

import numpy as np

from ..core import tree
from ..core.checks import real
from ..nn.losses import cross_entropy
from .adapt import adapted_to_each
from .method import Method, by_adapting, check_method, objective_of


def meta_sgd(
    model,
    loss: Callable = cross_entropy,
    *,
    lr: float = 0.01,
    steps: int = 1,
    test_steps: int | None = None,
    transductive: bool = True,
) -> Method:
    """Meta-SGD of `model`; its parameters are {"theta": .., "rates": ..}, two trees alike.

    lr: every rate's first value; the other arguments are those of `maml`.
    """
    check_method(
        "meta_sgd", model, loss, transductive=transductive, steps=steps, test_steps=test_steps
    )
    real("meta_sgd", lr=lr)
    objective = objective_of(model, loss)

    def init(rng):
        theta = model.init(rng)
        return {"theta": theta, "rates": tree.map(lambda p: np.full_like(p, lr), theta)}

    def adapted(params, support, steps):
        return adapted_to_each(objective, params["theta"], support, lr=params["rates"], steps=steps)

    return by_adapting(
        init, model, loss, adapted, steps=steps, test_steps=test_steps, transductive=transductive
    )
