"""Learning to optimize (Andrychowicz et al. 2016): an LSTM that learned to descend, and others.

    python examples/learned_optimizer.py                              the paper's approximation
    python examples/learned_optimizer.py --exact                      with the second derivatives

What one learns: an LSTM trained on random 10-dimensional quadratics descends fresh ones, beside
SGD, momentum, NAG and Adam, whose rates are tuned on as many problems as they need; and whether the
second derivatives that the paper drops matter. By Andrychowicz, Denil, Gomez, Hoffman, Pfau,
Schaul, Shillingford & de Freitas.
"""

import time

import console  # noqa: F401  from here on Ctrl-C is one sentence
import numpy as np

import tinymeta as tm
from tinymeta.meta.evaluation import Score
from tinymeta.meta.unroll import unroll
from tinymeta.runs.flags import add_inner_loop_flags, only_evaluates, parse_flags, parser
from tinymeta.runs.pictures import legend_below, pyplot, save_figure
from tinymeta.runs.training import generators, print_result, run_example, train_or_load

RATES = (10 ** np.linspace(-3.5, 0, 29)).tolist()
BASELINES = {
    "SGD": tm.optim.sgd,
    "momentum": tm.optim.momentum,
    "NAG": lambda lr: tm.optim.momentum(lr, nesterov=True),
    "Adam": tm.optim.adam,
}


def objective(theta, data):
    """f(theta) = |W theta - y|^2, (T,)."""
    residual = (data.x @ theta[..., None])[..., 0] - data.y
    return (residual * residual).sum(-1)


def main(args, name):
    start = time.perf_counter()
    rngs = _, train_rng, validation_rng, test_rng = generators(args.seed)
    family = tm.data.Quadratics(uniform=args.uniform)
    method = tm.meta.learned_optimizer(
        objective,
        steps=args.steps,
        truncate=args.truncate or None,
        hidden=args.hidden,
        first_order=not args.exact,
        remat=args.remat,
        mode=args.mode,
    )
    family_name = "uniform" if args.uniform else "Gaussian"
    derivatives = "exact" if args.exact else "second derivatives dropped"
    print(
        f"learned optimizer on {family_name} quadratics: {args.steps} steps, gradient cut after "
        f"{args.truncate or args.steps}, {derivatives}, {args.tasks} problems a batch, "
        f"{args.iterations} updates"
    )

    def curves(predict, problems):
        """f at each step, (T, 1 + steps)."""
        parts = []
        for k in range(0, len(problems.start), 100):
            part = tm.tree.map(lambda x: x[k : k + 100], problems)
            parts.append(predict(part))
        return np.concatenate(parts)

    predict = method.predict if args.no_jit else tm.jit(method.predict)

    def learned(params):
        return lambda problems: np.asarray(predict(params, problems))

    def tunable(make):
        """rate -> the descent of the optimizer make(rate), compiled once for all rates."""

        @tm.jit
        def descend(rate, problems):
            values = unroll(make(rate), objective, *problems, steps=args.steps)
            return tm.ops.stack(list(values), 1)

        return lambda rate: lambda problems: np.asarray(descend(rate, problems))

    def evaluate(params):
        problems = family.sample(np.random.default_rng(validation_seed), tasks=200)
        return mean_score(curves(learned(params), problems))

    validation_seed = int(validation_rng.integers(2**32))  # the same problems each time
    params = train_or_load(
        args,
        method,
        lambda k: family.sample(train_rng, tasks=args.tasks),
        rngs,
        name=name,
        evaluate=evaluate,
        better="smaller",
        measure=f"mean f over {args.steps} steps",
    )

    tuning, fresh = (family.sample(test_rng, tasks=n) for n in (400, args.test_tasks))
    found = {"learned": curves(learned(params), fresh)}
    for rule, make in BASELINES.items():
        descend_at = tunable(make)
        means = [(float(mean_of(curves(descend_at(rate), tuning))), rate) for rate in RATES]
        mean, rate = min(means)
        found[rule] = curves(descend_at(rate), fresh)
        print(
            f"{rule}: best rate {rate:.4g} of {len(RATES)}, {mean:.4g} on the problems it was "
            "tuned on",
            flush=True,
        )
    for rule, f in found.items():
        last = f[:, -1]
        print_result(
            f"{rule}: mean f over steps 1 to {args.steps} of fresh problems",
            mean_score(f),
            args.seed,
            start,
        )
        print(f"    at step {args.steps}: mean {last.mean():.4g}, median {np.median(last):.4g}")
    if not only_evaluates(args):
        draw_descent(found, args.out / f"{name}_descent.png", args.test_tasks)


def mean_of(f: np.ndarray) -> float:
    """The mean over problems and the steps from 1 on; infinite where one diverged."""
    return f[:, 1:].mean() if np.isfinite(f).all() else np.inf


def mean_score(f: np.ndarray) -> Score:
    each = f[:, 1:].mean(1)
    return Score(float(each.mean()), float(1.96 * each.std() / len(each) ** 0.5), len(each))


def draw_descent(found, path, tasks: int):
    plt = pyplot()
    if plt is None:
        return
    figure, axis = plt.subplots(figsize=(6, 4))
    for name, f in found.items():
        axis.plot(
            f.mean(0),
            label=name,
            linewidth=3 if name == "learned" else 1.2,
            color="black" if name == "learned" else None,
        )
    axis.set(yscale="log", xlabel="step", ylabel=f"f, mean of {tasks} fresh problems")
    axis.set_title("descent: a learned optimizer beside tuned ones")
    legend_below(axis, columns=5)
    save_figure(figure, path)


if __name__ == "__main__":
    p = parser(__doc__.splitlines()[0], without=("way", "shot"), steps=100, iterations=100)
    p.add_argument(
        "--truncate",
        type=int,
        default=20,
        help="the gradient reaches back so many steps at most (0: all)",
    )
    add_inner_loop_flags(p)
    p.add_argument("--exact", action="store_true", help="keep the second derivatives")
    p.add_argument("--uniform", action="store_true", help="entries of W and y uniform, not normal")
    p.add_argument("--hidden", type=int, default=20, help="units of each of the two LSTM layers")
    p.add_argument("--tasks", type=int, default=32, help="problems in a batch (the paper: 128)")
    run_example(main, parse_flags(p), "learned_optimizer")
