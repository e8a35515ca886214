import numpy as np

import tinymeta as tm


def adapt(loss, params, support):
    theta, rates = params["theta"], params["rates"]
    gs = tm.grad(lambda theta: loss(theta, support).sum())(theta)
    return {"theta": [p - r * g for p, g, r in zip(theta, gs, rates)], "rates": rates}


def method(init_theta, predict, loss):
    def init(rng):
        theta = init_theta(rng)
        return {"theta": theta, "rates": [np.full((1, 1), 0.05) for _ in theta]}

    def adapted(params, support):
        count = len(support.x)
        copies = tm.tree.map(lambda p: tm.broadcast_to(p, (count, *p.shape)), params)
        return adapt(loss, copies, support)["theta"]

    def meta_grad(params, tasks):
        def outer(params):
            return loss(adapted(params, tasks.support), tasks.query).mean()

        value, gradients = tm.value_and_grad(outer)(params)
        return {"loss": value}, gradients

    def predict_after(params, support, x):
        return predict(adapted(params, support), x)

    return tm.meta.Method(init, meta_grad, predict_after)
