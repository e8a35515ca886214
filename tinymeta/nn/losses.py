"""Losses: the mean over examples, or pairs, of one task; a task axis is kept.

(T, N, ..) -> (T,),  (N, ..) -> 0-d. Arguments are tensors, arrays or lists; embeddings, predictions
and logits are float32 or float64, and so is the loss. The usual others are in more_losses.py.
"""

from typing import Any

import numpy as np

from .. import ops
from ..core.checks import shown
from ..core.naming import with_error_prefix
from ..core.primitive import require
from ..core.tensor import Tensor, asarray
from ..ops.create import is_class
from . import more_losses
from .more_losses import *  # noqa: F403

__all__ = [
    "contrastive",
    "contrastive_among",
    "cross_entropy",
    "mse",
    "squared_distances",
    *more_losses.__all__,
]


def mse(prediction: Any, target: Any) -> Tensor:
    """The mean squared error over examples and features: both (.., N, D) -> (..).

    Raises ValueError if the shapes of prediction and target differ.
    """
    prediction, target = asarray(prediction), asarray(target)
    if prediction.shape != target.shape or prediction.ndim < 2:
        raise ValueError(
            f"mse: prediction {prediction.shape} and target {target.shape} "
            "must have one shape (.., N, D)"
        )
    _check_not_empty("mse", prediction)
    errors = ops.square(prediction - target)
    return ops.mean(errors, (-2, -1))


def cross_entropy(logits: Any, labels: Any) -> Tensor:
    """The mean over examples of -log softmax(logits)[label].

    logits (.., N, K), integer labels (.., N) -> (..). A logit of -inf masks a class that cannot be
    chosen: it takes no part, and costs inf where it is the label. Raises ValueError for labels
    outside 0 .. K - 1 (see `one_hot` for when they are looked at).
    """
    logits, labels = asarray(logits), asarray(labels)
    examples = logits.shape[:-1]
    if logits.ndim < 2 or examples != labels.shape:
        raise ValueError(
            f"cross_entropy: logits {logits.shape} and labels {labels.shape} "
            "do not fit: expected (.., N, K) and (.., N)"
        )
    _check_not_empty("cross_entropy", logits)
    is_label = is_class("cross_entropy", labels, logits.shape[-1])  # (.., N, K)
    # Selected and not multiplied by 0 and 1: 0 * -inf, of a masked class, would be NaN.
    selected = ops.where(is_label, ops.log_softmax(logits), 0.0)
    of_examples = ops.sum(selected, -1)  # (.., N), as all but one are 0
    log_likelihood: Any = ops.mean(of_examples, -1)
    return -log_likelihood


def contrastive(a: Any, b: Any, different: Any, margin: float = 1.0) -> Tensor:
    """The mean over pairs of (1 - y) D^2 + y max(0, m - D)^2.

    Here D = ||a - b|| and y = `different`.
    a, b (.., P, D) embeddings, different (.., P): 0 same class, 1 different classes (bool, int or
    float) -> (..).

    Hadsell, Chopra & LeCun 2006, equation 4, times two. The first term is the squared distance
    itself, so its Hessian at D = 0 is 2 I; D appears only in the hinge, whose gradient is taken as
    0 at D = 0 and is 0 from D = m on.
    Raises ValueError if `different` has other values than 0 and 1, or margin <= 0.
    """
    a, b = asarray(a), asarray(b)
    different = asarray(different)
    pairs = a.shape[:-1]
    if a.shape != b.shape or a.ndim < 2 or different.shape != pairs:
        raise ValueError(
            f"contrastive: embeddings {a.shape} and {b.shape} must be "
            f"one shape (.., P, D) and different {different.shape} its (.., P)"
        )
    _check_not_empty("contrastive", different)
    _check_different(different)
    _check_margin("contrastive", margin)
    y: Any = ops.astype(different, a.dtype)
    squares = ops.square(a - b)
    squared: Any = ops.sum(squares, -1)  # D^2 (.., P)
    hinge = ops.relu(margin - ops.sqrt(squared))
    same_term = (1.0 - y) * squared
    different_term = y * ops.square(hinge)
    return ops.mean(same_term + different_term, -1)


