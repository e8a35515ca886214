"""MAML on images (Finn et al. 2017, section 5.2): tell new characters apart after seeing each once.

    python examples/maml_images.py                                    half a minute, no download
    python examples/maml_images.py --method reptile                   or another relative of MAML
    python examples/maml_images.py --data folder --root pictures      a folder for each class
    python examples/maml_images.py --data omniglot --filters 64 --tasks 32 --alpha 0.4 --beta 1e-3
        --iterations 60000                                            the paper's 5-way recipe

What one learns: how far gradient steps on one image a class go from a learned initialisation, and
how the published recipes (Finn, Abbeel & Levine) are spelled in flags. The paper's net without
convolutions is --net dense in place of --filters; its 20-way recipe has --way 20 --steps 5
--alpha 0.1 --tasks 16.
"""

import time

import console  # noqa: F401  from here on Ctrl-C is one sentence
import numpy as np

import tinymeta as tm
from tinymeta.meta.split import in_chunks
from tinymeta.nn.init import truncated_normal
from tinymeta.runs.flags import (
    add_inner_loop_flags,
    add_numbered_tasks,
    only_evaluates,
    parse_flags,
    parser,
)
from tinymeta.runs.images import add_image_flags, image_sets, image_shape
from tinymeta.runs.methods import METHODS, build_method, with_step_weights
from tinymeta.runs.pictures import (
    RIGHT_COLOUR,
    WRONG_COLOUR,
    draw_mistakes,
    frame,
    is_ink,
    mistakes_of_tasks,
    probabilities,
    pyplot,
    save_figure,
    show_image,
)
from tinymeta.runs.training import (
    generators,
    print_result,
    run_example,
    train_or_load,
    training_tasks,
)

PUBLISHED = {
    ("maml", "conv", 5, 1): "98.7 +- 0.4 %",
    ("maml", "conv", 5, 5): "99.9 +- 0.1 %",
    ("maml", "conv", 20, 1): "95.8 +- 0.3 %",
    ("maml", "conv", 20, 5): "98.9 +- 0.2 %",
    ("maml", "dense", 5, 1): "89.7 +- 1.1 %",
    ("maml", "dense", 5, 5): "97.5 +- 0.6 %",
    ("first-order", "conv", 5, 1): "98.3 +- 0.5 %, Nichol et al. 2018",
    ("first-order", "conv", 20, 1): "89.4 +- 0.5 %, Nichol et al. 2018",
    ("meta-sgd", "conv", 5, 1): "99.53 +- 0.26 %, Li et al. 2017",
    ("meta-sgd", "conv", 20, 1): "95.93 +- 0.38 %, Li et al. 2017",
    ("maml++", "conv", 5, 1): "99.47 %, Antoniou et al. 2019",
    ("reptile", "conv", 5, 1): "97.68 +- 0.04 %, Nichol et al. 2018",
}


def main(args, name):
    start = time.perf_counter()
    rngs = _, train_rng, validation_rng, test_rng = generators(args.seed)

    def sampler(characters, rng):
        return lambda n: tm.data.episodes(
            characters, rng, way=args.way, shot=args.shot, query=args.shot, tasks=n
        )

    def draw_from(*sets):
        network(args, *image_shape(sets[0]))
        for characters in sets:
            sampler(characters, np.random.default_rng(0))(1)

    train, validation, test = image_sets(args, draw_from)
    net = network(args, *image_shape(train))
    # The paper's code sums the cross-entropy over the ways; ours is a mean,
    # so its alpha is multiplied by them. Batch norm's offsets are not adapted, as there.
    lr = tm.meta.rates_except_norm(net.init(np.random.default_rng(0)), args.alpha * args.way)

    def method(transductive=True):
        return build_method(
            args,
            net,
            tm.losses.cross_entropy,
            lr,
            test_steps=args.test_steps,
            transductive=transductive,
        )

    learner = method()
    splits = args.method != "maml++"  # whose step weights are not a part of each task
    if args.no_jit and args.chunks > 1 and splits:
        learner = learner._replace(meta_grad=in_chunks(learner.meta_grad, args.chunks))
    print(
        f"{args.method}, {args.way}-way {args.shot}-shot on {args.data} ({train}): net {args.net}, "
        f"{args.filters} filters, {args.steps} inner step(s), {args.tasks} tasks, "
        f"{args.iterations} meta-updates"
    )

    def score(method, params, characters, rng, tasks):
        return tm.meta.evaluate(
            method, params, sampler(characters, rng), tasks=tasks, compiled=not args.no_jit
        )

    tasks = training_tasks(args, lambda rng, n: sampler(train, rng)(n), train_rng)
    params = train_or_load(
        args,
        learner,
        with_step_weights(args, tasks),
        rngs,
        name=name,
        evaluate=lambda params: score(
            learner, params, validation, validation_rng, args.validation_tasks
        ),
    )

    published = ""
    if args.data == "omniglot":
        published = PUBLISHED.get((args.method, args.net, args.way, args.shot), "")
    state = test_rng.bit_generator.state
    print_result(
        f"{args.way}-way {args.shot}-shot test accuracy on {args.data}",
        score(learner, params, test, test_rng, args.test_tasks),
        args.seed,
        start,
        published,
    )
    if args.evaluate:
        test_rng.bit_generator.state = state  # the same tasks, each query image by itself
        print_result(
            "the same, not transductive (batch norm sees the support set and one query image)",
            score(method(False), params, test, test_rng, args.test_tasks),
            args.seed,
            start,
        )
    if not only_evaluates(args):
        sample, ink = sampler(test, test_rng), is_ink(test)
        draw_task(learner, params, sample(1), args.out / f"{name}_task.png", ink)
        found = mistakes_of_tasks(learner.predict, params, sample)
        draw_mistakes(*found, args.out / f"{name}_mistakes.png", ink=ink)


