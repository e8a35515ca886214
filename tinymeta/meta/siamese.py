"""Siamese networks: one embedding f for both members of a pair.

It is trained so that distance means difference.

    L = (1 - y) D^2 + y max(0, m - D)^2,   D = ||f(a) - f(b)||,   y = 1: different classes
    (Hadsell, Chopra & LeCun 2006;
     one-shot classification by nearest neighbour after Koch et al. 2015)

A pair is one sample from each of two tasks, the classes; `different` says whether the tasks differ.
Each class is a tiny task of its own, "is this another of the same?", and what is learned, the
metric, serves classes never seen.
"""

import numpy as np

from .. import ops
from ..core.checks import real, share, whole
from ..core.grad import value_and_grad
from ..core.tensor import asarray
from ..data import Batch
from ..nn.losses import contrastive, contrastive_among, squared_distances
from .method import Method, answers, check_method


def siamese(
    model,
    *,
    margin: float = 1.0,
    different: float = 0.5,
    way: int | None = None,
    transductive: bool = True,
) -> Method:
    """The contrastive siamese network as a Method.

    Its `meta_grad` takes Pairs(a, b, different), or a labelled Batch, all of whose pairs count, the
    different ones together as a share `different` of them.
    model(params, x) embeds x (.., N, ..) as (.., N, D). `predict` returns minus the distance to
    each class's nearest support example, (T, N, K): the largest is the nearest neighbour's class,
    and a class without an example is at -inf.
    way: K; by default the largest label of the support sets and one, which is too few where the
    last classes are absent. transductive: see `answers`.
    Raises ValueError for a label outside 0 .. K - 1 in `predict`.
    """
    check_method("siamese", model, transductive=transductive)
    if way is not None:
        whole("siamese", way=way)
    real("siamese", margin=margin)
    share("siamese", different=different)
    answer = answers(model, transductive)

    def of_pairs(params, pairs):
        pair_axis = asarray(pairs.different).ndim - 1
        twins = ops.concatenate([pairs.a, pairs.b], pair_axis)  # (.., 2 P, ..)
        embedded = model(params, twins)  # twins share batch statistics
        half = embedded.shape[-2] // 2
        a, b = embedded[..., :half, :], embedded[..., half:, :]
        right = judged_rightly(ops.norm(a - b, -1), asarray(pairs.different) != 0)
        return ops.mean(contrastive(a, b, pairs.different, margin)), ops.mean(right)

    def of_all_pairs(params, batch):
        embedded, y = model(params, batch.x), asarray(batch.y)
        distance = ops.sqrt(squared_distances(embedded, embedded))  # (.., N, N)
        right = judged_rightly(distance, y[..., :, None] != y[..., None, :])
        loss = contrastive_among(embedded, batch.y, margin, different)
        return ops.mean(loss), ops.mean(right)

    def judged_rightly(distance, y):
        return ops.astype((distance > margin / 2) == y, np.float32)

    def meta_grad(params, batch):
        loss = of_all_pairs if isinstance(batch, Batch) else of_pairs
        (value, accuracy), grads = value_and_grad(loss, has_aux=True)(params, batch)
        return {"loss": value, "accuracy": accuracy}, grads

    def predict(params, support, x):
        if asarray(support.y).ndim == 1:  # one task, without an axis for it
            support = Batch(*(asarray(part)[None] for part in support))
            return predict(params, support, asarray(x)[None])[0]
        asked, seen = answer(params, support, x), model(params, support.x)
        return -nearest(distances(asked, seen), support.y, way)

    return Method(model.init, meta_grad, predict)


def distances(a, b) -> np.ndarray:
    """Euclidean distances between embeddings: (.., N, D) and (.., M, D) -> (.., N, M)."""
    a, b = np.asarray(a)[..., :, None, :], np.asarray(b)[..., None, :, :]
    return np.sqrt(((a - b) ** 2).sum(-1))


def nearest(distance: np.ndarray, labels, way: int | None = None) -> np.ndarray:
    """The distance to the nearest example of each class, inf where there is none.

    (.., N, M), labels (.., M) -> (.., N, K), K = `way` or the largest label and one.
    Raises ValueError if there are no labels or they are not integers from 0 to K - 1.
    """
    labels = np.asarray(labels)[..., None, :]  # (.., 1, M)
    if not labels.size or labels.dtype.kind not in "iu":
        raise ValueError(
            f"nearest: needs integer labels of at least one example, got "
            f"{labels.dtype} of shape {labels[..., 0, :].shape}"
        )
    way = int(labels.max()) + 1 if way is None else way
    if labels.min() < 0 or labels.max() >= way:
        raise ValueError(
            f"nearest: labels must be integers from 0 to {way - 1}, "
            f"got {labels.min()} to {labels.max()}"
        )
    return np.stack([np.where(labels == k, distance, np.inf).min(-1) for k in range(way)], -1)


def pair_distances(model, params, pairs, batch: int = 500) -> np.ndarray:
    """D of each of the pairs, (P,), embedded `batch` at a time."""
    parts = []
    for start in range(0, len(pairs.a), batch):
        a, b = (np.asarray(model(params, x[start : start + batch])) for x in (pairs.a, pairs.b))
        parts.append(np.sqrt(((a - b) ** 2).sum(-1)))
    return np.concatenate(parts)


def best_threshold(distance: np.ndarray, different: np.ndarray) -> float:
    """The threshold on D under which most pairs are judged rightly.

    Choose it on pairs that are not tested. Raises ValueError if there are none, or for distances
    that are NaN.
    """
    comparable("best_threshold", distance, different)
    order = np.argsort(distance, axis=None)
    d, y = distance.ravel()[order], np.asarray(different, bool).ravel()[order]
    right = np.concatenate([[0], np.cumsum(~y)]) + np.concatenate([np.cumsum(y[::-1])[::-1], [0]])
    edges = np.concatenate([[d[0] - 1], d, [d[-1] + 1]])
    right[edges[1:] == edges[:-1]] = -1  # no threshold parts equal distances
    k = int(np.argmax(right))  # the k nearest pairs are called "same"
    return float((edges[k] + edges[k + 1]) / 2)


def verification_accuracy(distance: np.ndarray, different: np.ndarray, threshold: float) -> float:
    """The share of pairs judged rightly, "different" being D > threshold.

    Raises ValueError if there are none, or for distances that are NaN.
    """
    comparable("verification_accuracy", distance, different)
    return float(((distance > threshold) == np.asarray(different, bool)).mean())


def comparable(name: str, distance, different) -> None:
    """Raise ValueError unless there are pairs, a distance and a label for each, none of them NaN."""
    distance, different = np.asarray(distance), np.asarray(different)
    if not distance.size or distance.shape != different.shape:
        raise ValueError(
            f"{name}: needs at least one pair, with a distance and a label for each, "
            f"got {distance.shape} and {different.shape}"
        )
    if np.isnan(distance).any():
        raise ValueError(
            f"{name}: {np.isnan(distance).sum()} of {distance.size} distances are NaN, "
            "which cannot be compared: look for the embedding that is no number"
        )