def contrastive_among(
    embedded: Any, labels: Any, margin: float = 1.0, different: float = 0.5
) -> Tensor:
    """The contrastive loss of all pairs among N examples, the two kinds of pairs weighted apart.

    (1 - different) times the mean of D^2 over the pairs of one class, plus `different` times the
    mean of max(0, m - D)^2 over the others; embedded (.., N, D), integer labels (.., N) -> (..).
    So `different` is a number here, the share of the different pairs, and no array as in
    `contrastive`. Where there is no pair of a kind, because there is one class only or all classes
    differ, its term is 0. Finding one class among K compares an example with K - 1 different ones
    and one of its own: the weight that fits is 1 - 1 / K. Raises ValueError if `different` is not
    from 0 to 1, or margin <= 0.
    """
    share_of_different = different
    require(asarray(share_of_different), _check_share)
    z, labels = asarray(embedded), asarray(labels)
    examples = z.shape[:-1]
    if z.ndim < 2 or labels.shape != examples:
        raise ValueError(
            f"contrastive_among: embeddings {z.shape} must be (.., N, D) "
            f"and labels {labels.shape} their (.., N)"
        )
    if labels.dtype.kind not in "iub":
        raise ValueError(f"contrastive_among: labels must be integers, got {labels.dtype}")
    _check_not_empty("contrastive_among", labels)
    _check_margin("contrastive_among", margin)
    is_same = labels[..., :, None] == labels[..., None, :]  # (.., N, N)
    same_class: Any = ops.astype(is_same, z.dtype)
    itself = ops.eye(z.shape[-2], dtype=z.dtype)
    different_pairs = 1.0 - same_class
    same_pairs = same_class - itself  # an example is no pair with itself
    squared = squared_distances(z, z)
    hinge = ops.relu(margin - ops.sqrt(squared))
    same_term = (1 - share_of_different) * _weighted_mean(squared, same_pairs)
    different_term = share_of_different * _weighted_mean(ops.square(hinge), different_pairs)
    return same_term + different_term


def squared_distances(a: Any, b: Any) -> Tensor:
    """|a_i - b_j|^2: (.., N, D) and (.., K, D) -> (.., N, K).

    Computed from the differences: |a|^2 - 2 a.b + |b|^2 would need no (.., N, K, D), but small
    distances between points far from 0 would cancel. It is never negative, and 0 of equal points.
    """
    a, b = asarray(a), asarray(b)
    differences = a[..., :, None, :] - b[..., None, :, :]  # (.., N, K, D)
    return ops.sum(ops.square(differences), -1)


def _weighted_mean(x: Any, weights: Any) -> Any:
    """The mean of x where the weights are 1, not 0: both (.., N, N) -> (..); 0 if all are 0."""
    count = ops.sum(weights, (-2, -1))
    chosen = x * weights
    total: Any = ops.sum(chosen, (-2, -1))
    return total / ops.maximum(count, 1.0)  # 0 / 1 where there is none


def _check_not_empty(loss: str, x: Tensor) -> None:
    if not x.size:
        raise ValueError(f"{loss}: {x.shape} holds no example, and the mean of nothing is no loss")


# A value is not known while a program is traced. `require` then checks it when the program runs.


def _check_margin(loss: str, margin: Any) -> None:
    """Raise ValueError unless margin > 0: without one nothing is ever pushed apart."""

    def above_zero(value: np.ndarray) -> None:
        if not (value > 0).all():
            raise ValueError(f"{loss}: margin must be above 0, got {_brief(value)}")

    require(asarray(margin), above_zero)


def _check_different(different: Tensor) -> None:
    """Raise ValueError for a pair that is neither 0, of one class, nor 1, of two."""

    def zero_or_one(values: np.ndarray) -> None:
        wrong = values[(values != 0) & (values != 1)]
        if wrong.size:
            raise ValueError(
                f"contrastive: different must be 0 (one class) or 1 (two), got {wrong[0]}"
            )

    require(different, zero_or_one)


def _check_share(share: np.ndarray) -> None:
    if share.shape or not 0 <= share <= 1:
        raise ValueError(
            f"contrastive_among: different={_brief(share)} must be a share of the "
            "pairs, between 0 and 1"
        )


def _brief(value: np.ndarray) -> Any:
    """For an error: an array by its dtype and shape, a single number as it is."""
    return shown(value) if value.shape else value


# An error of an operation inside begins with the name of the loss that was called.
for _name in __all__:
    globals()[_name] = with_error_prefix(_name, globals()[_name])
