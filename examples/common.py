"""What the examples share: flags, and one training from flags to kept parameters."""

import argparse
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from ending import listening, signals
from keeping import alone, begin_anew, write_curve
from pictures import draw_curve
from saved import flags_of

import tinymeta as tm

COMMON = {
    "way": dict(type=int, default=5, help="classes in a task"),
    "shot": dict(
        type=int, default=1, help="labelled examples of a class (sinusoid: points) to learn from"
    ),
    "iterations": dict(type=int, default=1000, help="meta-updates"),
    "beta": dict(type=float, default=1e-3, help="learning rate of Adam"),
    "seed": dict(type=int, default=0, help="of all that is random"),
    "device": dict(choices=("cpu", "cuda"), default="cpu", help="where it is computed"),
    "out": dict(type=Path, default=Path("out"), help="folder for curves, pictures and parameters"),
}
OF_LEARN = {
    "steps": dict(type=int, default=1, help="inner gradient steps in training"),
    "decay": dict(action="store_true", help="let beta fall to zero along half a cosine"),
    "select": dict(
        choices=("best", "last"),
        default="last",
        help="judge the parameters that were best in validation, or the last ones",
    ),
    "every": dict(type=float, default=120.0, help="seconds between checkpoints"),
    "resume": dict(
        action="store_true",
        help="go on from the checkpoint in --out, which ends as if nothing had happened"
        "; more --iterations make it longer",
    ),
    "load": dict(
        type=Path,
        metavar="FILE",
        help="begin with parameters saved before (with another --seed, on other tasks); "
        "--resume has its own",
    ),
    "evaluate": dict(
        type=Path,
        metavar="FILE",
        help="only judge parameters saved before; the flags of their run are taken "
        "over, and nothing is written",
    ),
    "test-tasks": dict(type=int, default=600, help="tasks to judge by"),
    "no-jit": dict(
        action="store_true",
        help="run every operation by itself instead of a compiled program, to compare",
    ),
}


def parser(description: str, own: bool = False, without=(), **defaults) -> argparse.ArgumentParser:
    """The common flags, with an example's own defaults.

    own: without those of `learn`; without: flags that the example has no use for.
    """
    p = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    for flag, settings in {**COMMON, **({} if own else OF_LEARN)}.items():
        if flag not in without:
            p.add_argument(f"--{flag}", **settings)
    p.set_defaults(**defaults)
    return p


# Flags that may differ between a run and the one that goes on from it, or judges it.
FREE = {"root", "out", "every", "resume", "evaluate", "test_tasks", "test_steps", "select", "load"}
# How a run is computed: another may judge it in another way.
HOW = {"device", "no_jit", "chunks"}


def config(a) -> dict:
    """The flags that make a run what it is."""
    return {key: value for key, value in vars(a).items() if key not in FREE}


# The least that a number of these may be. An interval needs two tasks.
LEAST = {
    "way": 1,
    "shot": 1,
    "iterations": 0,
    "seed": 0,
    "steps": 0,
    "every": 0,
    "test_tasks": 2,
    "tasks": 1,
    "validation_tasks": 2,
    "test_steps": 0,
    "train_shot": 1,
    "query": 1,
    "test_query": 1,
    "test_ways": 1,
    "glyph_alphabets": 1,
    "glyph_iterations": 1,
    "chunks": 1,
    "classes": 0,
    "drawers": 1,
    "alphabets": 1,
    "pairs": 1,
    "features": 0,
    "truncate": 0,
    "hidden": 1,
    "inner": 1,
    "repeats": 1,
    "alpha": 0,
    "beta": 0,
    "lr": 0,
    "margin": 0,
}

# A flag, and another that has to be as the function says, else the first has no effect.
NEEDS = (
    ("resume", "evaluate", lambda file: not file),
    ("load", "evaluate", lambda file: not file),
    ("resume", "iterations", bool),
    ("root", "data", "omniglot".__eq__),
    ("split", "data", "omniglot".__eq__),
    ("glyph_alphabets", "data", "glyphs".__eq__),
)


def check(p: argparse.ArgumentParser, a: argparse.Namespace, needs: tuple):
    """Raise ValueError for a number that is too small, or a flag that would have no effect."""
    for name in LEAST.keys() & vars(a).keys():
        for number in np.ravel(getattr(a, name)):
            if number < LEAST[name]:
                raise ValueError(
                    f"{dashed(name)} {number} is too small: give at least {LEAST[name]}"
                )
    unset = object()
    given = p.parse_args(namespace=argparse.Namespace(**dict.fromkeys(vars(a), unset)))
    for name, other, fits in (*NEEDS, *needs):
        if getattr(given, name, unset) is not unset and not fits(value := getattr(a, other)):
            so = f"without {dashed(other)}" if value is False else f"with {dashed(other)} {value}"
            raise ValueError(f"{dashed(name)} has no effect {so}: leave it out, or change that")


def dashed(name: str) -> str:
    return "--" + name.replace("_", "-")


