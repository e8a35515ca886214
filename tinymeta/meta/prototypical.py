"""Prototypical networks (Snell, Swersky & Zemel 2017, equations 1 and 2): a class is a mean.

    c_k        = mean of f(x) over the support examples of class k
    p(k | x)   = softmax_k(-|f(x) - c_k|^2)

Nothing adapts but the prototypes: what is learned, as in a Siamese network, is the space f in which
so little is enough.
"""

from .. import ops
from ..core.tensor import Tensor
from ..nn.losses import cross_entropy, squared_distances
from .method import Method, answers, query_grad


def prototypical(model, *, way: int, transductive: bool = True) -> Method:
    """A prototypical network as a Method; the model embeds x (.., N, ..) as (.., N, D).

    way: the classes of a task, labels 0 .. way - 1. Raises ValueError if way < 2.
    """
    if way < 2:
        raise ValueError(f"prototypical: a task needs at least 2 classes, got way={way}")
    answer = answers(model, transductive)

    def judged(params, tasks):
        seen, asked = model(params, tasks.support.x), model(params, tasks.query.x)
        logits = -squared_distances(asked, prototypes(seen, tasks.support.y, way))
        return cross_entropy(logits, tasks.query.y), logits

    def predict(params, support, x):
        centres = prototypes(model(params, support.x), support.y, way)
        return -squared_distances(answer(params, support, x), centres)

    return Method(model.init, query_grad(judged), predict)


def prototypes(embedded, labels, way: int) -> Tensor:
    """The mean embedding of each class: (.., N, D) and labels (.., N) -> (.., K, D)."""
    member = ops.one_hot(labels, way, embedded.dtype)                               # (.., N, K)
    sums = ops.swapaxes(member, -1, -2) @ embedded                                  # (.., K, D)
    return sums / ops.sum(member, -2)[..., None]
