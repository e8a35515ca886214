"""The usual losses besides those of losses.py, with its shapes: the mean over examples of one task.

(T, N, ..) -> (T,),  (N, ..) -> 0-d. `tm.losses` has them beside the others.
"""

from typing import Any

import numpy as np

from .. import ops
from ..core.checks import check_real
from ..core.primitive import require
from ..core.tensor import Tensor, asarray
from ..ops.create import is_class
from ..ops.promote import promote

__all__ = ["binary_cross_entropy", "hinge", "huber", "kl_divergence", "mae", "nll"]


def nll(log_probabilities: Any, labels: Any) -> Tensor:
    """The mean over examples of -log_probabilities[label], the negative log likelihood.

    log_probabilities (.., N, K), such as of `log_softmax`; integer labels (.., N) -> (..).
    Raises ValueError for labels outside 0 .. K - 1.
    """
    values, labels = asarray(log_probabilities), asarray(labels)
    has_examples = values.ndim > 1 and values.size
    if not has_examples or values.shape[:-1] != labels.shape:
        raise ValueError(
            f"nll: log_probabilities {values.shape} and labels {labels.shape} do not fit: "
            "expected (.., N, K) and (.., N), neither of them empty"
        )
    is_label = is_class("nll", labels, values.shape[-1])
    of_examples = ops.sum(ops.where(is_label, values, 0.0), -1)
    return -ops.mean(of_examples, -1)


def mae(prediction: Any, target: Any) -> Tensor:
    """The mean of |prediction - target| over examples and features: both (.., N, D) -> (..)."""
    prediction, target = _alike("mae", prediction, target)
    errors = ops.abs(prediction - target)
    return ops.mean(errors, (-2, -1))


def huber(prediction: Any, target: Any, delta: float = 1.0) -> Tensor:
    """The mean of e^2 / 2 where |e| <= delta, elsewhere of delta (|e| - delta / 2).

    e = prediction - target, both (.., N, D) -> (..) (Huber 1964). ValueError unless delta > 0.
    """
    check_real("huber", 0, delta=delta)
    if delta == 0:
        raise ValueError("huber: delta=0 must be above 0: tm.losses.mae is the loss of its limit")
    prediction, target = _alike("huber", prediction, target)
    errors = prediction - target
    sizes = ops.abs(errors)
    is_small = sizes <= delta
    of_small = 0.5 * ops.square(errors)
    of_large = delta * (sizes - 0.5 * delta)
    losses = ops.where(is_small, of_small, of_large)
    return ops.mean(losses, (-2, -1))


def binary_cross_entropy(logits: Any, target: Any) -> Tensor:
    """The mean of -y log p - (1 - y) log(1 - p), p = sigmoid(logits): both (.., N, D) -> (..).

    From logits, as softplus(z) - y z, which neither overflows nor loses small p. target: from 0 to
    1, bools too; ValueError for others.
    """
    logits, target = asarray(logits), asarray(target)
    require(target, _check_probabilities)
    logits, target = _alike("binary_cross_entropy", logits, target)
    losses = ops.softplus(logits) - target * logits
    return ops.mean(losses, (-2, -1))


def hinge(prediction: Any, target: Any, margin: float = 1.0) -> Tensor:
    """The mean of max(0, margin - y prediction), the target y being -1 or 1: (.., N, D) -> (..)."""
    check_real("hinge", margin=margin)
    prediction, target = _alike("hinge", prediction, target)
    losses = ops.relu(margin - target * prediction)
    return ops.mean(losses, (-2, -1))


def kl_divergence(logits: Any, target: Any) -> Tensor:
    """The mean over examples of sum_k q_k (log q_k - log softmax(logits)_k): (.., N, K) -> (..).

    target: the probabilities q; one that is 0 adds nothing, and has gradient 0. ValueError for one
    that is not from 0 to 1.
    """
    logits, target = asarray(logits), asarray(target)
    require(target, _check_probabilities)
    logits, target = _alike("kl_divergence", logits, target)
    is_used = target > 0.0
    safe = ops.where(is_used, target, 1.0)  # the log of what is not selected is computed, too
    terms = safe * (ops.log(safe) - ops.log_softmax(logits))
    of_examples = ops.sum(ops.where(is_used, terms, 0.0), -1)
    return ops.mean(of_examples, -1)


def _alike(loss: str, prediction: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Both as floating tensors. Raises ValueError unless they have one shape (.., N, D)."""
    prediction, target = asarray(prediction), asarray(target)
    has_examples = prediction.ndim > 1 and prediction.size
    if not has_examples or prediction.shape != target.shape:
        raise ValueError(
            f"{loss}: {prediction.shape} and the target {target.shape} must have one shape "
            "(.., N, D), with an example"
        )
    prediction, target = promote(loss, (prediction, target), floating=True)
    return prediction, target


def _check_probabilities(values: np.ndarray) -> None:
    if values.size and not (0 <= values.min() <= values.max() <= 1):
        raise ValueError("the target must be probabilities, from 0 to 1")
