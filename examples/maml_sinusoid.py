"""MAML on sinusoids (Finn et al. 2017, section 5.1): learn to fit a wave from a few points.

Tasks are waves of random amplitude and phase. The net is trained so that one gradient step on 10
points of a new wave fits it; then it is tested with --shot points and up to 10 steps. Full recipe
of Finn, Abbeel & Levine: --iterations 70000. --method takes MAML's relatives.
"""

import time

import numpy as np
from common import arguments, generators, judges, learn, parser, result, run
from methods import METHODS, method_of, weighted
from pictures import pyplot, save_figure

import tinymeta as tm
from tinymeta.meta.evaluation import squared_error
from tinymeta.nn.init import glorot_uniform, truncated_normal

TEST_STEPS = (0, 1, 5, 10)


def main(a, name):
    start = time.perf_counter()
    rngs = _, train_rng, validation_rng, test_rng = generators(a.seed)
    waves = tm.data.Sinusoids()
    scheme = truncated_normal(0.01) if a.init == "paper" else glorot_uniform
    net = tm.nn.mlp(1, 40, 40, 1, scheme=scheme)

    def method(test_steps=None):
        return method_of(a, net, tm.losses.mse, a.lr, test_steps=test_steps)

    print(
        f"{a.method} on sinusoids: net 1-40-40-1, {a.steps} inner step(s) of {a.lr}, "
        f"{a.tasks} tasks of {a.train_shot} + 10 points, {a.iterations} meta-updates"
    )

    def sample(k):
        return waves.sample(train_rng, tasks=a.tasks, shot=a.train_shot, query=10)

    def score(params, steps, rng, tasks):
        return tm.meta.evaluate(
            method(steps),
            params,
            lambda n: waves.sample(rng, tasks=n, shot=a.shot, query=a.shot),
            tasks=tasks,
            batch=100,
            measure=squared_error,
        )

    params = learn(
        a,
        method(),
        weighted(a, sample),
        rngs,
        name=name,
        better="smaller",
        measure="error after the steps of training",
        evaluate=lambda params: score(params, a.steps, validation_rng, 200),
    )

    state = test_rng.bit_generator.state
    for steps in TEST_STEPS if a.method != "maml++" else (a.steps,):
        test_rng.bit_generator.state = state  # the same tasks for every number of steps
        published = {1: "0.67", 5: "0.38", 10: "0.35"}.get(steps, "") if a.shot == 5 else ""
        result(
            f"sinusoid {a.shot}-shot mean squared error after {steps} steps",
            score(params, steps, test_rng, a.test_tasks),
            a.seed,
            start,
            published and f"MAML {published}",
        )
    if not judges(a):
        draw_adaptation(method, params, waves, a, test_rng)


def draw_adaptation(method, params, waves, a, rng):
    """Three new waves: the points seen, the net before adapting, after 1 step and after 10."""
    plt = pyplot()
    if plt is None:
        return
    drawn = waves.draw(rng, 3)
    points = rng.uniform(-5, 5, (3, a.shot, 1)).astype(np.float32)
    support = tm.Batch(points, drawn(points))
    grid = np.repeat(np.linspace(-5, 5, 200, dtype=np.float32)[None, :, None], 3, 0)  # (T, N, 1)
    figure, axes = plt.subplots(1, 3, figsize=(12, 3), sharey=True)
    styles = ((0, ":"), (1, "--"), (10, "-")) if a.method != "maml++" else ((a.steps, "-"),)
    for steps, style in styles:
        prediction = method(steps).predict(params, support, grid).numpy()
        for axis, x, y in zip(axes, grid, prediction):
            axis.plot(x, y, style, color="tab:blue", label=f"{steps} steps")
    for axis, x, y, px, py in zip(axes, grid, drawn(grid), support.x, support.y):
        axis.plot(x, y, color="tab:red", alpha=0.5, label="the wave")
        axis.plot(px, py, "o", color="black", label="points seen")
    axes[0].legend(fontsize=7)
    save_figure(figure, a.out / f"{a.method}_sinusoid_waves.png")
    plt.close(figure)


if __name__ == "__main__":
    p = parser(__doc__.splitlines()[0], without=("way",), shot=5, iterations=10000)
    p.add_argument("--method", choices=METHODS, default="maml", help="MAML or a relative")
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
    a = arguments(p)
    run(main, a, f"{a.method}_sinusoid")
