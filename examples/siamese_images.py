"""A siamese network with contrastive loss (Hadsell et al. 2006): learn a distance, then compare.

    python examples/siamese_images.py                                 glyphs, no download
    python examples/siamese_images.py --data omniglot                 the background set alone

What one learns: one embedding, trained on all pairs of a few characters by a few hands (Hadsell,
Chopra & LeCun), serves two tasks on characters of alphabets it never saw: verification (same or
different?) and one-shot classification by nearest neighbour.
"""

import time

import console  # noqa: F401  from here on Ctrl-C is one sentence
import numpy as np
from siamese_pictures import draw_neighbours

import tinymeta as tm
from tinymeta.data import oneshot
from tinymeta.meta import siamese as siamese_network
from tinymeta.meta.siamese import best_threshold, distances, pair_distances, verification_accuracy
from tinymeta.meta.split import in_chunks
from tinymeta.runs.flags import only_evaluates, parse_flags, parser
from tinymeta.runs.images import add_image_flags, image_sets, image_shape
from tinymeta.runs.training import generators, print_result, run_example, train_or_load

PUBLISHED = {5: "97.3 %", 20: "88.2 %"}  # by ways


def main(args, name):
    start = time.perf_counter()
    test_ways = (args.way,) if args.data == "folder" else tuple(PUBLISHED)
    rngs = _, train_rng, validation_rng, test_rng = generators(args.seed)

    def network(size, channels):
        options = {"filters": args.filters, "pool": args.pool, "head": args.head}
        return tm.nn.conv4(args.features or None, size=size, channels=channels, **options)

    def draw(characters, rng, count, rotations=False):
        within = args.within if len(characters.alphabets) > 1 else 1
        return tm.data.pairs(characters, rng, count=count, within=within, rotations=rotations)

    def draw_group(characters, rng):
        return tm.data.groups(
            characters,
            rng,
            classes=args.classes,
            drawers=args.drawers,
            alphabets=args.alphabets,
            rotations=args.rotations,
        )

    def tasks(characters, rng, way):
        return lambda n: tm.data.episodes(
            characters, rng, way=way, shot=args.shot, query=1, tasks=n, rotations=False
        )

    def draw_from(train, validation, test):
        network(*image_shape(train))
        rng = np.random.default_rng(0)
        if args.classes:
            draw_group(train, rng)
        for characters in (train, validation, test):
            draw(characters, rng, 100)
        for characters, way in ((validation, args.way), *((test, way) for way in test_ways)):
            tasks(characters, rng, way)(1)

    train, validation, test = image_sets(args, draw_from)
    net = network(*image_shape(train))
    method = siamese_network(net, margin=args.margin, different=args.different)
    if args.no_jit and args.chunks > 1 and not args.classes:
        method = method._replace(meta_grad=in_chunks(method.meta_grad, args.chunks))
    batch = (
        f"all pairs of {args.classes} characters by {args.drawers} hands"
        if args.classes
        else f"{args.pairs} pairs"
    )
    print(
        f"siamese network on {args.data} ({train}): {args.filters} filters, margin {args.margin}, "
        f"{batch} a batch, {args.iterations} updates"
    )

    def distort(x):
        return tm.data.affine(x, train_rng, channels=True) if args.affine else x

    def sample(k):
        if args.classes:
            x, y = draw_group(train, train_rng)
            return tm.Batch(distort(x), y)
        pairs = draw(train, train_rng, args.pairs, args.rotations)
        return pairs._replace(a=distort(pairs.a), b=distort(pairs.b))

    def frozen(params):
        """Batch norm at the moments of training images: no test image then sees another."""
        model, params = net.freeze(params, draw(train, np.random.default_rng(args.seed), 512).a)
        return siamese_network(model, margin=args.margin), model, params

    def score(params):
        frozen_method, _, params = frozen(params)
        return tm.meta.evaluate(
            frozen_method, params, tasks(validation, validation_rng, args.way), tasks=100
        )

    params = train_or_load(
        args, method, sample, rngs, name=name, evaluate=score, measure=f"{args.way}-way accuracy"
    )
    frozen_method, model, params = frozen(params)
    known_pairs = draw(validation, validation_rng, args.test_pairs)
    known_distances = pair_distances(model, params, known_pairs)
    threshold = best_threshold(known_distances, known_pairs.different)
    test_pairs = draw(test, test_rng, args.test_pairs)
    test_distances = pair_distances(model, params, test_pairs)
    accuracy = verification_accuracy(test_distances, test_pairs.different, threshold)
    print_result(
        f"verification accuracy of {args.test_pairs} test pairs at D > {threshold:.3f}:",
        f"{accuracy:.4f}",
        args.seed,
        start,
    )
    for way in test_ways:
        print_result(
            f"{way}-way {args.shot}-shot between-alphabet test accuracy",
            tm.meta.evaluate(
                frozen_method, params, tasks(test, test_rng, way), tasks=args.test_tasks
            ),
            args.seed,
            start,
            f"{PUBLISHED[way]}, Vinyals et al. 2016"
            if args.data == "omniglot" and args.shot == 1
            else "",
        )
    if args.data == "omniglot":

        def distance(query, support):
            return distances(model(params, query[..., None]), model(params, support[..., None]))

        score = oneshot.evaluate(distance, oneshot.all_runs(args.root))
        print_result(
            "20-way within-alphabet one-shot error, all_runs:",
            f"{score.mean:.4f} (standard error {score.se:.4f} over {len(score.errors)} runs)",
            args.seed,
            start,
            "0.135 ConvNet, 0.137 ProtoNet; chance 0.95",
        )
    if not only_evaluates(args):
        draw_neighbours(model, params, test, test_rng, args.out / f"{name}_neighbours.png")


