"""Losses average over examples (or pairs) and keep what leads.

(T, N, ..) -> (T,), (N, ..) -> 0-d.
"""

from .. import ops
from ..core.checks import shown
from ..core.naming import with_error_prefix
from ..core.primitive import require
from ..core.tensor import Tensor, asarray
from ..ops.create import is_class

__all__ = ["contrastive", "contrastive_among", "cross_entropy", "mse", "squared_distances"]


def not_empty(name: str, x: Tensor) -> None:
    if not x.size:
        raise ValueError(f"{name}: {x.shape} holds no example, and the mean of nothing is no loss")


def came(value):
    """An array in a few words, a single number as it is."""
    return shown(value) if value.shape else value


def check_margin(name: str, margin) -> None:
    """Raise ValueError unless margin > 0: without one nothing is ever pushed apart."""

    def above_zero(value):
        if not (value > 0).all():
            raise ValueError(f"{name}: margin must be above 0, got {came(value)}")

    require(asarray(margin), above_zero)


def check_different(different: Tensor) -> None:
    """Raise ValueError for a pair that is neither 0, of one class, nor 1, of two."""

    def zero_or_one(values):
        wrong = values[(values != 0) & (values != 1)]
        if wrong.size:
            raise ValueError(
                f"contrastive: different must be 0 (one class) or 1 (two), got {wrong[0]}"
            )

    require(different, zero_or_one)


def check_share(different) -> None:
    if different.shape or not 0 <= different <= 1:
        raise ValueError(
            f"contrastive_among: different={came(different)} must be a share of the "
            "pairs, between 0 and 1"
        )


def mse(prediction, target) -> Tensor:
    """The mean squared error over examples and features: both (.., N, D) -> (..).

    Raises ValueError if the shapes of prediction and target differ.
    """
    prediction, target = asarray(prediction), asarray(target)
    if prediction.shape != target.shape or prediction.ndim < 2:
        raise ValueError(
            f"mse: prediction {prediction.shape} and target {target.shape} "
            "must have one shape (.., N, D)"
        )
    not_empty("mse", prediction)
    return ops.mean(ops.square(prediction - target), (-2, -1))


def cross_entropy(logits, labels) -> Tensor:
    """The mean over examples of -log softmax(logits)[label].

    logits (.., N, K), integer labels (.., N) -> (..). A logit of -inf masks a class that cannot be
    chosen: it takes no part, and costs inf where it is the label. Raises ValueError for labels
    outside 0 .. K - 1 (see `one_hot` for when they are looked at).
    """
    logits, labels = asarray(logits), asarray(labels)
    if logits.ndim < 2 or logits.shape[:-1] != labels.shape:
        raise ValueError(
            f"cross_entropy: logits {logits.shape} and labels {labels.shape} "
            "do not fit: expected (.., N, K) and (.., N)"
        )
    not_empty("cross_entropy", logits)
    hits = is_class("cross_entropy", labels, logits.shape[-1])  # (.., N, K)
    chosen = ops.where(hits, ops.log_softmax(logits), 0.0)  # a product: 0 * -inf is NaN
    return -ops.mean(ops.sum(chosen, -1), -1)


def contrastive(a, b, different, margin: float = 1.0) -> Tensor:
    """The mean over pairs of (1 - y) D^2 + y max(0, m - D)^2.

    Here D = ||a - b|| and y = `different`.
    a, b (.., P, D) embeddings, different (.., P): 0 same class, 1 different classes (bool, int or
    float) -> (..).

    Hadsell, Chopra & LeCun 2006, equation 4, times two. The first term is the squared distance
    itself, so its Hessian at D = 0 is 2 I; D appears only in the hinge, whose gradient is taken as
    0 at D = 0 and is 0 from D = m on.
    Raises ValueError for another `different` and unless margin > 0.
    """
    a, b, different = asarray(a), asarray(b), asarray(different)
    if a.shape != b.shape or a.ndim < 2 or different.shape != a.shape[:-1]:
        raise ValueError(
            f"contrastive: embeddings {a.shape} and {b.shape} must be "
            f"one shape (.., P, D) and different {different.shape} its (.., P)"
        )
    not_empty("contrastive", different)
    check_different(different)
    check_margin("contrastive", margin)
    y = ops.astype(different, a.dtype)
    squared = ops.sum(ops.square(a - b), -1)  # (.., P)
    hinge = ops.relu(margin - ops.sqrt(squared))
    return ops.mean((1.0 - y) * squared + y * ops.square(hinge), -1)


def contrastive_among(embedded, labels, margin: float = 1.0, different: float = 0.5) -> Tensor:
    """The contrastive loss of all pairs among N examples, weighed as if a share `different` of them
    were of different classes.

    (1 - different) times the mean of D^2 over the pairs of one class, plus `different` times the
    mean of max(0, m - D)^2 over the others; embedded (.., N, D), integer labels (.., N) -> (..).
    Of a kind without a pair, where there is one class or where all differ, nothing is asked: its
    part is 0. Whoever must find one class among K meets K - 1 different pairs for each same one: a
    share of 1 - 1 / K. Raises ValueError for another share and unless margin > 0.
    """
    require(asarray(different), check_share)
    z, labels = asarray(embedded), asarray(labels)
    if z.ndim < 2 or labels.shape != z.shape[:-1]:
        raise ValueError(
            f"contrastive_among: embeddings {z.shape} must be (.., N, D) "
            f"and labels {labels.shape} their (.., N)"
        )
    if labels.dtype.kind not in "iub":
        raise ValueError(f"contrastive_among: labels must be integers, got {labels.dtype}")
    not_empty("contrastive_among", labels)
    check_margin("contrastive_among", margin)
    same = ops.astype(labels[..., :, None] == labels[..., None, :], z.dtype)  # (.., N, N)
    others, twins = 1.0 - same, same - ops.eye(z.shape[-2], dtype=z.dtype)
    squared = squared_distances(z, z)
    hinge = ops.relu(margin - ops.sqrt(squared))

    def mean(x, weights):
        count = ops.sum(weights, (-2, -1))
        return ops.sum(x * weights, (-2, -1)) / ops.maximum(count, 1.0)

    return (1 - different) * mean(squared, twins) + different * mean(ops.square(hinge), others)


def squared_distances(a, b) -> Tensor:
    """|a_i - b_j|^2: (.., N, D) and (.., K, D) -> (.., N, K).

    Of the differences themselves: |a|^2 - 2 a.b + |b|^2 needs no (.., N, K, D), but loses small
    distances between points that are far from 0. It is never negative, and 0 of equal points.
    """
    a, b = asarray(a), asarray(b)
    return ops.sum(ops.square(a[..., :, None, :] - b[..., None, :, :]), -1)


for _name in __all__:
    globals()[_name] = with_error_prefix(_name, globals()[_name])
