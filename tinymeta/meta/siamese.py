"""Siamese networks: one embedding f for both members of a pair.

It is trained so that distance means difference.

    L = (1 - y) D^2 + y max(0, m - D)^2,   D = ||f(a) - f(b)||,   y = 1: different classes
    (Hadsell, Chopra & LeCun 2006;
     one-shot classification by nearest neighbour after Koch et al. 2015)

A pair is one sample from each of two tasks, the classes; `different` says whether the tasks differ.
Each class is a tiny task of its own, "is this another of the same?", and what is learned, the
metric, serves classes never seen.

`siamese` is the method. Below it, for scoring: distances as NumPy arrays, and verification, which
calls a pair different if D is above a threshold.
"""

from functools import partial
from typing import Any

import numpy as np

from .. import ops
from ..core.checks import check_real, check_share, check_whole
from ..core.grad import value_and_grad
from ..core.primitive import require
from ..core.tensor import Tensor, asarray
from ..data import Batch, Pairs
from ..nn.losses import contrastive, contrastive_among, squared_distances
from .method import Method, check_method, query_predictor


def siamese(
    model: Any,
    *,
    margin: float = 1.0,
    different: float = 0.5,
    way: int | None = None,
    transductive: bool = True,
) -> Method:
    """The contrastive siamese network as a Method.

    Its `meta_grad` takes Pairs(a, b, different), or a labelled Batch, all of whose pairs count, the
    different ones together as a share of them: the number `different`.
    model(params, x) embeds x (.., N, ..) as (.., N, D). `predict` returns minus the distance to
    each class's nearest support example, (T, N, K): the largest is the nearest neighbour's class,
    and a class without an example is at -inf.
    margin: m. way: K; by default the largest label of the support sets plus one, which is too few
    where the last classes are absent, and which has to be read: `predict` can be compiled where
    `way` is given. transductive: see `query_predictor`.
    Raises ValueError for a label outside 0 .. K - 1 in `predict`.
    """
    check_method("siamese", model, transductive=transductive)
    if way is not None:
        check_whole("siamese", way=way)
    check_real("siamese", margin=margin)
    check_share("siamese", different=different)
    share_of_different = different
    embed_query = query_predictor(model, transductive)

    def called_right(distance, is_different):
        """1 of a pair that half the margin, as a threshold on D, puts on its side, else 0."""
        called_different = distance > margin / 2
        return ops.astype(called_different == is_different, np.float32)

    def pairs_loss(params, pairs):
        """The loss of given pairs, and the accuracy."""
        y = asarray(pairs.different)  # (.., P)
        pair_axis = y.ndim - 1
        both = ops.concatenate([pairs.a, pairs.b], pair_axis)  # (.., 2 P, ..)
        embedded = model(params, both)  # one batch, so a and b share batch statistics
        count = embedded.shape[-2] // 2
        a = embedded[..., :count, :]
        b = embedded[..., count:, :]
        distance = ops.norm(a - b, -1)  # (.., P)
        right = called_right(distance, y != 0)
        loss = contrastive(a, b, pairs.different, margin)
        return ops.mean(loss), ops.mean(right)

    def all_pairs_loss(params, batch):
        """The loss of all pairs in a labelled batch, and the accuracy."""
        embedded = model(params, batch.x)
        squared = squared_distances(embedded, embedded)
        distance = ops.sqrt(squared)
        y = asarray(batch.y)
        is_different = y[..., :, None] != y[..., None, :]  # (.., N, N)
        right = called_right(distance, is_different)  # an example with itself, too: always right
        loss = contrastive_among(embedded, batch.y, margin, share_of_different)
        return ops.mean(loss), ops.mean(right)

    def meta_grad(params, batch):
        outer_loss = all_pairs_loss if isinstance(batch, Batch) else pairs_loss
        loss_and_grads = value_and_grad(outer_loss, has_aux=True)
        (loss, accuracy), grads = loss_and_grads(params, batch)
        return {"loss": loss, "accuracy": accuracy}, grads

    def predict(params, support, x):
        if asarray(support.y).ndim == 1:  # one task, without an axis for it
            support_x = asarray(support.x)
            support_y = asarray(support.y)
            one_task = Batch(support_x[None], support_y[None])
            predicted = predict(params, one_task, asarray(x)[None])
            return predicted[0]
        query = embed_query(params, support, x)
        examples = model(params, support.x)
        differences = query[..., :, None, :] - examples[..., None, :, :]  # (.., N, M, D)
        return -nearest(ops.norm(differences, -1), support.y, way)

    return Method(model.init, meta_grad, predict)


