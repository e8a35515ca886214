"""Prototypical networks (Snell et al. 2017): a class is the mean of its examples in a space.

    python examples/prototypical_images.py                            glyphs, no download
    python examples/prototypical_images.py --data omniglot --filters 64 --pool max

What one learns: how far a learned space goes when nothing adapts in a task but the means; that
training tasks with more classes than test tasks (--way, --test-ways) teach more; and how much it
helps if batch norm sees all query images at once (the rows "transductive"). By Snell, Swersky &
Zemel.
"""

import time

import numpy as np
from common import generators, print_result, run_example, train_or_load
from flags import only_evaluates, parse_flags, parser
from images import add_image_flags, image_sets
from pictures import pyplot, save_figure

import tinymeta as tm

PUBLISHED = {(5, 1): "98.8 %", (5, 5): "99.7 %", (20, 1): "96.0 %", (20, 5): "98.9 %"}


def main(args, name):
    start = time.perf_counter()
    rngs = _, train_rng, validation_rng, test_rng = generators(args.seed)
    net = tm.nn.conv4(None, filters=args.filters, pool=args.pool, head="flatten", scale=True)

    def sampler(characters, rng, way, query):
        return lambda n: tm.data.episodes(
            characters, rng, way=way, shot=args.shot, query=query, tasks=n
        )

    def draw_from(train, validation, test):
        rng = np.random.default_rng(0)
        sampler(train, rng, args.way, args.query)(1)
        sampler(validation, rng, 5, 5)(1)
        for way in args.test_ways:
            sampler(test, rng, way, args.test_query)(1)

    train, validation, test = image_sets(args, draw_from)
    print(
        f"prototypical network on {args.data} ({train}): {args.filters} filters, {args.way}-way "
        f"{args.shot}-shot, {args.query} query images of a class, {args.iterations} updates"
    )

    draw = sampler(train, train_rng, args.way, args.query)

    def test_method(params, way, transductive):
        """(method, params): batch norm with the moments of training images, or of the query."""
        if transductive:
            return tm.meta.prototypical(net, way=way), params
        known = sampler(train, np.random.default_rng(args.seed), args.way, args.query)(8)
        images = np.concatenate([known.support.x, known.query.x], 1)  # (T, N, H, W, 1)
        model, params = net.freeze(params, images.reshape(-1, *images.shape[2:]))
        return tm.meta.prototypical(model, way=way), params

    def score(params, characters, rng, way, query, tasks, transductive=False):
        method, params = test_method(params, way, transductive)
        return tm.meta.evaluate(
            method,
            params,
            sampler(characters, rng, way, query),
            tasks=tasks,
            compiled=not args.no_jit,
        )

    params = train_or_load(
        args,
        tm.meta.prototypical(net, way=args.way),
        lambda k: draw(args.tasks),
        rngs,
        name=name,
        evaluate=lambda params: score(params, validation, validation_rng, 5, 5, 100),
    )

    for way in args.test_ways:
        published = PUBLISHED.get((way, args.shot), "") if args.data == "omniglot" else ""
        for transductive in (False, True):
            what = "transductive, too: " if transductive else ""
            print_result(
                f"{what}{way}-way {args.shot}-shot test accuracy on {args.data}",
                score(params, test, test_rng, way, args.test_query, args.test_tasks, transductive),
                args.seed,
                start,
                "" if transductive else published,
            )
    if not only_evaluates(args):
        task = sampler(test, test_rng, 5, min(10, test.drawers - args.shot))(1)
        draw_space(net, params, task, args.out / f"{name}_space.png")


def draw_space(net, params, task, path):
    """One test task in the plane of its largest variation: examples, and each class's mean."""
    plt = pyplot()
    if plt is None:
        return
    images = np.concatenate([task.support.x[0], task.query.x[0]])
    support_y, query_y = task.support.y[0], task.query.y[0]
    z = np.asarray(net(params, images))  # (N, D)
    centred = z - z.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    points = centred @ directions[:2].T  # (N, 2)
    support, query = points[: len(support_y)], points[len(support_y) :]
    figure, axis = plt.subplots(figsize=(5, 4.5))
    for k in range(max(support_y.max(), query_y.max()) + 1):
        colour = f"C{k}"
        prototype = support[support_y == k].mean(0)
        axis.scatter(*query[query_y == k].T, color=colour, s=18)
        axis.scatter(*prototype, color=colour, s=220, marker="*", edgecolor="black")
    axis.set(xticks=[], yticks=[], title="stars: prototypes; dots: what is asked")
    save_figure(figure, path)


if __name__ == "__main__":
    p = parser(__doc__.splitlines()[0], without=("steps",), way=20, iterations=300, beta=1e-3)
    add_image_flags(p, "vinyals", "random", "official")
    p.add_argument("--filters", type=int, default=32, help="channels (the paper: 64)")
    p.add_argument(
        "--pool",
        choices=("stride", "max"),
        default="stride",
        help="max: the paper's pooling, four times the work",
    )
    p.add_argument("--query", type=int, default=5, help="query images of a class in training")
    p.add_argument("--tasks", type=int, default=1, help="tasks in a batch (the paper: 1)")
    p.add_argument(
        "--test-ways", type=int, nargs="+", default=[5, 20], help="classes in the test tasks"
    )
    p.add_argument("--test-query", type=int, default=5, help="query images of a class in the test")
    args = parse_flags(p)
    run_example(main, args, f"prototypical_{args.data}")
