"""What examples and commands share: one training, from flags to parameters, and how a run ends.

The flags are in flags.py, the files of a run in run_files.py, signals in console.py, pictures in
pictures.py.
"""

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tinymeta as tm
from tinymeta.system.world import current

from . import pictures
from .console import output_may_fail, signals_as_ctrl_c
from .flags import config, config_to_resume
from .run_files import back_up_earlier_run, exclusive, write_curve

_SECONDS_BETWEEN_PICTURES = 30  # to draw a curve takes half a second, longer than a short training


def run_example(main: Callable, args: argparse.Namespace, name: str) -> None:
    """Call main(args, name) on the chosen device, while no other run has its files.

    A bad argument, a missing file or an interruption is one line, not a traceback.
    """
    try:
        with _ranks(args), output_may_fail(args.out), signals_as_ctrl_c(), _device(args):
            _check_files(args, name)
            writes = current().first and not vars(args).get("evaluate")
            with exclusive(args.out, name) if writes else contextlib.nullcontext():
                main(args, name)
    except (ValueError, OSError, RuntimeError, ArithmeticError, MemoryError, ImportError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as stop:
        sys.exit(f"stopped by {stop.args[0] if stop.args else 'Ctrl-C'}")


@contextlib.contextmanager
def _ranks(args: argparse.Namespace) -> Iterator[None]:
    """In this `with`, the ranks of --ranks share the work; all but the first are silent."""
    if not vars(args).get("ranks"):
        yield
        return
    with tm.ranks.mpi() as world, contextlib.ExitStack() as stack:
        if not world.first:
            nowhere = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        yield


def _device(args: argparse.Namespace) -> contextlib.AbstractContextManager[None]:
    """The device of --device; of several ranks on a machine, each has a GPU of its own."""
    return tm.device(current().device(args.device))


def _check_files(args: argparse.Namespace, name: str) -> None:
    """Raise OSError or ValueError if a file that the training begins with is missing or unfit.

    To make the data may take seconds: that mistake is found before. Whether shapes fit can be told
    only later, of the net.
    """
    flags = vars(args)
    if flags.get("resume"):
        path = _checkpoint_path(args, name)
        if not path.exists():
            raise FileNotFoundError(f"there is no checkpoint {path}: begin without --resume")
        checkpoint = tm.meta.Checkpoint(path, config_to_resume(args), {})
        checkpoint.compare(tm.about(path).get("config", {}))
    elif flags.get("load"):
        tm.about(args.load)


def _checkpoint_path(args: argparse.Namespace, name: str) -> Path:
    return args.out / f"{name}.checkpoint.npz"


def generators(seed: int) -> list[np.random.Generator]:
    """Independent random generators for initialisation, training, validation and test tasks."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)]


def training_tasks(args: argparse.Namespace, draw: Callable, rng: np.random.Generator) -> Callable:
    """sample(k), the batch of --tasks tasks for update k.

    draw(rng, n) -> n tasks: by `rng`, one after another, or with --numbered-tasks by a generator
    for each, so that each rank draws only its own.
    """
    if args.numbered_tasks:
        return tm.data.Numbered(lambda one: draw(one, 1), tasks=args.tasks, seed=args.seed)
    return lambda k: draw(rng, args.tasks)


def train_or_load(
    args: argparse.Namespace,
    method: tm.meta.Method,
    sample: Callable,
    rngs: list[np.random.Generator],
    *,
    name: str,
    evaluate: Callable,
    better: str = "larger",
    measure: str = "accuracy",
    compiled: bool = True,
    kept: Callable = lambda params: params,
    facts: dict | None = None,
) -> Any:
    """The parameters to test: trained, from the beginning or with --resume, or loaded.

    sample(k): the batch of update k; rngs: init, train, validation, test; evaluate, better: see
    `tm.meta.train`; measure: what is measured in validation, called so in terminal, curve and
    file; compiled: whether a whole update is, as without --no-jit. In --out it keeps
    {name}.checkpoint.npz every few minutes, the curve as {name}.csv and {name}_curve.png while it
    runs, and in the end {name}.npz: kept(params), the flags, and facts, what else there is to know
    of them. With --evaluate it only loads. Ctrl-C saves and prints the command that goes on.
    """
    init_rng, train_rng, validation_rng, _ = rngs
    if args.evaluate:
        return tm.load(args.evaluate, like=method.init(init_rng))
    params = method.init(init_rng)
    if args.load and not args.resume:
        params = tm.load(args.load, like=params)
    if not args.iterations:
        return params
    checkpoint = tm.meta.Checkpoint(
        _checkpoint_path(args, name),
        config_to_resume(args),
        {"train": train_rng, "validation": validation_rng},
        args.every,
    )
    lr = tm.optim.cosine(args.beta, args.iterations) if args.decay else args.beta

    score_name = f"validation {measure}"

    def draw(curve):
        pictures.draw_curve(curve, args.out / f"{name}_curve.png", score_name, name)

    last_drawn = time.monotonic()

    def save(params, curve):
        nonlocal last_drawn
        write_curve(curve, args.out / f"{name}.csv", score_name)
        if time.monotonic() - last_drawn > _SECONDS_BETWEEN_PICTURES:
            draw(curve)
            last_drawn = time.monotonic()

    def begun():
        if not args.resume:
            back_up_earlier_run(args.out, name)

    # Imported now, as the curve is drawn at Ctrl-C, too: one in the middle of a first import leaves
    # half a module behind.
    pictures.pyplot()
    run = tm.meta.train(
        method,
        sample,
        numbered=True,
        iterations=args.iterations,
        params=params,
        optimizer=tm.optim.adam(lr),
        evaluate=evaluate,
        better=better,
        name=name,
        measure=score_name,
        save=save,
        checkpoint=checkpoint,
        resume=args.resume,
        compiled=compiled and not args.no_jit,
        begun=begun,
    )
    if not run.finished:
        if current().first and run.curve:
            draw(run.curve)
        _exit_stopped(run)
    params = run.params
    if args.select == "best" and run.best:
        print(f"best {score_name}: {run.best.score}, after {run.best.iteration} updates")
        params = run.best.params
    path = args.out / f"{name}.npz"
    try:
        if current().first:
            about = {"config": {**config(args), **(facts or {})}, "selected": args.select}
            tm.save(path, kept(params), about=about)
    except OSError as error:
        raise OSError(
            f"{path} could not be written ({error}): make room, then go on from "
            f"{checkpoint.path} with {resume_command()}"
        ) from None
    if current().first:
        draw(run.curve)
    print(
        f"{name}: {run.curve[-1].pace:.3g} ms an update, peak memory "
        f"{run.curve[-1].memory:.0f} MB, kept in {path}"
    )
    return params


def _exit_stopped(run: Any) -> None:
    """End the program after an interruption, with the command that goes on."""
    done = _updates_done(run)
    if done:
        sys.exit(f"stopped after {done} updates and saved; to go on: {resume_command()}")
    sys.exit("stopped before the first update: nothing was written")


def _updates_done(run: Any) -> int:
    return run.curve[-1].iteration if run.curve else 0


def finished_params(run: Any, iterations: int, name: str) -> Any:
    """The parameters of a training that came to its end; else the example ends here."""
    if not run.finished:
        sys.exit(
            f"{name}: stopped after {_updates_done(run)} of {iterations} updates; nothing is "
            "claimed of a net that is not finished"
        )
    return run.params


def resume_command() -> str:
    """The command that resumes this run, for a shell."""
    program = sys.argv[:1]
    if Path(program[0]).name == "__main__.py":
        program = ["-m", "tinymeta"]
    flags = [word for word in sys.argv[1:] if word != "--resume"]
    words = ["python", *program, *flags, "--resume"]
    if current().size > 1:
        words[:1] = ["mpiexec", "-n", str(current().size), "python", "-m", "mpi4py"]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def print_result(what: str, score: Any, seed: int, start: float, published: str = "") -> None:
    """One line: the score, the seed and the minutes since `start`, beside the published figure."""
    minutes = (time.perf_counter() - start) / 60
    line = f"result: {what} {score}, seed {seed}, {minutes:.1f} minutes"
    if published:
        line += f"  (published: {published})"
    print(line, flush=True)
