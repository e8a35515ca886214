"""A ridge regression as the head (R2-D2, Bertinetto et al. 2019): each task solves its own exactly.

    python examples/ridge_images.py                                   glyphs, no download
    python examples/ridge_images.py --data omniglot --filters 64

What one learns: an inner loop need not be steps of gradient descent. With X (N, D) the features of
a task's support set and Y (N, K) its labels, one-hot, the head that fits them is known:

    W = argmin |X W - Y|^2 + r |W|^2  =  X' (X X' + r)^-1 Y           N equations, not D
    logits of x = scale * (f(x) W) + offset

and `tm.linalg.solve` has a derivative, so the features f learn to be solved with, and so do r,
scale and offset. A method is three functions; here they are. By Bertinetto, Henriques, Torr &
Vedaldi.
"""

import time

import console  # noqa: F401  from here on Ctrl-C is one sentence
import numpy as np

import tinymeta as tm
from tinymeta.runs.flags import parse_flags, parser
from tinymeta.runs.images import add_image_flags, image_sets, image_shape
from tinymeta.runs.training import generators, print_result, run_example, train_or_load


def ridge(net, way: int) -> tm.meta.Method:
    """R2-D2 with an embedding `net`, x (T, N, ..) -> (T, N, D), as a method."""

    def init(rng):
        head = {"log_r": 0.0, "scale": 1.0, "offset": 0.0}
        return {"net": net.init(rng), **{name: np.float32(x) for name, x in head.items()}}

    def predict(params, support, x):
        features = net(params["net"], support.x)  # X (T, N, D)
        labels = tm.one_hot(support.y, way)  # Y (T, N, K)
        turned = tm.swapaxes(features, -1, -2)
        identity = np.eye(features.shape[-2], dtype=np.float32)
        system = features @ turned + tm.exp(params["log_r"]) * identity
        weights = turned @ tm.linalg.solve(system, labels)  # W (T, D, K)
        return params["scale"] * (net(params["net"], x) @ weights) + params["offset"]

    def outer_loss(params, tasks):
        logits = predict(params, tasks.support, tasks.query.x)
        loss = tm.losses.cross_entropy(logits, tasks.query.y).mean()
        return loss, tm.mean(tm.argmax(logits, -1) == tasks.query.y)

    def meta_grad(params, tasks):
        loss_and_grads = tm.value_and_grad(outer_loss, has_aux=True)
        (loss, accuracy), grads = loss_and_grads(params, tasks)
        return {"loss": loss, "accuracy": accuracy}, grads

    return tm.meta.Method(init, meta_grad, predict)


def main(args, name):
    start = time.perf_counter()
    rngs = _, train_rng, validation_rng, test_rng = generators(args.seed)

    def network(size, channels):
        options = {"filters": args.filters, "size": size, "channels": channels}
        return tm.nn.conv4(None, head="flatten", scale=True, **options)

    def sampler(characters, rng):
        return lambda n: tm.data.episodes(
            characters, rng, way=args.way, shot=args.shot, query=args.query, tasks=n
        )

    def draw_from(*sets):
        network(*image_shape(sets[0]))
        for characters in sets:
            sampler(characters, np.random.default_rng(0))(1)

    train, validation, test = image_sets(args, draw_from)
    method = ridge(network(*image_shape(train)), args.way)
    print(
        f"ridge regression on {args.data} ({train}): {args.way}-way {args.shot}-shot, "
        f"{args.filters} filters, {args.tasks} tasks, {args.iterations} meta-updates"
    )

    def score(params, characters, rng, tasks):
        draw = sampler(characters, rng)
        return tm.meta.evaluate(method, params, draw, tasks=tasks, compiled=not args.no_jit)

    draw = sampler(train, train_rng)
    params = train_or_load(
        args,
        method,
        lambda k: draw(args.tasks),
        rngs,
        name=name,
        evaluate=lambda params: score(params, validation, validation_rng, 100),
    )
    what = f"{args.way}-way {args.shot}-shot test accuracy on {args.data}"
    print_result(what, score(params, test, test_rng, args.test_tasks), args.seed, start)
    head = {name: float(params[name]) for name in ("log_r", "scale", "offset")}
    learned = {"r": np.exp(head.pop("log_r")), **head}
    print("    learned: " + ", ".join(f"{name} {value:.3g}" for name, value in learned.items()))


if __name__ == "__main__":
    p = parser(__doc__.splitlines()[0], without=("steps",), iterations=300)
    add_image_flags(p, "vinyals", "random", "official")
    p.add_argument("--filters", type=int, default=32, help="channels of each convolution")
    p.add_argument("--query", type=int, default=5, help="query images of a class")
    p.add_argument("--tasks", type=int, default=4, help="tasks in a meta-batch")
    args = parse_flags(p)
    run_example(main, args, f"ridge_{args.data}")
