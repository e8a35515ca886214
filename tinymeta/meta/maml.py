"""Model-agnostic meta-learning (Finn, Abbeel & Levine 2017, algorithm 1 and equation 1), exact.

    theta'_i = theta - alpha grad L_i(theta; support)             one or many inner steps
    theta   <- theta - beta grad_theta sum_i L_i(theta'_i; query)

The outer gradient passes through the inner ones: it holds second derivatives of L_i. Nothing here
asks for them; they come because `adapt` is an ordinary computation. With first_order they are
stopped, visibly. With support = query this is, literally,

    theta <- theta - beta sum_i grad L_i(theta - alpha grad L_i(theta)).
"""

from collections.abc import Callable

from .. import ops
from ..core import tree
from ..core.grad import value_and_grad
from ..core.tensor import Tensor, asarray
from ..nn.losses import cross_entropy
from .adapt import adapt
from .method import Method, hit_rate


def for_each_task(params, count: int):
    """Every task its own copy: a tree of (...) -> (T, ...). The gradient sums over the copies."""
    return tree.map(lambda p: ops.broadcast_to(p, (count, *asarray(p).shape)), params)


def adapted_to_each(loss: Callable, params, support, **inner):
    """The copies (T, ...), each adapted to its support set; inner: as of `adapt`."""
    return adapt(loss, for_each_task(params, len(tree.leaves(support)[0])), support, **inner)


def maml_loss(loss: Callable, params, tasks, *, lr, steps: int,
              first_order: bool = False) -> Tensor:
    """Each task's query loss after adapting to its support set, (T,).

    loss(params (T, ...), batch) -> (T,); tasks: Tasks(support, query), task axis first;
    lr, steps: see `adapt`.
    """
    adapted = adapted_to_each(loss, params, tasks.support,
                              lr=lr, steps=steps, first_order=first_order)
    return loss(adapted, tasks.query)


def maml(model, loss: Callable = cross_entropy, *, lr, steps: int = 1,
         test_steps: int | None = None, first_order: bool = False,
         over_tasks: str = "mean") -> Method:
    """MAML of `model` as a Method.

    loss(prediction, y) -> (T,); lr: inner learning rate, a number or a tree like the parameters;
    test_steps: inner steps in `predict` (default: steps);
    over_tasks: "mean" or "sum" of the tasks' losses is what is differentiated.
    """
    if over_tasks not in ("mean", "sum"):
        raise ValueError(f"maml: over_tasks {over_tasks!r} is not 'mean' or 'sum'")

    def objective(params, batch):
        return loss(model(params, batch.x), batch.y)

    def outer(params, tasks):
        adapted = adapted_to_each(objective, params, tasks.support,
                                  lr=lr, steps=steps, first_order=first_order)
        prediction = model(adapted, tasks.query.x)
        losses = loss(prediction, tasks.query.y)                                  # (T,)
        return getattr(losses, over_tasks)(), prediction

    def meta_grad(params, tasks):
        (value, prediction), grads = value_and_grad(outer, has_aux=True)(params, tasks)
        metrics = {"loss": value}
        if asarray(tasks.query.y).dtype.kind in "iu":
            metrics["accuracy"] = hit_rate(prediction, tasks.query.y)
        return metrics, grads

    def predict(params, support, x):
        count = steps if test_steps is None else test_steps
        return model(adapted_to_each(objective, params, support, lr=lr, steps=count), x)

    return Method(model.init, meta_grad, predict)
