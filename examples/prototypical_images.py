"""Prototypical networks (Snell et al. 2017): a class is the mean of its examples in a space.

    python examples/prototypical_images.py                            glyphs, no download
    python examples/prototypical_images.py --data omniglot --filters 64 --pool max

What one learns: how far a learned space goes when nothing adapts in a task but the means; that
training tasks with more classes than test tasks (--way, --test-ways) teach more; and how much it
helps if batch norm sees all query images at once (the rows "transductive"). By Snell, Swersky &
Zemel.
"""

import functools
import time

import console  # noqa: F401  from here on Ctrl-C is one sentence
import numpy as np

import tinymeta as tm
from tinymeta.runs.flags import only_evaluates, parse_flags, parser
from tinymeta.runs.images import add_image_flags, image_sets, image_shape
from tinymeta.runs.pictures import (
    draw_mistakes,
    frame,
    is_ink,
    mistakes_of_tasks,
    pyplot,
    save_figure,
    show_image,
)
from tinymeta.runs.training import generators, print_result, run_example, train_or_load

PUBLISHED = {(5, 1): "98.8 %", (5, 5): "99.7 %", (20, 1): "96.0 %", (20, 5): "98.9 %"}


def main(args, name):
    start = time.perf_counter()
    rngs = _, train_rng, validation_rng, test_rng = generators(args.seed)

    def network(size, channels):
        options = {"filters": args.filters, "pool": args.pool, "size": size, "channels": channels}
        return tm.nn.conv4(None, head="flatten", scale=True, **options)

    def sampler(characters, rng, way, query):
        return lambda n: tm.data.episodes(
            characters, rng, way=way, shot=args.shot, query=query, tasks=n
        )

    def of_validation(classes):
        """(way, query) of a validation: 5 and 5, or as many as a small folder has."""
        return min(5, len(classes)), min(5, int(classes.counts.min()) - args.shot)

    def draw_from(train, validation, test):
        network(*image_shape(train))
        rng = np.random.default_rng(0)
        sampler(train, rng, args.way, args.query)(1)
        sampler(validation, rng, *of_validation(validation))(1)
        for way in args.test_ways:
            sampler(test, rng, way, args.test_query)(1)

    train, validation, test = image_sets(args, draw_from)
    net = network(*image_shape(train))
    print(
        f"prototypical network on {args.data} ({train}): {args.filters} filters, {args.way}-way "
        f"{args.shot}-shot, {args.query} query images of a class, {args.iterations} updates"
    )

    draw = sampler(train, train_rng, args.way, args.query)

    known = sampler(train, np.random.default_rng(args.seed), args.way, args.query)(8)
    images = np.concatenate([known.support.x, known.query.x], 1)  # (T, N, H, W, C)
    images = images.reshape(-1, *images.shape[2:])
    frozen, _ = net.freeze(net.init(np.random.default_rng(0)), images)

    @functools.cache  # what is compiled of a method is kept by the method
    def method(way, transductive):
        """Batch norm with the moments of the query, or of training images."""
        return tm.meta.prototypical(net if transductive else frozen, way=way)

    def freeze(params):
        """What `frozen` takes: the parameters with the moments of training images in them."""
        return net.freeze(params, images)[1]

    def score(params, characters, rng, way, query, tasks, transductive=False):
        return tm.meta.evaluate(
            method(way, transductive),
            params if transductive else freeze(params),
            sampler(characters, rng, way, query),
            tasks=tasks,
            compiled=not args.no_jit,
        )

    params = train_or_load(
        args,
        method(args.way, True),
        lambda k: draw(args.tasks),
        rngs,
        name=name,
        evaluate=lambda params: score(
            params, validation, validation_rng, *of_validation(validation), 100
        ),
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
        way = args.test_ways[0]
        params = freeze(params)
        query = min(10, int(test.counts.min()) - args.shot)
        sample, ink = sampler(test, test_rng, way, query), is_ink(test)
        draw_space(frozen, params, sample(1), args.out / f"{name}_space.png", ink)
        found = mistakes_of_tasks(method(way, False).predict, params, sample)
        draw_mistakes(*found, args.out / f"{name}_mistakes.png", ink=ink)


def draw_space(model, params, task, path, ink):
    """One test task in the plane of its largest variation: examples, each class's mean, mistakes.

    Nearest is meant in all D dimensions; what the plane leaves out may make it look otherwise.
    """
    plt = pyplot()
    if plt is None:
        return
    support_y, query_y = task.support.y[0], task.query.y[0]
    z = np.asarray(model(params, np.concatenate([task.support.x[0], task.query.x[0]])))  # (N, D)
    way, shots = support_y.max() + 1, len(support_y)
    means = np.stack([z[:shots][support_y == k].mean(0) for k in range(way)])  # (K, D)
    said = ((z[shots:, None] - means) ** 2).sum(-1).argmin(-1)
    right = said == query_y
    centre = z.mean(0)
    _, lengths, directions = np.linalg.svd(z - centre, full_matrices=False)
    shares = lengths[:2] ** 2 / np.sum(lengths**2)
    stars, dots = ((points - centre) @ directions[:2].T for points in (means, z[shots:]))

    figure = plt.figure(figsize=(7, max(4.6, 0.9 * way)))
    grid = figure.add_gridspec(way, 2, width_ratios=(6, 1), wspace=0.08, hspace=0.45)
    axis = figure.add_subplot(grid[:, 0])
    for k in range(way):
        colour, of_class = f"C{k % 10}", query_y == k
        axis.scatter(*dots[of_class].T, color=colour, s=18)
        axis.scatter(*stars[k], color=colour, s=220, marker="*", edgecolor="black", zorder=3)
        small = figure.add_subplot(grid[k, 1])
        caption = f"class {k}: {right[of_class].sum()} of {of_class.sum()}"
        show_image(small, task.support.x[0][support_y == k][0], ink, caption)
        frame(small, colour)
    wrong_x, wrong_y = dots[~right].T
    axis.scatter(wrong_x, wrong_y, s=110, facecolor="none", edgecolor="black", label="mistake")
    axis.set(
        xlabel=f"first direction ({shares[0]:.0%} of the variation)",
        ylabel=f"second direction ({shares[1]:.0%})",
        xticks=[],
        yticks=[],
    )
    axis.set_title(
        f"{way}-way test task: accuracy {right.mean():.2f} "
        "(stars: prototypes; dots: what is asked; rings: mistakes)",
        fontsize=8,
    )
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
