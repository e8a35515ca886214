"""A Gaussian process whose hyperparameters are learned by gradient (Rasmussen & Williams 2006).

    python examples/gaussian_process.py

What one learns: f is drawn from a normal distribution with the covariance

    k(x, x') = height^2 exp(-(x - x')^2 / (2 width^2)),    y = f(x) + noise * a normal number

and the probability of the y that were seen, given the three numbers, is one Cholesky factor:

    log p(y) = -1/2 |z|^2 - sum log L_ii - n/2 log 2 pi,    K + noise^2 = L L',  L z = y

Its gradient (chapter 5) needs no formula of its own, so Adam climbs it; and its Hessian at the top
says how sure the data make the three numbers: the inverse is their covariance (Laplace).
"""

import argparse
import time

import console  # noqa: F401  from here on Ctrl-C is one sentence
import numpy as np

import tinymeta as tm
from tinymeta.runs.flags import parse_flags, parser
from tinymeta.runs.pictures import legend_below, pyplot, save_figure
from tinymeta.runs.training import run_example

NAMES = ("width", "height", "noise")  # the hyperparameters, whose logarithms are learned


def covariance(log_values, a, b):
    """k between the points a (n,) and b (m,): (n, m)."""
    width, height, _ = (tm.exp(log_values[i]) for i in range(3))
    return tm.square(height) * tm.exp(-0.5 * tm.square((a[:, None] - b[None, :]) / width))


def factor(log_values, x):
    """L, with L L' the covariance of what is seen at x."""
    seen = covariance(log_values, x, x) + tm.exp(2 * log_values[2]) * np.eye(len(x))
    return tm.linalg.cholesky(seen)


def surprise(log_values, x, y):
    """-log p(y), to be made small."""
    lower = factor(log_values, x)
    z = tm.linalg.solve_triangular(lower, y, lower=True)
    log_roots = tm.log(tm.sum(lower * np.eye(len(x)), -1)).sum()
    return 0.5 * tm.square(z).sum() + log_roots + 0.5 * len(x) * np.log(2 * np.pi)


def predict(log_values, x, y, at):
    """The mean of f at the points `at` and its standard deviation, after y was seen at x."""
    lower = factor(log_values, x)
    across = tm.linalg.solve_triangular(lower, covariance(log_values, x, at), lower=True)
    z = tm.linalg.solve_triangular(lower, y, lower=True)
    variance = tm.exp(2 * log_values[1]) - tm.square(across).sum(0)
    return z @ across, tm.sqrt(tm.maximum(variance, 0.0))


def main(args: argparse.Namespace, name: str) -> None:
    start = time.perf_counter()
    rng = np.random.default_rng(args.seed)
    x = np.sort(rng.uniform(-3, 3, args.points))
    y = np.sin(2 * x) + 0.2 * rng.normal(size=args.points)
    at = np.linspace(-4, 4, 161)

    optimizer = tm.optim.adam(args.beta)
    values_and_slopes = tm.jit(tm.value_and_grad(surprise))
    log_values = tm.tensor(np.zeros(3))
    state = optimizer.init(log_values)
    for k in range(args.iterations):
        value, slopes = values_and_slopes(log_values, x, y)
        if k % max(args.iterations // 5, 1) == 0:
            print(f"{k:5}: -log p(y) = {value.item():.3f}")
        log_values, state = optimizer.update(slopes, state, log_values)

    hessian = tm.hessian(surprise)(log_values, x, y)
    spread = np.sqrt(np.diag(tm.linalg.inv(hessian).numpy()))
    for hyperparameter, log_value, s in zip(NAMES, log_values.tolist(), spread):
        low, high = np.exp(log_value - 1.96 * s), np.exp(log_value + 1.96 * s)
        print(f"{hyperparameter:6} = {np.exp(log_value):.3f}   95 %: {low:.3f} to {high:.3f}")
    mean, deviation = (found.numpy() for found in predict(log_values, x, y, at))
    inside = np.abs(at) <= 3
    missed = np.sqrt(np.mean((mean - np.sin(2 * at))[inside] ** 2))
    print(
        f"result: root mean squared error between the points {missed:.4f}, "
        f"-log p(y) {surprise(log_values, x, y).item():.3f}, seed {args.seed}, "
        f"{time.perf_counter() - start:.1f} s"
    )
    draw(x, y, at, mean, deviation, args.out / f"{name}.png")


def draw(x, y, at, mean, deviation, path):
    """What was seen, and what is believed of f: its mean and twice its deviation."""
    plt = pyplot()
    if plt is None:
        return
    figure, axis = plt.subplots(figsize=(6, 3.5))
    low, high = mean - 2 * deviation, mean + 2 * deviation
    axis.fill_between(at, low, high, alpha=0.2, label="twice its deviation")
    axis.plot(at, mean, label="mean")
    axis.plot(at, np.sin(2 * at), "--", color="tab:gray", label="f")
    axis.plot(x, y, "k.", label="seen")
    axis.set(title=f"what {len(x)} points say of f", xlabel="x", ylabel="y")
    legend_below(axis, columns=4)
    save_figure(figure, path)


if __name__ == "__main__":
    p = parser(__doc__.splitlines()[0], False, ("way", "shot"), iterations=200, beta=0.05)
    p.add_argument("--points", type=int, default=40, help="points that are seen")
    run_example(main, parse_flags(p), "gaussian_process")
