"""The meta-gradient lab: how much of the exact meta-gradient does each approximation keep?

    python examples/metagradient_lab.py                               sinusoids
    python examples/metagradient_lab.py --work glyphs

What one learns: the same parameters and the same tasks go through exact MAML, first-order MAML,
Reptile, ANIL and iMAML, with more and more inner steps. For each: the cosine to the exact
meta-gradient, the ratio of their norms, the norm of the difference, and what it costs: CPU time as
a multiple of exact MAML's, and memory of the compiled program, for all tasks at once. Exact MAML is
there three times: holding all that the steps recorded, running each step again (remat), and passing
through them forward over reverse (mixed). Calls are timed in turn, as machines are never idle.
"""

import time

import console  # noqa: F401  from here on Ctrl-C is one sentence
import numpy as np

import tinymeta as tm
from tinymeta.runs.flags import parse_flags, parser
from tinymeta.runs.images import blank_characters
from tinymeta.runs.pictures import figure_legend, pyplot, save_figure
from tinymeta.runs.run_files import back_up_earlier_run, write_table
from tinymeta.runs.training import finished_params, generators, run_example

METHODS = ("exact MAML", "exact, remat", "exact, mixed", "first order", "Reptile", "ANIL", "iMAML")


def method_named(name, net, loss, lr, steps):
    options = {"lr": lr, "steps": steps}
    return {
        "exact MAML": lambda: tm.meta.maml(net, loss, **options),
        "exact, remat": lambda: tm.meta.maml(net, loss, remat="steps", **options),
        "exact, mixed": lambda: tm.meta.maml(net, loss, mode="mixed", **options),
        "first order": lambda: tm.meta.maml(net, loss, first_order=True, **options),
        "Reptile": lambda: tm.meta.reptile(net, loss, **options),
        "ANIL": lambda: tm.meta.anil(net, loss, **options),
        # lambda = 1 / (lr steps): the pull under which a minimum is as far as the steps lead
        "iMAML": lambda: tm.meta.imaml(net, loss, strength=1 / (lr * steps), **options),
    }[name]()


def problem(args):
    """What is learned: (net, loss, lr, sample(rng, tasks))."""
    if args.work == "sinusoid":
        waves = tm.data.Sinusoids()
        return (
            tm.nn.mlp(1, 40, 40, 1),
            tm.losses.mse,
            args.lr or 0.01,
            lambda rng, tasks: waves.sample(rng, tasks=tasks, shot=10, query=10),
        )
    shape = dict(way=args.way, shot=args.shot, query=args.shot)
    blank = blank_characters(10)
    tm.data.episodes(blank, np.random.default_rng(0), tasks=1, **shape)  # raises if too few
    characters = tm.data.Glyphs(seed=0).characters(10)
    return (
        tm.nn.conv4(args.way, filters=16),
        tm.losses.cross_entropy,
        args.lr or 0.4,
        lambda rng, tasks: tm.data.episodes(characters, rng, tasks=tasks, **shape),
    )