def network(args, size, channels):
    """One of the paper's two: four convolutions, or four dense layers."""
    if args.net == "conv":
        return tm.nn.conv4(args.way, filters=args.filters, size=size, channels=channels)
    widths = size * size * channels, 256, 128, 64, 64, args.way
    dense = tm.nn.mlp(*widths, norm=True, scheme=truncated_normal(0.01))
    return tm.nn.Sequential(tm.nn.Flatten(), *dense.layers)


def draw_task(method, params, task, path, ink):
    """One test task: the support image of each class, and what the adapted net says of each query,
    with its probability."""
    plt = pyplot()
    if plt is None:
        return
    logits = np.asarray(method.predict(params, task.support, task.query.x))[0]
    shares = probabilities(logits)  # (N, K)
    said = shares.argmax(-1)
    columns = min(len(said), 10)
    figure, axes = plt.subplots(2, columns, figsize=(1.15 * columns, 3), squeeze=False)
    for k in range(columns):
        show_image(axes[0, k], task.support.x[0, k], ink, f"class {task.support.y[0, k]}")
        is_right = said[k] == task.query.y[0, k]
        caption = f"says {said[k]}: {shares[k, said[k]]:.2f}"
        show_image(axes[1, k], task.query.x[0, k], ink, caption)
        frame(axes[1, k], RIGHT_COLOUR if is_right else WRONG_COLOUR)
    axes[0, 0].set_ylabel("seen once", fontsize=8)
    axes[1, 0].set_ylabel("asked", fontsize=8)
    right = np.mean(said == task.query.y[0])
    figure.suptitle(f"one test task: accuracy {right:.2f} (blue: right, orange: wrong)", fontsize=9)
    save_figure(figure, path)


if __name__ == "__main__":
    p = parser(__doc__.splitlines()[0], iterations=1400, beta=3e-3)
    p.add_argument("--method", choices=METHODS, default="maml", help="MAML or a relative of it")
    add_inner_loop_flags(p)
    add_numbered_tasks(p)
    add_image_flags(p, "random", "vinyals", "official")  # the paper's is a random 1100/100/423
    p.add_argument(
        "--net",
        choices=("conv", "dense"),
        default="conv",
        help="the paper's net with convolutions or that without",
    )
    p.add_argument(
        "--filters", type=int, default=32, help="channels of each convolution (the paper: 64)"
    )
    p.add_argument("--tasks", type=int, default=8, help="tasks in a meta-batch (the paper: 32)")
    p.add_argument(
        "--alpha", type=float, default=0.1, help="inner learning rate (the paper, 5-way: 0.4)"
    )
    p.add_argument("--test-steps", type=int, default=3, help="inner steps in validation and test")
    p.add_argument("--validation-tasks", type=int, default=100, help="tasks of a validation")
    p.add_argument(
        "--chunks", type=int, default=2, help="with --no-jit: parts of a meta-batch, on two threads"
    )
    args = parse_flags(
        p,
        ("filters", "net", "conv".__eq__),
        ("test_steps", "method", "maml++".__ne__),
        ("chunks", "method", "maml++".__ne__),
        ("chunks", "no_jit", bool),
    )
    run_example(main, args, f"{args.method}_{args.data}")
