"""`python -m tinymeta train | evaluate | predict`: few-shot learning on pictures of one's own.

    train      learn from a folder with a folder of pictures for each class
    evaluate   score what was learned on tasks of new classes, with its 95 % interval
    predict    say of each picture which of a few classes it shows, with probabilities

What they do is in train_pictures.py, evaluate.py and predict.py; here are their flags.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import evaluate, predict, train_pictures
from .flag_checks import check_minima, check_needs
from .flags import COMMON_FLAGS, TRAINING_FLAGS
from .learner import NAMES
from .training import run_example

_METHODS_TOLD = f"{NAMES[0]} (default), {', '.join(NAMES[1:])}"
_FLAGS: dict[str, dict[str, Any]] = {
    **COMMON_FLAGS,
    **TRAINING_FLAGS,
    "images": dict(metavar="FOLDER", required=True, help="a folder with a folder for each class"),
    "method": dict(choices=NAMES, default=NAMES[0], metavar="NAME", help=_METHODS_TOLD),
    "size": dict(type=int, default=28, help="pictures become so large, square"),
    "filters": dict(type=int, default=32, help="channels of each convolution"),
    "tasks": dict(type=int, default=8, help="tasks in a meta-batch"),
    "alpha": dict(type=float, default=0.1, help="inner learning rate"),
    "model": dict(type=Path, metavar="FILE", required=True, help="what train has saved"),
    "support": dict(metavar="FOLDER", required=True, help="a folder of examples for each class"),
    "query": dict(
        dest="pictures",  # --query of the examples is a number
        nargs="+",
        metavar="PICTURES",
        required=True,
        help="files, or folders of them",
    ),
    "classes": dict(
        dest="which",  # --classes of the examples is a number
        choices=("test", "all"),
        default="test",
        help="test: those that train held out of this folder; all: of a folder it never saw",
    ),
    "resume": dict(action="store_true", help="go on from the checkpoint in --out"),
    "select": dict(
        choices=("best", "last"), default="last", help="parameters that are tested and saved"
    ),
    "out": dict(type=Path, default=Path("out"), help="folder for what is written"),
    "shot": dict(type=int, default=1, help="labelled examples of a class"),
}
_METAVARS = {int: "N", float: "X", Path: "PATH"}
_UNSET = dict(  # flags of a training that this one has not
    decay=False, every=120.0, load=None, evaluate=None, no_jit=False, remat=None, mode="reverse"
)
_TRAIN = tuple(
    "images method way shot size filters iterations tasks steps alpha beta select test-tasks seed "
    "device out resume".split()
)


def _has_inner_loop(method: str) -> bool:
    return method not in ("prototypical", "siamese")


_TRAIN_NEEDS = (  # as of `check_needs`
    ("alpha", "method", _has_inner_loop),
    ("steps", "method", _has_inner_loop),
    ("resume", "iterations", bool),
)
_EVALUATE = ("model", "images", "classes", "shot", "test-tasks", "seed", "device", "out")
_PREDICT = ("model", "support", "query", "device", "out")
_COMMANDS: dict[str, tuple[Callable, tuple[str, ...], str]] = {
    "train": (train_pictures.main, _TRAIN, "learn to tell classes apart from few examples"),
    "evaluate": (evaluate.main, _EVALUATE, "score what was learned, on tasks of new classes"),
    "predict": (predict.main, _PREDICT, "say which of a few classes each picture shows"),
}


def main(arguments: list[str]) -> None:
    """Run the command that the arguments name; it ends in SystemExit where something is wrong."""
    p, parsers = _parser()
    args = p.parse_args(arguments)
    command, _, _ = _COMMANDS[args.command]
    try:
        check_minima(args)
        if args.command == "train":
            check_needs(parsers["train"], args, _TRAIN_NEEDS, arguments[1:])
    except ValueError as error:
        sys.exit(f"error: {error}")
    if args.command == "train":
        name = f"{args.method}_{Path(args.images).resolve().name}"
    else:
        name = args.model.name.removesuffix(".npz")
    vars(args).pop("command")
    run_example(command, args, name)


def _parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser of all arguments, and by name that of each command, of what comes after it."""
    p = argparse.ArgumentParser(
        prog="python -m tinymeta",
        description="Few-shot learning on your own pictures. Without a command, the public names "
        "are printed on one page.",
        formatter_class=_on_a_screen,
    )
    commands = p.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, flags, what) in _COMMANDS.items():
        usage = " ".join(
            f"--{flag} {_FLAGS[flag]['metavar']}" for flag in flags if "required" in _FLAGS[flag]
        )
        command = commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            usage=f"python -m tinymeta {name} {usage} [options]",
            formatter_class=_on_a_screen,
        )
        for flag in flags:
            settings = dict(_FLAGS[flag])
            if "type" in settings:
                settings.setdefault("metavar", _METAVARS[settings["type"]])
            if "default" in settings and settings.get("help") is not _METHODS_TOLD:
                settings["help"] += " (default: %(default)s)"
            command.add_argument(f"--{flag}", **settings)
        command.set_defaults(**_UNSET if name == "train" else {"evaluate": None})
    return p, commands.choices


def _on_a_screen(prog: str) -> argparse.HelpFormatter:
    """A line for each flag: all of a command's fit a screen of 24 lines and 100 columns."""
    return argparse.HelpFormatter(prog, max_help_position=26, width=98)
