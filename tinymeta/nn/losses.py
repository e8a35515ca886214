"""Losses average over examples (or pairs) and keep what leads.

(T, N, ..) -> (T,), (N, ..) -> 0-d.
"""

from .. import ops
from ..core.grad import stop_gradient
from ..core.primitive import require
from ..core.tensor import Tensor, asarray


def mse(prediction, target) -> Tensor:
    """The mean squared error over examples and features: both (.., N, D) -> (..)."""
    prediction, target = asarray(prediction), asarray(target)
    if prediction.shape != target.shape or prediction.ndim < 2:
        raise ValueError(f"mse: prediction {prediction.shape} and target {target.shape} "
                         "must have one shape (.., N, D)")
    return ops.mean(ops.square(prediction - target), (-2, -1))


def cross_entropy(logits, labels) -> Tensor:
    """The mean over examples of -log softmax(logits)[label].

    logits (.., N, K), integer labels (.., N) -> (..).
    """
    logits, labels = asarray(logits), asarray(labels)
    if logits.ndim < 2 or logits.shape[:-1] != labels.shape:
        raise ValueError(f"cross_entropy: logits {logits.shape} and labels {labels.shape} "
                         "do not fit: expected (.., N, K) and (.., N)")
    hits = ops.one_hot(labels, logits.shape[-1], logits.dtype)                    # (.., N, K)
    return -ops.mean(ops.sum(hits * ops.log_softmax(logits), -1), -1)


def contrastive(a, b, different, margin: float = 1.0) -> Tensor:
    """The mean over pairs of (1 - y) D^2 + y max(0, m - D)^2.

    Here D = ||a - b|| and y = `different`.
    a, b (.., P, D) embeddings, different (.., P): 0 same class, 1 different classes (bool, int or
    float) -> (..).

    Hadsell, Chopra & LeCun 2006, equation 4, times two. The first term is the squared distance
    itself, so its Hessian at D = 0 is 2 I; D appears only in the hinge, whose gradient is taken as
    0 at D = 0 and is 0 from D = m on.
    """
    a, b, different = asarray(a), asarray(b), asarray(different)
    if a.shape != b.shape or a.ndim < 2 or different.shape != a.shape[:-1]:
        raise ValueError(f"contrastive: embeddings {a.shape} and {b.shape} must be "
                         f"one shape (.., P, D) and different {different.shape} its (.., P)")
    y = ops.astype(different, a.dtype)
    squared = ops.sum(ops.square(a - b), -1)                                      # (.., P)
    hinge = ops.relu(margin - ops.sqrt(squared))
    return ops.mean((1.0 - y) * squared + y * ops.square(hinge), -1)


def contrastive_among(embedded, labels, margin: float = 1.0, different: float = 0.5) -> Tensor:
    """The contrastive loss of all pairs among N examples, weighed as if a share `different` of them
    were of different classes.

    (1 - different) times the mean of D^2 over the pairs of one class, plus `different` times the
    mean of max(0, m - D)^2 over the others; embedded (.., N, D), integer labels (.., N) -> (..).
    A kind of which there are no pairs adds nothing. Whoever must find one class among K meets K - 1 different
    pairs for each same one: a share of 1 - 1 / K.
    """
    require(different, a_share)
    z, labels = asarray(embedded), asarray(labels)
    if z.ndim < 2 or z.shape[-2] < 2 or labels.shape != z.shape[:-1]:
        raise ValueError(f"contrastive_among: embeddings {z.shape} must be (.., N, D) of at least "
                         f"2 examples and labels {labels.shape} their (.., N)")
    same = ops.astype(labels[..., :, None] == labels[..., None, :], z.dtype)        # (.., N, N)
    others, twins = 1.0 - same, same - ops.eye(z.shape[-2], dtype=z.dtype)
    squared = ops.relu(squared_distances(z, z))                 # rounding can make it negative
    hinge = ops.relu(margin - ops.sqrt(squared))

    def mean(x, weights):
        return ops.sum(x * weights, (-2, -1)) / ops.maximum(ops.sum(weights, (-2, -1)), 1.0)

    return (1 - different) * mean(squared, twins) + different * mean(ops.square(hinge), others)


def a_share(different) -> None:
    """Raise ValueError for what is no share."""
    if not 0 <= different <= 1:
        raise ValueError(f"contrastive_among: different={different} must be a share of the pairs, "
                         "between 0 and 1")


def squared_distances(a, b) -> Tensor:
    """|a_i - b_j|^2 by one product: (.., N, D) and (.., K, D) -> (.., N, K).

    From the mean of b, which changes no distance and no derivative: far from 0 the squares are
    large, and their difference would be rounding. It errs by eps times the largest square, below 0
    as well.
    """
    a, b = asarray(a), asarray(b)
    centre = stop_gradient(ops.mean(b, -2, keepdims=True))                         # (.., 1, D)
    a, b = a - centre, b - centre
    squares = [ops.sum(ops.square(z), -1) for z in (a, b)]
    return squares[0][..., :, None] - 2.0 * (a @ ops.swapaxes(b, -1, -2)) + squares[1][..., None, :]