if __name__ == "__main__":
    p = parser(__doc__.splitlines()[0], without=("steps",), iterations=1000)
    add_image_flags(p, "official", "minimal1", "minimal2")
    p.add_argument("--filters", type=int, default=32, help="channels of each convolution")
    p.add_argument(
        "--pool",
        choices=("stride", "max"),
        default="stride",
        help="max: pooling, which is four times the work",
    )
    p.add_argument(
        "--head",
        choices=("mean", "flatten"),
        default="flatten",
        help="what becomes of the last map",
    )
    p.add_argument(
        "--features", type=int, default=0, help="size of a linear embedding of it (0: none)"
    )
    p.add_argument(
        "--margin", type=float, default=10.0, help="how far apart different ones are to lie"
    )
    p.add_argument(
        "--classes",
        type=int,
        default=20,
        help="characters in a batch, of all pairs (0: --pairs instead)",
    )
    p.add_argument("--drawers", type=int, default=3, help="examples of each")
    p.add_argument("--alphabets", type=int, default=4, help="from so many alphabets")
    p.add_argument(
        "--different",
        type=float,
        default=0.95,
        help="share of different pairs in the loss (of --pairs: half)",
    )
    p.add_argument(
        "--pairs",
        type=int,
        default=128,
        help="with --classes 0: pairs in a batch, half of them same",
    )
    p.add_argument(
        "--rotations",
        action="store_true",
        help="quarter turns in training: four times the characters",
    )
    p.add_argument(
        "--affine", action="store_true", help="distort the training images (Koch et al. 2015)"
    )
    p.add_argument(
        "--within",
        type=float,
        default=0.5,
        help="without --classes: part of the different of one alphabet",
    )
    p.add_argument(
        "--test-pairs",
        type=int,
        default=10000,
        help="pairs that set the threshold, and as many that test it",
    )
    p.add_argument(
        "--chunks", type=int, default=2, help="parts of the batch that run on two threads"
    )
    args = parse_flags(
        p,
        ("drawers", "classes", bool),
        ("alphabets", "classes", bool),
        ("pairs", "classes", (0).__eq__),
        ("chunks", "classes", (0).__eq__),
        ("chunks", "no_jit", bool),
    )
    run_example(main, args, f"siamese_{args.data}")