def main(args, name):
    init_rng, train_rng, _, test_rng = generators(args.seed)
    net, loss, lr, sample = problem(args)
    params = tm.tree.map(tm.tensor, net.init(init_rng))
    if args.iterations:
        params = finished_params(
            tm.meta.train(
                tm.meta.maml(net, loss, lr=lr),
                lambda: sample(train_rng, args.tasks),
                params=params,
                iterations=args.iterations,
                optimizer=tm.optim.adam(args.beta),
                rows=1,
                name="warm-up",
            ),
            args.iterations,
            "warm-up",
        )
    tasks = sample(test_rng, args.tasks)
    print(
        f"{args.work}, {args.tasks} tasks, inner rate {lr}, "
        f"after {args.iterations} updates of MAML\n"
    )
    header = ("method", "steps", "cosine", "norm ratio", "difference", "time ratio", "MB")
    print("{:14}{:>6}{:>9}{:>12}{:>12}{:>12}{:>9}".format("", *header[1:]))
    rows = []
    for steps in args.inner:
        built = [method_named(method, net, loss, lr, steps).meta_grad for method in METHODS]
        compiled = [tm.jit(f) for f in built]
        vectors = [meta_gradient(f, params, tasks) for f in compiled]
        seconds = seconds_in_turn(compiled, params, tasks, args.repeats)
        exact, exact_norm = vectors[0], np.linalg.norm(vectors[0])
        for method, f, vector, taken in zip(METHODS, built, vectors, seconds):
            cosine = float(vector @ exact / (np.linalg.norm(vector) * exact_norm))
            difference = float(np.linalg.norm(vector - exact) / exact_norm)
            ratio = float(np.linalg.norm(vector) / exact_norm)
            memory = megabytes(tm.explain(f, params, tasks), args.tasks)
            rows.append((method, steps, cosine, ratio, difference, taken / seconds[0], memory))
            print("{:14}{:6}{:9.4f}{:12.3f}{:12.1e}{:12.2f}{:9.2f}".format(*rows[-1]), flush=True)
        print(flush=True)
    back_up_earlier_run(args.out, name)
    write_table([header, *rows], args.out / f"{name}.csv")
    draw(rows, args.out / f"{name}.png")


def meta_gradient(f, params, tasks):
    """As one vector."""
    _, grads = f(params, tasks)
    return np.concatenate([np.asarray(g, np.float64).ravel() for g in tm.tree.leaves(grads)])


def megabytes(found, tasks: int):
    """Of the arena for all tasks; of a program that is run in chunks, as many times a chunk's."""
    size = found.replay.memory.size
    return size / 1e6 * (tasks / found.chunks[0] if found.chunks else 1)


def seconds_in_turn(functions, params, tasks, repeats: int):
    """The median CPU seconds of `repeats` calls of each, in turn; each has been called before."""
    times = [[] for _ in functions]
    for _ in range(repeats):
        for f, own in zip(functions, times):
            start = time.process_time()
            f(params, tasks)
            own.append(time.process_time() - start)
    return [float(np.median(own)) for own in times]


def draw(rows, path):
    plt = pyplot()
    if plt is None:
        return
    figure, axes = plt.subplots(1, 4, figsize=(15, 3.2), layout="constrained")
    panels = {
        2: "cosine",
        3: "ratio of the norms",
        5: "CPU time, multiples of exact's",
        6: "memory of all tasks, MB",
    }
    for axis, (column, title) in zip(axes, panels.items()):
        for name in METHODS:
            points = np.array([(row[1], row[column]) for row in rows if row[0] == name])
            if len(points):
                axis.plot(*points.T, "o-", markersize=3, label=name)
        axis.set(xlabel="inner steps", ylabel=title)
        axis.xaxis.set_major_locator(plt.MaxNLocator(integer=True))
    figure.suptitle("each approximation beside the exact meta-gradient of the same tasks")
    for axis in axes[1:]:
        axis.set(ylim=(0, None))
    figure_legend(figure, axes[0], columns=7)
    save_figure(figure, path)


if __name__ == "__main__":
    p = parser(__doc__.splitlines()[0], training=False, iterations=500)
    p.add_argument(
        "--work", choices=("sinusoid", "glyphs"), default="sinusoid", help="what is learned"
    )
    p.add_argument(
        "--inner", type=int, nargs="+", default=[1, 2, 3, 5, 10], help="numbers of inner steps"
    )
    p.add_argument("--lr", type=float, default=0, help="inner rate (0: 0.01 and 0.4)")
    p.add_argument("--tasks", type=int, default=25, help="tasks that the gradient is of")
    p.add_argument("--repeats", type=int, default=20, help="timed calls of each")
    args = parse_flags(
        p,
        ("way", "work", "glyphs".__eq__),
        ("shot", "work", "glyphs".__eq__),
        ("beta", "iterations", bool),
    )
    run_example(main, args, f"metagradient_lab_{args.work}")
