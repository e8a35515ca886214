"""MAML on sinusoids (Finn et al. 2017, section 5.1): learn to fit a wave from a few points.

    python examples/maml_sinusoid.py
    python examples/maml_sinusoid.py --method meta-sgd                or another relative of MAML
    python examples/maml_sinusoid.py --iterations 70000               the paper's full recipe

What one learns: tasks are waves of random amplitude and phase, and the net is trained so that one
gradient step on 10 points of a new wave fits it. The test, with --shot points and up to 10 steps,
shows whether more steps than it was trained for still help (Finn, Abbeel & Levine).
"""

import time

import console  # noqa: F401  from here on Ctrl-C is one sentence
import numpy as np

import tinymeta as tm
from tinymeta.meta.evaluation import squared_error
from tinymeta.nn.init import glorot_uniform, truncated_normal
from tinymeta.runs.flags import (
    add_inner_loop_flags,
    add_numbered_tasks,
    only_evaluates,
    parse_flags,
    parser,
)
from tinymeta.runs.methods import METHODS, build_method, with_step_weights
from tinymeta.runs.pictures import figure_legend, pyplot, save_figure
from tinymeta.runs.training import (
    generators,
    print_result,
    run_example,
    train_or_load,
    training_tasks,
)

TEST_STEPS = (0, 1, 5, 10)


def main(args, name):
    start = time.perf_counter()
    rngs = _, train_rng, validation_rng, test_rng = generators(args.seed)
    waves = tm.data.Sinusoids()
    scheme = truncated_normal(0.01) if args.init == "paper" else glorot_uniform
    net = tm.nn.mlp(1, 40, 40, 1, scheme=scheme)

    def method(test_steps=None):
        return build_method(args, net, tm.losses.mse, args.lr, test_steps=test_steps)

    print(
        f"{args.method} on sinusoids: net 1-40-40-1, {args.steps} inner step(s) of {args.lr}, "
        f"{args.tasks} tasks of {args.train_shot} + 10 points, {args.iterations} meta-updates"
    )

    def draw(rng, n):
        return waves.sample(rng, tasks=n, shot=args.train_shot, query=10)

    def score(params, steps, rng, tasks):
        return tm.meta.evaluate(
            method(steps),
            params,
            lambda n: waves.sample(rng, tasks=n, shot=args.shot, query=args.shot),
            tasks=tasks,
            batch=100,
            measure=squared_error,
            compiled=not args.no_jit,
        )

    params = train_or_load(
        args,
        method(),
        with_step_weights(args, training_tasks(args, draw, train_rng)),
        rngs,
        name=name,
        better="smaller",
        measure="error after the steps of training",
        evaluate=lambda params: score(params, args.steps, validation_rng, 200),
    )

    state = test_rng.bit_generator.state
    for steps in TEST_STEPS if args.method != "maml++" else (args.steps,):
        test_rng.bit_generator.state = state  # the same tasks for every number of steps
        published = {1: "0.67", 5: "0.38", 10: "0.35"}.get(steps, "") if args.shot == 5 else ""
        print_result(
            f"sinusoid {args.shot}-shot mean squared error after {steps} steps",
            score(params, steps, test_rng, args.test_tasks),
            args.seed,
            start,
            published and f"MAML {published}",
        )
    if not only_evaluates(args):
        draw_adaptation(method, params, waves, args, test_rng)


def draw_adaptation(method, params, waves, args, rng):
    """Three new waves: the points seen, the net before adapting, after 1 step and after 10."""
    plt = pyplot()
    if plt is None:
        return
    drawn = waves.draw(rng, 3)
    points = rng.uniform(-5, 5, (3, args.shot, 1)).astype(np.float32)
    support = tm.Batch(points, drawn(points))
    grid = np.repeat(np.linspace(-5, 5, 200, dtype=np.float32)[None, :, None], 3, 0)  # (T, N, 1)
    figure, axes = plt.subplots(1, 3, figsize=(12, 3), sharey=True)
    styles = ((0, ":"), (1, "--"), (10, "-")) if args.method != "maml++" else ((args.steps, "-"),)
    for steps, style in styles:
        prediction = method(steps).predict(params, support, grid).numpy()
        for axis, x, y in zip(axes, grid, prediction):
            label = f"after {steps} step{'s' * (steps != 1)}"
            axis.plot(x, y, style, color="tab:blue", label=label)
    for axis, x, y, px, py in zip(axes, grid, drawn(grid), support.x, support.y):
        axis.plot(x, y, color="tab:orange", alpha=0.7, label="the wave")
        axis.plot(px, py, "o", color="black", label="points seen")
        axis.set_xlabel("x")
    axes[0].set_ylabel("y")
    figure.suptitle(f"{args.method}: three waves that it never saw, from {args.shot} points each")
    figure_legend(figure, axes[0])
    save_figure(figure, args.out / f"{args.method}_sinusoid_waves.png")


if __name__ == "__main__":
    p = parser(__doc__.splitlines()[0], without=("way",), shot=5, iterations=10000)
    p.add_argument("--method", choices=METHODS, default="maml", help="MAML or a relative of it")
    add_inner_loop_flags(p)
    add_numbered_tasks(p)
    p.add_argument(
        "--train-shot",
        type=int,
        default=10,
        help="points to adapt to in training (the paper: 10, and 5 in the test)",
    )
    p.add_argument("--lr", type=float, default=0.01, help="inner learning rate")
    p.add_argument("--tasks", type=int, default=25, help="tasks in a meta-batch")
    p.add_argument(
        "--init",
        choices=("glorot", "paper"),
        default="glorot",
        help="paper: truncated normal, std 0.01",
    )
    args = parse_flags(p)
    run_example(main, args, f"{args.method}_sinusoid")