def arguments(p: argparse.ArgumentParser, *needs) -> argparse.Namespace:
    """The parsed flags; with --evaluate, those not given are the ones of the run it names.

    needs: of this example, as NEEDS. A mistake ends the program with one sentence.
    """
    a = p.parse_args()
    try:
        if vars(a).get("evaluate"):
            a = p.parse_args([*flags_of(a.evaluate, p, never=FREE | HOW), *sys.argv[1:]])
        check(p, a, needs)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    return a


def run(main, arguments, name: str):
    """Run main(arguments, name) on the chosen device; alone, as files are kept under that name.

    A bad argument, a missing file or an interruption is one line, not a traceback.
    """
    try:
        look_ahead(arguments, name)
        with listening(arguments.out), signals(), tm.device(arguments.device):
            if vars(arguments).get("evaluate"):  # which writes nothing
                main(arguments, name)
                return
            with alone(arguments.out, name):
                main(arguments, name)
    except (ValueError, OSError, RuntimeError, FloatingPointError, MemoryError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as stop:
        sys.exit(f"stopped by {stop.args[0] if stop.args else 'Ctrl-C'}")


def look_ahead(a, name: str):
    """Raise OSError or ValueError if a file that `learn` will begin with is not there or unfit.

    Data may take seconds to make, and only then there is a net to tell whether shapes fit.
    """
    flags = vars(a)
    if flags.get("resume"):
        path = kept_in(a, name)
        if not path.exists():
            raise FileNotFoundError(f"there is no checkpoint {path}: begin without --resume")
        tm.meta.Checkpoint(path, lasting(a), {}).compare(tm.about(path).get("config", {}))
    elif flags.get("load"):
        tm.about(a.load)


def kept_in(a, name: str) -> Path:
    """Where a run of this name keeps its checkpoint."""
    return a.out / f"{name}.checkpoint.npz"


def generators(seed: int):
    """Independent random generators for initialisation, training, validation and test tasks."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)]


def optimizer(a):
    """Adam with the rate --beta, falling with --decay."""
    return tm.optim.adam(tm.optim.cosine(a.beta, a.iterations) if a.decay else a.beta)


def learn(
    a,
    method,
    sample,
    rngs,
    *,
    name: str,
    evaluate,
    better: str = "larger",
    measure: str = "accuracy",
    params=None,
):
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
    if a.load and not a.resume:
        params = tm.load(a.load, like=params)
    if not a.iterations:
        return params
    checkpoint = tm.meta.Checkpoint(
        kept_in(a, name), lasting(a), {"train": train_rng, "validation": validation_rng}, a.every
    )

    def save(params, curve):
        write_curve(curve, a.out / f"{name}.csv")
        draw_curve(curve, a.out / f"{name}_curve.png", measure)

    run = tm.meta.train(
        method,
        sample,
        numbered=True,
        iterations=a.iterations,
        params=params,
        optimizer=optimizer(a),
        evaluate=evaluate,
        better=better,
        name=name,
        save=save,
        checkpoint=checkpoint,
        resume=a.resume,
        compiled=not a.no_jit,
        begun=None if a.resume else lambda: begin_anew(a.out, name),
    )
    if not run.finished:
        done = reached(run)
        sys.exit(
            f"stopped after {done} updates and saved; to go on: {command()}"
            if done
            else "stopped before the first update: nothing was written"
        )
    if a.select == "best" and run.best:
        print(f"best in validation: after {run.best.iteration} updates, {run.best.score}")
    chosen = run.best.params if a.select == "best" and run.best else run.params
    kept = a.out / f"{name}.npz"
    try:
        tm.save(kept, chosen, about={"config": config(a), "selected": a.select})
    except OSError as error:
        raise OSError(
            f"{kept} could not be written ({error}): make room, then go on from "
            f"{checkpoint.path} with {command()}"
        ) from None
    print(
        f"{name}: {run.curve[-1].pace:.3g} ms an update, peak memory "
        f"{run.curve[-1].memory:.0f} MB, kept in {kept}"
    )
    return chosen


def judges(a) -> bool:
    """Whether parameters are only judged: then nothing is written, pictures neither."""
    return bool(a.evaluate) or not a.iterations


def lasting(a) -> dict:
    """The flags that a run and the one that goes on from it have in common."""
    flags = config(a)
    if not a.decay and vars(a).get("method") != "maml++":  # whose updates know where it ends
        del flags["iterations"]
    return flags


def reached(run) -> int:
    """How many updates a training made."""
    return run.curve[-1].iteration if run.curve else 0


def finished(run, iterations: int, name: str):
    """The parameters of a training that came to its end; else the example ends here."""
    if not run.finished:
        sys.exit(
            f"{name}: stopped after {reached(run)} of {iterations} updates; nothing is "
            "claimed of a net that is not finished"
        )
    return run.params


def command() -> str:
    """What goes on with this run, for a shell."""
    words = ["python", *(word for word in sys.argv if word != "--resume"), "--resume"]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def result(what: str, score, seed: int, start: float, published: str = ""):
    print(
        f"result: {what} {score}, seed {seed}, {(time.perf_counter() - start) / 60:.1f} minutes"
        + (f"  (published: {published})" if published else ""),
        flush=True,
    )
