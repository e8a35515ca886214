"""Prototypical networks (Snell, Swersky & Zemel 2017, equations 1 and 2): a class is a mean.

    c_k        = mean of f(x) over the support examples of class k
    p(k | x)   = softmax_k(-|f(x) - c_k|^2)

Nothing adapts but the prototypes: what is learned, as in a Siamese network, is the space f in which
so little is enough.
"""

import numpy as np

from .. import ops
from ..core.checks import whole
from ..core.tensor import Tensor
from ..nn.losses import cross_entropy, squared_distances
from .method import Method, answers, check_method, query_grad


def prototypical(model, *, way: int, transductive: bool = True) -> Method:
    """A prototypical network as a Method; the model embeds x (.., N, ..) as (.., N, D).

    way: the classes of a task, labels 0 .. way - 1. A class without a support example cannot be
    chosen: its logit is -inf, the loss is over the classes that are there, and a query example of
    an absent class costs inf. Raises ValueError if way < 2.
    """
    check_method("prototypical", model, transductive=transductive)
    whole("prototypical", 0, way=way)
    if way < 2:
        raise ValueError(f"prototypical: a task needs at least 2 classes, got way={way}")
    answer = answers(model, transductive)

    def judged(params, tasks):
        seen, asked = model(params, tasks.support.x), model(params, tasks.query.x)
        logits = nearness(asked, seen, tasks.support.y, way)
        return cross_entropy(logits, tasks.query.y), logits

    def predict(params, support, x):
        return nearness(answer(params, support, x), model(params, support.x), support.y, way)

    return Method(model.init, query_grad(judged), predict)


def nearness(asked, seen, labels, way: int) -> Tensor:
    """Minus the squared distance to each prototype, -inf to that of a class that is absent.

    Embeddings (.., Q, D) and (.., N, D), labels (.., N) of the latter -> (.., Q, K).
    """
    member = ops.one_hot(labels, way, seen.dtype)  # (.., N, K)
    there = (ops.sum(member, -2) > 0)[..., None, :]  # (.., 1, K)
    squared = squared_distances(asked, prototypes(seen, member))
    return ops.where(there, -squared, -np.inf)


def prototypes(embedded, member) -> Tensor:
    """The mean embedding of each class, 0 of one that is absent.

    (.., N, D) and who is in which class, 0 or 1 (.., N, K) -> (.., K, D).
    """
    sums = ops.swapaxes(member, -1, -2) @ embedded  # (.., K, D)
    return sums / ops.maximum(ops.sum(member, -2), 1.0)[..., None]
