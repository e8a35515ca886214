"""Strategies of small pairs, episodes and networks, with and without a task axis."""

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from .. import nn, ops
from ..core import tree
from ..data import Batch, Pairs, Tasks
from .arrays import bools, integers, tensors

FAR = 4.0  # how far apart the far ones of a pair are; beyond any margin <= 3


def _task_axis(tasks: int | None) -> st.SearchStrategy[tuple[int, ...]]:
    """() or (T,): no task axis for 0 tasks, else one of at most so many; None draws both."""
    if tasks == 0:
        return st.just(())
    some = [(n,) for n in range(1, (tasks or 2) + 1)]
    return st.sampled_from([(), *some] if tasks is None else some)


@st.composite
def pairs(
    draw: st.DrawFn,
    *,
    features: int = 2,
    margin: float = 1.0,
    smooth: bool = False,
    tasks: int | None = None,
    max_pairs: int = 4,
) -> Pairs:
    """`Pairs(a, b, different)`: embeddings (.., P, D) twice, labels (.., P) bool, 1 = different.

    Of both labels there are pairs at one point, anywhere, and beyond the margin (up to 3). smooth:
    none where the contrastive loss has a kink, D = 0 or D = margin with different points. tasks: at
    most so many, 0 for no task axis, None for either. Shrinks to one pair at the origin, of one
    class.
    """
    lead = draw(_task_axis(tasks))
    count = draw(st.integers(1, max_pairs))
    shape = (*lead, count)
    different = draw(bools(shape))
    a, apart = draw(tensors((*shape, features))), draw(tensors((*shape, features)))
    where = draw(integers(shape, 3))[..., None]  # 0 at one point, 1 anywhere, 2 far
    far = np.zeros(features)
    far[0] = FAR + 2.0  # whatever `apart` adds, beyond the margin
    apart = np.where(where == 0, 0.0, apart + far * (where == 2))

    def near_kink() -> np.ndarray:
        distance = np.sqrt((apart**2).sum(-1))
        return (distance < 1 / 16) | (abs(distance - margin) < 1 / 16)

    if smooth:  # move pairs away from a kink; what comes to the other kink gets one class
        apart[..., 0] += (different & near_kink()) * (margin / 2 + 1 / 32)
        different &= ~near_kink()
    return Pairs(a, a + apart, different)


@st.composite
def episodes(
    draw: st.DrawFn,
    *,
    features: int = 2,
    regression: bool = False,
    tasks: int | None = 3,
    max_way: int = 3,
    max_shot: int = 2,
    absent: bool = False,
    offset: float = 0.0,
) -> Tasks:
    """`Tasks(support, query)` of `Batch(x (T, N, D), y)`, the task axis first.

    Of `way` classes, `shot` examples each in the support set and 1 or 2 in the query set, in any
    order: y (T, N) int64, or with regression (T, N, 1) floats. tasks: see `pairs`. absent: the last
    class may be missing, from both sets, its examples counted to class 0; offset: added to all x.
    Shrinks to one task of two classes (regression: of one) with one example each.
    """
    lead = draw(_task_axis(tasks))
    way = draw(st.integers(1 if regression else 2, max_way))
    there = way - int(absent and draw(st.booleans()))

    def batch(shot: int) -> Batch:
        size = way * shot
        x = draw(tensors((*lead, size, features))) + offset
        if regression:
            return Batch(x, draw(tensors((*lead, size, 1))))
        labels = np.array(draw(st.permutations(range(size)))) % way % there
        return Batch(x, np.broadcast_to(labels, (*lead, size)).copy())

    support = batch(draw(st.integers(1, max_shot)))
    return Tasks(support, batch(draw(st.integers(1, 2))))


class Network(NamedTuple):
    """A model of `tinymeta.nn`, parameters for it, and what it can be applied to."""

    model: nn.Sequential
    params: list  # float64, with a leading task axis if x has one
    x: np.ndarray  # (.., N, C), or images (.., N, H, W, C)


_SMOOTH = (ops.tanh, ops.sigmoid, ops.softplus)


@st.composite
def networks(
    draw: st.DrawFn,
    *,
    images: bool | None = None,
    smooth: bool = True,
    tasks: int | None = None,
    max_layers: int = 3,
    max_width: int = 3,
) -> Network:
    """A `Network`: dense layers, or convolutions and then one; norms, activations, pooling between.

    smooth: nothing with a kink, so that differences can decide; else relu and max pooling, too.
    images: True for convolutions, False for none, None for either. tasks: see `pairs`; every task
    has its own parameters. Shrinks to one dense layer of width 1 on one example.
    """
    images = draw(st.booleans()) if images is None else images
    lead, seed = draw(_task_axis(tasks)), draw(st.integers(0, 99))
    width = st.integers(1, max_width)
    activations = _SMOOTH if smooth else (*_SMOOTH, ops.relu)
    n, inputs = draw(st.integers(1, 3)), draw(width)
    side = draw(st.integers(2, 5)) if images else 0
    shape = (n, side, side, inputs) if images else (n, inputs)

    layers: list[Any] = []
    channels = inputs
    for _ in range(draw(st.integers(0, max_layers - 1)) + images):
        outputs = draw(width)
        if images:
            kernel, stride = draw(st.integers(1, 3)), draw(st.integers(1, 2))
            layers.append(nn.Conv2d(channels, outputs, kernel=kernel, stride=stride))
            norms: list[Any] = [None, nn.BatchNorm(outputs, spatial=2)]
        else:
            layers.append(nn.Dense(channels, outputs))
            norms = [None, nn.BatchNorm(outputs, spatial=0), nn.LayerNorm(outputs)]
        norm = draw(st.sampled_from(norms))
        if norm is not None:
            layers.append(norm)
        layers.append(draw(st.sampled_from(activations)))
        channels = outputs
    if images:
        pools = (
            [nn.GlobalAveragePooling()] if smooth else [nn.GlobalAveragePooling(), nn.MaxPool2d(1)]
        )
        pool = draw(st.sampled_from(pools))
        layers += [pool] if pool == pools[0] else [pool, nn.GlobalAveragePooling()]
    model = nn.Sequential(*layers, nn.Dense(channels, draw(width)))

    rng = np.random.default_rng(seed)
    params = tree.map(lambda p: p + rng.uniform(-0.5, 0.5, (*lead, *p.shape)), model.init(rng))
    return Network(model, params, rng.normal(size=(*lead, *shape)))
