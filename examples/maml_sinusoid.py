"""MAML on sinusoids (Finn et al. 2017, section 5.1): learn to fit a wave from a few points.

Tasks are waves of random amplitude and phase. The net is trained so that one gradient step on 10
points of a new wave fits it; then it is tested with --shot points and up to 10 steps. Full recipe
of Finn, Abbeel & Levine: --iterations 70000.
"""

import time

import numpy as np
from common import draw_curve, generators, keep, optimizer, parser, pyplot, result, run, save_figure

import tinymeta as tm
from tinymeta.meta.method import squared_error
from tinymeta.nn.init import glorot_uniform, truncated_normal

TEST_STEPS = (0, 1, 5, 10)


def main(a):
    start = time.perf_counter()
    init_rng, train_rng, validation_rng, test_rng = generators(a.seed)
    waves = tm.data.Sinusoids()
    scheme = truncated_normal(0.01) if a.init == "paper" else glorot_uniform
    net = tm.nn.mlp(1, 40, 40, 1, scheme=scheme)
    method = tm.meta.maml(net, tm.losses.mse, lr=a.lr, steps=a.steps)
    print(f"MAML on sinusoids: net 1-40-40-1, {a.steps} inner step(s) of {a.lr}, "
          f"{a.tasks} tasks of 10 + 10 points, {a.iterations} meta-updates of Adam {a.beta}")

    def sample():
        return waves.sample(train_rng, tasks=a.tasks, shot=10, query=10)

    def score(params, steps, rng, tasks):
        adapted = tm.meta.maml(net, tm.losses.mse, lr=a.lr, steps=steps)
        return tm.meta.evaluate(
            adapted, params, lambda n: waves.sample(rng, tasks=n, shot=a.shot, query=a.shot),
            tasks=tasks, batch=100, measure=squared_error)

    params, curve = tm.meta.train(
        method, sample, iterations=a.iterations, compiled=not a.no_jit, rng=init_rng,
        optimizer=optimizer(a), name="sinusoid",
        evaluate=lambda params: score(params, 1, validation_rng, 200),
        save=keep(a.out, "maml_sinusoid"))

    state = test_rng.bit_generator.state
    for steps in TEST_STEPS:
        test_rng.bit_generator.state = state              # the same tasks for every number of steps
        published = {1: "0.67", 5: "0.38", 10: "0.35"}.get(steps, "") if a.shot == 5 else ""
        result(f"sinusoid {a.shot}-shot mean squared error after {steps} steps",
               score(params, steps, test_rng, 600), a.seed, start, published)
    draw_curve(curve, a.out / "maml_sinusoid_curve.png", "error after 1 step")
    draw_adaptation(net, params, waves, a, test_rng)


def draw_adaptation(net, params, waves, a, rng):
    """Three new waves: the points seen, the net before adapting, after 1 step and after 10."""
    plt = pyplot()
    if plt is None:
        return
    drawn = waves.draw(rng, 3)
    points = rng.uniform(-5, 5, (3, a.shot, 1)).astype(np.float32)
    support = tm.Batch(points, drawn(points))
    grid = np.repeat(np.linspace(-5, 5, 200, dtype=np.float32)[None, :, None], 3, 0)     # (T, N, 1)
    figure, axes = plt.subplots(1, 3, figsize=(12, 3), sharey=True)
    for steps, style in ((0, ":"), (1, "--"), (10, "-")):
        adapted = tm.meta.maml(net, tm.losses.mse, lr=a.lr, steps=steps)
        prediction = adapted.predict(params, support, grid).numpy()
        for axis, x, y in zip(axes, grid, prediction):
            axis.plot(x, y, style, color="tab:blue", label=f"{steps} steps")
    for axis, x, y, px, py in zip(axes, grid, drawn(grid), support.x, support.y):
        axis.plot(x, y, color="tab:red", alpha=0.5, label="the wave")
        axis.plot(px, py, "o", color="black", label="points seen")
    axes[0].legend(fontsize=7)
    save_figure(figure, a.out / "maml_sinusoid_waves.png")
    plt.close(figure)


if __name__ == "__main__":
    p = parser(__doc__.splitlines()[0], shot=5, iterations=10000)
    p.add_argument("--lr", type=float, default=0.01, help="inner learning rate")
    p.add_argument("--tasks", type=int, default=25, help="tasks in a meta-batch")
    p.add_argument("--init", choices=("glorot", "paper"), default="glorot",
                   help="paper: truncated normal, std 0.01")
    run(main, p.parse_args())
