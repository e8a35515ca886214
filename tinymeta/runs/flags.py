"""The flags that the examples share: how they are declared and parsed, and which make a run."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..meta.recompute import MODES, REMATS
from .flag_checks import check_minima, check_needs
from .saved_flags import flags_of_run

COMMON_FLAGS: dict[str, dict[str, Any]] = {
    "way": dict(type=int, default=5, help="classes in a task"),
    "shot": dict(type=int, default=1, help="examples of a class (sinusoid: points) to learn from"),
    "iterations": dict(type=int, default=1000, help="meta-updates"),
    "beta": dict(type=float, default=1e-3, help="learning rate of Adam"),
    "seed": dict(type=int, default=0, help="seed of all random generators"),
    "device": dict(choices=("cpu", "cuda"), default="cpu", help="device that computes"),
    "out": dict(type=Path, default=Path("out"), help="folder for curves, pictures and parameters"),
}
TRAINING_FLAGS: dict[str, dict[str, Any]] = {
    "steps": dict(type=int, default=1, help="inner gradient steps in training"),
    "decay": dict(action="store_true", help="let beta fall to zero along half a cosine"),
    "select": dict(
        choices=("best", "last"),
        default="last",
        help="test those that were best in validation, or the last",
    ),
    "every": dict(type=float, default=120.0, help="seconds between checkpoints"),
    "resume": dict(
        action="store_true",
        help="go on from the checkpoint in --out, which ends as if nothing had happened"
        "; more --iterations make it longer",
    ),
    "load": dict(
        type=Path, metavar="FILE", help="begin with saved ones (another --seed: on other tasks)"
    ),
    "evaluate": dict(
        type=Path,
        metavar="FILE",
        help="only test parameters saved before; the flags of their run are taken "
        "over, and nothing is written",
    ),
    "test-tasks": dict(type=int, default=600, help="tasks of the test"),
    "ranks": dict(
        choices=("mpi",), help="share the tasks: mpiexec -n 8 python -m mpi4py .. --ranks mpi"
    ),
    "no-jit": dict(
        action="store_true", help="run each operation by itself, not compiled, to compare"
    ),
}


INNER_LOOP_FLAGS: dict[str, dict[str, Any]] = {
    "remat": dict(
        choices=REMATS,
        help="inner steps that are run again in the backward pass, in place of memory: each, "
        "segments of sqrt(steps), or nested segments",
    ),
    "mode": dict(
        choices=MODES, default="reverse", help="mixed: forward over reverse through inner gradients"
    ),
}

# Flags that runs of earlier versions lack, and what these runs did.
_LATER = {"remat": None, "mode": "reverse", "numbered_tasks": False}
# Flags that may differ between a run and the one that resumes or tests it.
_MAY_DIFFER = {
    "root",
    "images",
    "out",
    "every",
    "resume",
    "evaluate",
    "test_tasks",
    "test_pairs",
    "test_steps",
    "select",
    "load",
    "ranks",
}
# How a run is computed: it may be tested in another way.
_EXECUTION = {"device", "no_jit", "chunks", "remat", "mode"}

# (flag, another, condition): the first has no effect unless the condition holds for the other.
_NEEDS = (
    ("resume", "evaluate", lambda file: not file),
    ("load", "evaluate", lambda file: not file),
    ("resume", "iterations", bool),
    ("remat", "steps", bool),
    ("mode", "steps", bool),
    ("root", "data", "glyphs".__ne__),
    ("size", "data", "folder".__eq__),
    ("split", "data", "omniglot".__eq__),
    ("glyph_alphabets", "data", "glyphs".__eq__),
)


class _HelpOnAScreen(argparse.ArgumentDefaultsHelpFormatter):
    """Most flags in one line, with a letter for what they take: there are up to thirty."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=98)

    def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
        return {int: "N", float: "X", Path: "PATH"}.get(action.type, "NAME")  # type: ignore[call-overload]


def parser(
    description: str, training: bool = True, without: Iterable[str] = (), **defaults: Any
) -> argparse.ArgumentParser:
    """A parser with the shared flags, and an example's own defaults.

    training: with the flags of `train_or_load`; without: flags that the example has no use for.
    """
    p = argparse.ArgumentParser(
        usage="%(prog)s [options]", description=description, formatter_class=_HelpOnAScreen
    )
    flags = {**COMMON_FLAGS, **TRAINING_FLAGS} if training else COMMON_FLAGS
    for flag, settings in flags.items():
        if flag not in without:
            p.add_argument(f"--{flag}", **settings)
    p.set_defaults(**defaults)
    return p


def add_inner_loop_flags(p: argparse.ArgumentParser) -> None:
    """--remat and --mode, what is held of the inner steps."""
    for flag, settings in INNER_LOOP_FLAGS.items():
        p.add_argument(f"--{flag}", **settings)


def add_numbered_tasks(p: argparse.ArgumentParser) -> None:
    """--numbered-tasks, see `training_tasks` in training.py."""
    p.add_argument(
        "--numbered-tasks",
        action="store_true",
        help="draw tasks by number; with --ranks each draws its own",
    )


def parse_flags(p: argparse.ArgumentParser, *needs: tuple) -> argparse.Namespace:
    """The parsed flags; with --evaluate, those not given are the ones of the run it names.

    needs: of this example, as _NEEDS. A mistake ends the program with one sentence.
    """
    args = p.parse_args()
    try:
        if vars(args).get("evaluate"):
            saved = flags_of_run(args.evaluate, p, never=_MAY_DIFFER | _EXECUTION)
            args = p.parse_args([*saved, *sys.argv[1:]])
        check_minima(args)
        check_needs(p, args, (*_NEEDS, *needs))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    return args


def config(args: argparse.Namespace) -> dict:
    """The flags that make a run what it is; a later flag only if it is used."""
    flags = {key: value for key, value in vars(args).items() if key not in _MAY_DIFFER}
    for key, default in _LATER.items():
        if key in flags and flags[key] == default:
            del flags[key]
    return flags


def config_to_resume(args: argparse.Namespace) -> dict:
    """The flags that a run and the one that resumes it have in common.

    A run may be made longer, unless its updates depend on where it ends.
    """
    flags = config(args)
    knows_its_end = args.decay or vars(args).get("method") == "maml++"
    if not knows_its_end:
        del flags["iterations"]
    return flags


def only_evaluates(args: argparse.Namespace) -> bool:
    """Whether nothing is trained, but parameters tested: then no file is written."""
    return bool(args.evaluate) or not args.iterations
