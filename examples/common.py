"""What the examples share: flags, where results go, curves, the result line."""

import argparse
import csv
import functools
import os
import sys
import time
from pathlib import Path

import numpy as np

import tinymeta as tm


def parser(description: str, own: bool = False, **defaults) -> argparse.ArgumentParser:
    """The common flags, with an example's own defaults; own: without those of `learn`."""
    p = argparse.ArgumentParser(description=description,
                                formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--way", type=int, default=5, help="classes in a task")
    p.add_argument("--shot", type=int, default=1,
                   help="labelled examples of a class (sinusoid: points) to learn from")
    p.add_argument("--iterations", type=int, default=1000, help="meta-updates")
    p.add_argument("--beta", type=float, default=1e-3, help="learning rate of Adam")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    p.add_argument("--out", type=Path, default=Path("out"),
                   help="folder for curves, pictures and parameters")
    if not own:
        flags_of_learn(p)
    p.set_defaults(**defaults)
    return p


def flags_of_learn(p: argparse.ArgumentParser):
    p.add_argument("--root", help="folder of the Omniglot files "
                                  "(default: $TINYMETA_DATA, then the user cache)")
    p.add_argument("--steps", type=int, default=1, help="inner gradient steps in training")
    p.add_argument("--decay", action="store_true",
                   help="let beta fall to zero along half a cosine")
    p.add_argument("--select", choices=("best", "last"), default="last",
                   help="judge the parameters that were best in validation, or the last ones")
    p.add_argument("--every", type=float, default=120.0, help="seconds between checkpoints")
    p.add_argument("--resume", action="store_true",
                   help="go on from the checkpoint in --out, which ends as if nothing had happened")
    p.add_argument("--load", type=Path, metavar="FILE",
                   help="begin with parameters saved before (with another --seed, on other tasks)")
    p.add_argument("--evaluate", type=Path, metavar="FILE",
                   help="only judge parameters saved before; the flags of their run are taken over")
    p.add_argument("--test-tasks", type=int, default=600)
    p.add_argument("--no-jit", action="store_true",
                   help="run every operation by itself instead of a compiled program, to compare")


def flags_of_images(p: argparse.ArgumentParser, *splits: str):
    """What `image_sets` goes by; splits: of Omniglot, the default first."""
    p.add_argument("--data", choices=("glyphs", "omniglot"), default="glyphs")
    p.add_argument("--split", choices=splits, default=splits[0], help="of Omniglot")
    p.add_argument("--glyph-alphabets", type=int, default=30,
                   help="of glyphs: how many to learn from; there is no end of them")


METHODS = {"maml": tm.meta.maml, "first-order": functools.partial(tm.meta.maml, first_order=True),
           "meta-sgd": tm.meta.meta_sgd, "anil": tm.meta.anil, "reptile": tm.meta.reptile,
           "imaml": tm.meta.imaml, "maml++": tm.meta.maml_plus}


def method_of(a, net, loss, lr, **options):
    """The method that --method names; lr: a number, or a tree for the methods that take one."""
    options = {"lr": lr, "steps": a.steps, **options}
    if a.method in ("meta-sgd", "reptile", "maml++"):
        options["lr"] = max(tm.tree.leaves(lr))         # one number: all parameters adapt
    if a.method == "maml++":
        options.pop("test_steps", None)                 # it has as many steps as it has rates
    if a.method == "anil" and tm.tree.children(lr) is not None:
        options["lr"] = lr[-1]                          # the head's part of the tree
    return METHODS[a.method](net, loss, **options)


def weighted(a, sample):
    """For maml++, a sampler whose step weights move to the last step in a tenth of the run."""
    if a.method != "maml++":
        return sample
    return lambda k: tm.meta.Weighted(
        *sample(k), tm.meta.step_weights(k / (0.1 * a.iterations), a.steps))


# Flags that may differ between a run and the one that goes on from it, or judges it.
FREE = {"root", "out", "every", "resume", "evaluate", "test_tasks", "test_steps", "select", "load"}


def config(a) -> dict:
    """The flags that make a run what it is."""
    return {key: value for key, value in vars(a).items() if key not in FREE}


def arguments(p: argparse.ArgumentParser) -> argparse.Namespace:
    """The parsed flags; with --evaluate, those not given are the ones of the run it names."""
    a = p.parse_args()
    if a.evaluate:
        try:
            p.set_defaults(**tm.about(a.evaluate).get("config", {}))
        except (OSError, ValueError) as error:
            sys.exit(f"error: {error}")
    return p.parse_args()


def run(main, arguments):
    """Run an example on the chosen device.

    A bad argument or a missing file is one line, not a traceback.
    """
    try:
        with tm.device(arguments.device):
            arguments.out.mkdir(parents=True, exist_ok=True)
            main(arguments)
    except (ValueError, OSError, RuntimeError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped by Ctrl-C")


def generators(seed: int):
    """Independent random generators for initialisation, training, validation and test tasks."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)]


def optimizer(a):
    """Adam with the rate --beta, falling with --decay."""
    return tm.optim.adam(tm.optim.cosine(a.beta, a.iterations) if a.decay else a.beta)


def learn(a, method, sample, rngs, *, name: str, evaluate, better: str = "larger",
          measure: str = "accuracy", params=None):
    """Train, or go on with --resume; returns the parameters to judge.

    sample(k): the batch of update k; rngs: init, train, validation, test. In --out it keeps
    {name}.checkpoint.npz every few minutes, the curve as {name}.csv and {name}_curve.png while it
    runs, and in the end {name}.npz. With --evaluate it only loads. Ctrl-C saves and says how to
    go on.
    """
    init_rng, train_rng, validation_rng, _ = rngs
    if a.evaluate:
        return tm.load(a.evaluate, like=method.init(init_rng))
    if params is None:
        params = method.init(init_rng)
    if a.load:
        params = tm.load(a.load, like=params)
    if not a.iterations:
        return params
    checkpoint = tm.meta.Checkpoint(a.out / f"{name}.checkpoint.npz", config(a),
                                    {"train": train_rng, "validation": validation_rng}, a.every)
    if not a.resume and (aside := checkpoint.set_aside()):
        print(f"an earlier run's checkpoint is now {aside}; --resume would have gone on with it")

    def save(params, curve):
        write_curve(curve, a.out / f"{name}.csv")
        draw_curve(curve, a.out / f"{name}_curve.png", measure)

    run = tm.meta.train(method, sample, numbered=True, iterations=a.iterations, params=params,
                        optimizer=optimizer(a), evaluate=evaluate, better=better, name=name,
                        save=save, checkpoint=checkpoint, resume=a.resume, compiled=not a.no_jit)
    if not run.finished:
        again = [word for word in sys.argv if word != "--resume"]
        sys.exit(f"stopped after {run.curve[-1].iteration if run.curve else 0} updates and saved; "
                 f"to go on: python {' '.join(again)} --resume")
    if a.select == "best" and run.best:
        print(f"best in validation: after {run.best.iteration} updates, {run.best.score}")
    chosen = run.best.params if a.select == "best" and run.best else run.params
    tm.save(a.out / f"{name}.npz", chosen, about={"config": config(a), "selected": a.select})
    print(f"{name}: {run.curve[-1].pace:.3g} ms an update, peak memory "
          f"{run.curve[-1].memory:.0f} MB")
    return chosen


def write_curve(curve, path: Path):
    rows = [["iteration", "seconds", *curve[0].metrics, "score", "interval", "ms", "MB"]]
    for row in curve:
        score = (row.score.mean, row.score.interval) if row.score else ("", "")
        metrics = (f"{v:.6g}" for v in row.metrics.values())
        rows.append([row.iteration, f"{row.seconds:.1f}", *metrics, *score,
                     f"{row.pace:.4g}", f"{row.memory:.0f}"])
    write_rows(rows, path)


def write_rows(rows, path: Path):
    """A table as CSV, written beside and then renamed."""
    beside = path.with_name(f".{path.name}")
    with open(beside, "w", newline="") as file:
        csv.writer(file).writerows(rows)
    os.replace(beside, path)


def result(what: str, score, seed: int, start: float, published: str = ""):
    print(f"result: {what} {score}, seed {seed}, {(time.perf_counter() - start) / 60:.1f} minutes"
          + (f"  (published: {published})" if published else ""), flush=True)


@functools.cache
def pyplot():
    """matplotlib.pyplot drawing to files, or None where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        print("no pictures: matplotlib is not installed (pip install 'tinymeta[examples]')")
        return None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    return plt


def save_figure(figure, path: Path):
    beside = path.with_name(f".{path.name}")
    figure.savefig(beside, dpi=120, bbox_inches="tight", format="png")
    os.replace(beside, path)


def draw_curve(curve, path: Path, measure: str):
    """Loss on the left axis, the validation score with its interval on the right one."""
    plt = pyplot()
    if plt is None:
        return
    figure, left = plt.subplots(figsize=(6, 3.5))
    steps = [row.iteration for row in curve]
    left.plot(steps, [row.metrics["loss"] for row in curve],
              color="tab:gray", label="training loss")
    left.set(xlabel="meta-updates", ylabel="training loss")
    scored = [row for row in curve if row.score]
    if scored:
        right = left.twinx()
        right.errorbar([r.iteration for r in scored], [r.score.mean for r in scored],
                       [r.score.interval for r in scored], color="tab:blue", capsize=2)
        right.set_ylabel(f"validation {measure}", color="tab:blue")
    save_figure(figure, path)
    plt.close(figure)


def image_sets(a):
    """(train, validation, test) characters of the chosen data set; the sets share no character."""
    if a.data == "omniglot":
        split = tm.data.Omniglot(a.root).split(a.split, seed=a.seed)
        return split.train, split.validation, split.test
    glyphs = tm.data.Glyphs(seed=0)          # alphabets 30 to 49 are for validation and test
    train = glyphs.characters(min(a.glyph_alphabets, 30))
    if a.glyph_alphabets > 30:
        train = tm.data.join(train, glyphs.characters(a.glyph_alphabets - 30, first=50))
    return train, glyphs.characters(5, first=30), glyphs.characters(15, first=35)
