"""Prototypical networks (Snell, Swersky & Zemel 2017, equations 1 and 2): a class is a mean.

    c_k        = mean of f(x) over the support examples of class k
    p(k | x)   = softmax_k(-|f(x) - c_k|^2)

Nothing adapts but the prototypes: what is learned, as in a Siamese network, is the space f in which
so little is enough.
"""

from typing import Any

import numpy as np

from .. import ops
from ..core.checks import check_whole
from ..core.tensor import Tensor
from ..nn.losses import cross_entropy, squared_distances
from .method import Method, check_method, meta_grad_of, query_predictor


def prototypical(model: Any, *, way: int, transductive: bool = True) -> Method:
    """A prototypical network as a Method; the model embeds x (.., N, ..) as (.., N, D).

    way: the classes of a task, labels 0 .. way - 1. A class without a support example cannot be
    chosen: its logit is -inf, the loss is over the classes that are there, and a query example of
    an absent class costs inf. Raises ValueError if way < 2.
    """
    check_method("prototypical", model, transductive=transductive)
    check_whole("prototypical", 0, way=way)
    if way < 2:
        raise ValueError(f"prototypical: a task needs at least 2 classes, got way={way}")
    embed_query = query_predictor(model, transductive)

    def outer_loss(params, tasks):
        support = model(params, tasks.support.x)
        query = model(params, tasks.query.x)
        logits = _logits(query, support, tasks.support.y, way)
        return cross_entropy(logits, tasks.query.y), logits

    def predict(params, support, x):
        query = embed_query(params, support, x)
        examples = model(params, support.x)
        return _logits(query, examples, support.y, way)

    return Method(model.init, meta_grad_of(outer_loss), predict)


def prototypes(embedded: Any, member: Any) -> Tensor:
    """The mean embedding of each class, 0 of one that is absent.

    embedded (.., N, D), member (.., N, K): 1 where the example is of the class, else 0
    -> (.., K, D).
    """
    sums = ops.swapaxes(member, -1, -2) @ embedded  # (.., K, D)
    examples = ops.sum(member, -2)  # of each class (.., K)
    counts: Any = ops.maximum(examples, 1.0)  # 0 / 1 of an absent class, not 0 / 0
    return sums / counts[..., None]


def _logits(query: Any, support: Any, labels: Any, way: int) -> Tensor:
    """Minus the squared distance to each prototype, -inf to that of a class that is absent.

    Embeddings (.., Q, D) and (.., N, D), labels (.., N) of the latter -> (.., Q, K).
    """
    member = ops.one_hot(labels, way, support.dtype)  # (.., N, K)
    examples: Any = ops.sum(member, -2)  # of each class (.., K)
    present: Any = examples > 0
    present = present[..., None, :]  # (.., 1, K)
    means = prototypes(support, member)
    squared: Any = squared_distances(query, means)
    return ops.where(present, -squared, -np.inf)
