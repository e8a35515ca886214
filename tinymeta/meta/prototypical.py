"""Prototypical networks (Snell, Swersky & Zemel 2017, equations 1 and 2): a class is a mean.

    c_k        = mean of f(x) over the support examples of class k
    p(k | x)   = softmax_k(-|f(x) - c_k|^2)

Nothing adapts but the prototypes: what is learned, as in a Siamese network, is the space f in which
so little is enough.
"""

import numpy as np

from .. import ops
from ..core.tensor import Tensor
from ..nn.losses import cross_entropy, squared_distances
from .method import Method, answers, query_grad


def prototypical(model, *, way: int, transductive: bool = True) -> Method:
    """A prototypical network as a Method; the model embeds x (.., N, ..) as (.., N, D).

    way: the classes of a task, labels 0 .. way - 1. A class without a support example has no
    prototype and cannot be the answer: its logit is -inf. Raises ValueError if way < 2.
    """
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
    """Minus the squared distance of each query to each class's prototype: (.., Q, K).

    asked (.., Q, D) and seen (.., N, D) embeddings, labels (.., N) of those that were seen.
    """
    centres, count = prototypes(seen, labels, way)
    return ops.where(ops.broadcast_to(count[..., None, :] > 0, (*asked.shape[:-1], way)),
                     -squared_distances(asked, centres), -np.inf)


def prototypes(embedded, labels, way: int) -> tuple[Tensor, Tensor]:
    """The mean embedding of each class, and of how many it is the mean; 0 of none.

    (.., N, D) and labels (.., N) -> (.., K, D) and (.., K).
    """
    member = ops.one_hot(labels, way, embedded.dtype)                               # (.., N, K)
    sums = ops.swapaxes(member, -1, -2) @ embedded                                  # (.., K, D)
    count = ops.sum(member, -2)
    return sums / ops.maximum(count, 1.0)[..., None], count
