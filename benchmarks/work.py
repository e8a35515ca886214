"""The works: the computations that are timed, the same for all contenders.

A work is a function of parameters and data, with the parameters and data to give it; `ours` lists
tinymeta's ways of running it. A contender is a function without arguments that returns a list of
arrays: the gradient, in the order of tinymeta's leaves, or an operation's result.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tinymeta as tm

TRUNCATE = 20  # steps of a learned optimizer that a gradient reaches back, as in its paper


class Work(NamedTuple):
    """run(params, data) -> a tree, by tinymeta; PyTorch and JAX choose their code by `kind`.

    lr, steps: of the inner loop, where there is one.
    """

    name: str
    kind: str
    run: Callable
    params: object  # a tree without a task axis
    data: Any  # arrays: Tasks, Pairs, or an operation's operands
    lr: float = 0.0
    steps: int = 0


def maml(
    name: str,
    kind: str,
    model: tm.nn.Sequential,
    loss: Callable,
    lr: float,
    steps: int,
    params: object,
    data: tm.Tasks,
) -> Work:
    """One exact second-order MAML meta-gradient of a batch of tasks."""
    method = tm.meta.maml(model, loss, lr=lr, steps=steps)

    def meta_gradient(params: object, data: tm.Tasks) -> object:
        return method.meta_grad(params, data)[1]

    return Work(name, kind, meta_gradient, params, data, lr, steps)


def conv4(steps: int = 1, tasks: int = 32, shot: int = 1, filters: int = 64) -> Work:
    """The Omniglot net of Finn et al. 2017 with a scale in its batch norm, 5-way."""
    rng = np.random.default_rng(0)
    model = tm.nn.conv4(5, scale=True, filters=filters)
    x = rng.random((2, tasks, 5 * shot, 28, 28, 1), dtype=np.float32)
    y = np.tile(np.arange(5), (tasks, shot))
    data = tm.Tasks(tm.Batch(x[0], y), tm.Batch(x[1], y))
    name = f"conv4, {tasks} tasks of {5 * shot} + {5 * shot} images, {_count(steps)}"
    params = model.init(rng)
    return maml(name, "conv4", model, tm.losses.cross_entropy, 0.4, steps, params, data)


def large_images(shot: int = 1, steps: int = 1, tasks: int = 4, query: int = 15) -> Work:
    """The mini-ImageNet net of Ravi & Larochelle 2017: 84 x 84 x 3, 32 filters, max pooling, 5-way,
    `query` queries of each class."""
    rng = np.random.default_rng(0)
    model = tm.nn.conv4(5, channels=3, filters=32, pool="max", head="flatten", size=84, scale=True)

    def batch(count: int) -> tm.Batch:
        x = rng.random((tasks, 5 * count, 84, 84, 3), dtype=np.float32)
        return tm.Batch(x, np.tile(np.arange(5), (tasks, count)))

    data = tm.Tasks(batch(shot), batch(query))
    name = f"84 x 84, {tasks} tasks of {5 * shot} + {5 * query} images, {_count(steps)}"
    params = model.init(rng)
    return maml(name, "pooled conv4", model, tm.losses.cross_entropy, 0.01, steps, params, data)


def prototypical(way: int = 60, query: int = 5, tasks: int = 1) -> Work:
    """The gradient of a prototypical network on Omniglot (Snell et al. 2017), 1-shot."""
    rng = np.random.default_rng(0)
    model = tm.nn.conv4(None, pool="max", head="flatten", scale=True)
    method = tm.meta.prototypical(model, way=way)

    def batch(count: int) -> tm.Batch:
        x = rng.random((tasks, way * count, 28, 28, 1), dtype=np.float32)
        return tm.Batch(x, np.tile(np.arange(way), (tasks, count)))

    def gradient(params: object, data: tm.Tasks) -> object:
        return method.meta_grad(params, data)[1]

    data = tm.Tasks(batch(1), batch(query))
    name = f"prototypical network, {way}-way, {way} + {query * way} images"
    return Work(name, "prototypical", gradient, model.init(rng), data)


def sinusoid(steps: int = 1, tasks: int = 25, shot: int = 10) -> Work:
    """The regression net of Finn et al. 2017, 1-40-40-1."""
    rng = np.random.default_rng(0)
    model = tm.nn.mlp(1, 40, 40, 1)
    data = tm.data.Sinusoids().sample(rng, tasks=tasks, shot=shot, query=shot)
    name = f"sinusoid, {tasks} tasks of {shot} + {shot} points, {_count(steps)}"
    params = model.init(rng)
    return maml(name, "sinusoid", model, tm.losses.mse, 0.01, steps, params, data)


def dense(millions: int = 1, tasks: int = 4) -> Work:
    """A net of two hidden layers of one width, with about so many million parameters, 5-way."""
    rng = np.random.default_rng(0)
    width = round((1e6 * millions + 257**2) ** 0.5 - 257)  # width^2 + (512 + 5) width parameters
    model = tm.nn.mlp(512, width, width, 5)
    x = rng.random((2, tasks, 25, 512), dtype=np.float32)
    y = np.tile(np.arange(5), (tasks, 5))
    data = tm.Tasks(tm.Batch(x[0], y), tm.Batch(x[1], y))
    name = f"dense, {millions} million parameters, {tasks} tasks of 25 + 25 examples"
    params = model.init(rng)
    return maml(name, "dense", model, tm.losses.cross_entropy, 0.1, 1, params, data)


def learned_optimizer(steps: int = 20, tasks: int = 32) -> Work:
    """The gradient of an LSTM optimizer (Andrychowicz et al. 2016) of so many unrolled steps."""
    rng = np.random.default_rng(0)
    data = tm.data.Quadratics().sample(rng, tasks=tasks)

    def objective(theta: Any, data: Any) -> Any:
        residual = (data.x @ theta[..., None])[..., 0] - data.y
        return (residual * residual).sum(-1)

    method = tm.meta.learned_optimizer(objective, steps=steps, truncate=TRUNCATE)

    def gradient(params: object, data: Any) -> object:
        return method.meta_grad(params, data)[1]

    name = f"learned optimizer, {tasks} problems, {steps} steps"
    return Work(name, "learned optimizer", gradient, method.init(rng), data, steps=steps)


def siamese(pairs: int = 128, filters: int = 32) -> Work:
    """The gradient of the contrastive loss of pairs, embedded by four blocks and a mean."""
    rng = np.random.default_rng(0)
    model = tm.nn.conv4(None, scale=True, filters=filters)
    a, b = rng.random((2, pairs, 28, 28, 1), dtype=np.float32)
    data = tm.data.Pairs(a, b, np.arange(pairs) % 2 == 0)
    method = tm.meta.siamese(model)

    def gradient(params: object, data: tm.data.Pairs) -> object:
        return method.meta_grad(params, data)[1]

    return Work(f"Siamese step, {pairs} pairs", "siamese", gradient, model.init(rng), data)


def _count(steps: int) -> str:
    """ "1 inner step", "5 inner steps"."""
    return f"{steps} inner step{'s' * (steps > 1)}"


OPERATIONS = {  # kind: (name, run, shapes of its operands)
    "tanh": ("tanh of 1000 x 1000", tm.tanh, [(1000, 1000)]),
    "softmax": ("softmax of 1000 x 1000", tm.softmax, [(1000, 1000)]),
    "variance": (
        "variance of 32 x 196 x 64 over places, and its gradient",
        tm.value_and_grad(lambda x: tm.var(x, (0, 1)).sum()),
        [(32, 196, 64)],
    ),
    "product": ("product of 512 x 512 by 512 x 512", lambda x, y: x @ y, [(512, 512)] * 2),
    "products": (
        "32 products of 245 x 576 by 576 x 64",
        lambda x, y: x @ y,
        [(32, 245, 576), (32, 576, 64)],
    ),
    "conv": (
        "convolution 3 x 3, 64 to 64, of 32 images 14 x 14, and its two gradients",
        tm.value_and_grad(lambda x, w: tm.square(tm.conv2d(x, w)).sum(), argnum=(0, 1)),
        [(32, 14, 14, 64), (3, 3, 64, 64)],
    ),
}


def operation(kind: str) -> Work:
    """One of OPERATIONS, on normal random operands in float32."""
    rng = np.random.default_rng(0)
    name, run, shapes = OPERATIONS[kind]
    data = [rng.normal(size=shape).astype(np.float32) for shape in shapes]

    def apply(params: object, data: list) -> object:
        return run(*map(tm.asarray, data))

    return Work(name, kind, apply, (), data)


WORKS: dict[str, Callable[[], Work]] = {
    "conv4": conv4,
    "conv4-5-steps": lambda: conv4(steps=5),
    "conv4-5-shot": lambda: conv4(shot=5),
    "conv4-5-shot-5-steps": lambda: conv4(steps=5, shot=5),
    "sinusoid": sinusoid,
    "sinusoid-5-steps": lambda: sinusoid(steps=5),
    "large-images": large_images,
    "large-images-5-shot": lambda: large_images(shot=5),
    "large-images-5-steps": lambda: large_images(steps=5),
    "large-images-5-shot-5-steps": lambda: large_images(shot=5, steps=5),
    "dense": dense,
    "siamese": siamese,
    "prototypical": prototypical,
    "learned-optimizer": learned_optimizer,
    "learned-optimizer-200-steps": lambda: learned_optimizer(steps=200),
    **{kind: lambda kind=kind: operation(kind) for kind in OPERATIONS},
}


def in_double(work: Work, tasks: int = 3) -> Work:
    """The work in float64, where a different order of additions flips no ReLU; with few tasks.

    It is for checking that contenders agree.
    """

    def double(a: np.ndarray) -> np.ndarray:
        return a.astype(np.float64) if a.dtype.kind == "f" else a

    data = work.data
    if isinstance(data, tm.Tasks):
        data = tm.tree.map(lambda a: a[:tasks], data)
    return work._replace(params=tm.tree.map(double, work.params), data=tm.tree.map(double, data))


def ours(work: Work) -> dict[str, Callable]:
    """tinymeta's contenders: the work compiled, and eager."""

    def contender(run: Callable) -> Callable:
        def call() -> list[np.ndarray]:
            result = run(work.params, work.data)
            return [leaf.numpy() for leaf in tm.tree.leaves(result)]

        return call

    return {"tinymeta, jit": contender(tm.jit(work.run)), "tinymeta, eager": contender(work.run)}