def distances(a: Any, b: Any) -> np.ndarray:
    """Euclidean distances between embeddings: (.., N, D) and (.., M, D) -> (.., N, M)."""
    rows = np.asarray(a)[..., :, None, :]  # (.., N, 1, D)
    columns = np.asarray(b)[..., None, :, :]  # (.., 1, M, D)
    differences = rows - columns  # (.., N, M, D)
    return _lengths(differences)


def _lengths(vectors: np.ndarray) -> np.ndarray:
    """Euclidean: (.., D) -> (..)."""
    return np.sqrt((vectors**2).sum(-1))


def nearest(distance: Any, labels: Any, way: int | None = None) -> Tensor:
    """The distance to the nearest example of each class, inf where there is none.

    distance (.., N, M), labels (.., M) -> (.., N, K), K = `way` or the largest label plus one, for
    which the labels have to be known: a function that is compiled has to give `way`.
    Raises ValueError if there are no labels or they are not integers from 0 to K - 1.
    """
    distance, labels = asarray(distance), asarray(labels)
    if not labels.size or labels.dtype.kind not in "iu":
        raise ValueError(
            f"nearest: needs integer labels of at least one example, got "
            f"{labels.dtype} of shape {labels.shape}"
        )
    if way is None:
        way = int(labels.numpy().max()) + 1
    require(labels, partial(_check_labels, way))
    is_member = labels[..., :, None] == np.arange(way)  # (.., M, K)
    to_member = ops.where(is_member[..., None, :, :], distance[..., None], np.inf)  # (.., N, M, K)
    return ops.min(to_member, -2)


def _check_labels(way: int, labels: np.ndarray) -> None:
    """Raise ValueError unless all labels are from 0 to way - 1."""
    if labels.min() < 0 or labels.max() >= way:
        raise ValueError(
            f"nearest: labels must be integers from 0 to {way - 1}, "
            f"got {labels.min()} to {labels.max()}"
        )


def pair_distances(model: Any, params: Any, pairs: Pairs, batch: int = 500) -> np.ndarray:
    """D of each of the pairs, (P,), embedded `batch` at a time by model(params, x)."""
    parts = []
    for start in range(0, len(pairs.a), batch):
        part = slice(start, start + batch)
        a = np.asarray(model(params, pairs.a[part]))
        b = np.asarray(model(params, pairs.b[part]))
        parts.append(_lengths(a - b))
    return np.concatenate(parts)


def best_threshold(distance: np.ndarray, different: np.ndarray) -> float:
    """The threshold on D with the highest verification accuracy; distance, different (P,).

    Choose it on pairs that are not tested. Raises ValueError if there are none, or for distances
    that are NaN.

    With the pairs in order of distance, a threshold between the k-th and the next one calls the
    first k the same and the others different. Two running counts give the right ones for all k at
    once: O(P log P), by the sort, where trying each threshold on all pairs is O(P^2).
    """
    _check_pairs("best_threshold", distance, different)
    order = np.argsort(distance, axis=None)
    d = distance.ravel()[order]
    y = np.asarray(different, bool).ravel()[order]
    same_below = np.concatenate([[0], np.cumsum(~y)])  # among the first k, (P + 1,)
    different_below = np.concatenate([[0], np.cumsum(y)])
    different_above = np.count_nonzero(y) - different_below  # among the others
    right = same_below + different_above
    below_all = d[0] - 1
    above_all = d[-1] + 1
    lower = np.concatenate([[below_all], d])  # the k-th gap is from lower[k] to upper[k]
    upper = np.concatenate([d, [above_all]])
    right[lower == upper] = -1  # no threshold lies between equal distances
    k = int(np.argmax(right))
    return float((lower[k] + upper[k]) / 2)


def verification_accuracy(distance: np.ndarray, different: np.ndarray, threshold: float) -> float:
    """The share of pairs that are called right, "different" being D > threshold.

    distance, different (P,). Raises ValueError if there are none, or for distances that are NaN.
    """
    _check_pairs("verification_accuracy", distance, different)
    right = (distance > threshold) == np.asarray(different, bool)
    return float(right.mean())


def _check_pairs(caller: str, distance: Any, different: Any) -> None:
    """Raise ValueError unless there are pairs, with a label and a distance for each, none NaN."""
    distance = np.asarray(distance)
    different = np.asarray(different)
    if not distance.size or distance.shape != different.shape:
        raise ValueError(
            f"{caller}: needs at least one pair, with a distance and a label for each, "
            f"got {distance.shape} and {different.shape}"
        )
    if np.isnan(distance).any():
        raise ValueError(
            f"{caller}: {np.isnan(distance).sum()} of {distance.size} distances are NaN, "
            "which cannot be compared: look for the embedding that is no number"
        )
