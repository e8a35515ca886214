"""The learners of the commands: a network, how it is trained, and how it is asked afterwards.

A learner follows from a run's flags alone, so that the file of its parameters, which holds them,
is enough to ask it again. Asked, no query image sees another: the gradient methods normalise each
beside its support set, a prototypical and a siamese network by moments of training images, which
are a part of what is saved.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tinymeta as tm

from ..meta import siamese as siamese_network
from ..system.unzip import naming_the_file
from .methods import METHODS, build_method

NAMES = (*METHODS, "prototypical", "siamese")
_MARGIN = 10.0  # how far apart a siamese network lays different classes, as its example does
_TEST_STEPS = 3  # inner steps where it is asked, as in Finn et al. 2017
_KEPT: dict[str, Callable] = {  # the flags that a learner follows from, and their types
    "method": str,
    "way": int,
    "shot": int,
    "steps": int,
    "size": int,
    "channels": int,
    "filters": int,
    "alpha": float,
    "inverted": bool,
    "seed": int,
}


class Learner(NamedTuple):
    """training: the Method that is trained; asked: the one that is asked, of `ready` parameters.

    ready(params, images (N, H, W, C)) -> the parameters that `asked` takes, given training images.
    """

    training: tm.meta.Method
    asked: tm.meta.Method
    ready: Callable


def learner(args: argparse.Namespace, way: int | None = None) -> Learner:
    """The learner of these flags: method, way, size, channels, filters, alpha, steps.

    way: of the tasks that it is asked about, where it is not that of training. Raises ValueError
    for a single class, and for more than a network with a last layer of --way outputs can tell
    apart.
    """
    way = way or args.way
    if way < 2:
        raise ValueError(f"{args.method} tells classes apart, and there is one: give two or more")
    sizes: dict[str, Any] = {"filters": args.filters, "size": args.size, "channels": args.channels}
    if args.method == "prototypical":
        return _prototypical(args, way, sizes)
    if args.method == "siamese":
        return _siamese(args, way, sizes)
    if way > args.way:
        raise ValueError(
            f"{args.method} was trained to tell {args.way} classes apart, and {way} were given: "
            "give fewer, or train with a larger --way, or with --method prototypical or siamese"
        )
    net = tm.nn.conv4(args.way, **sizes)
    # As the paper counts alpha, of a sum over the ways; ours is a mean. Offsets are not adapted.
    lr = tm.meta.rates_except_norm(net.init(np.random.default_rng(0)), args.alpha * args.way)

    def method(transductive: bool) -> tm.meta.Method:
        return build_method(
            args,
            net,
            tm.losses.cross_entropy,
            lr,
            test_steps=max(args.steps, _TEST_STEPS),
            transductive=transductive,
        )

    return Learner(method(True), method(False), lambda params, images: params)


def _prototypical(args: argparse.Namespace, way: int, sizes: dict[str, Any]) -> Learner:
    """Batch norm has the moments of the batch in training, and is frozen afterwards."""
    net = tm.nn.conv4(None, head="flatten", scale=True, **sizes)
    blank = np.zeros((2, args.size, args.size, args.channels), np.float32)
    frozen, _ = net.freeze(net.init(np.random.default_rng(0)), blank)
    return Learner(
        tm.meta.prototypical(net, way=args.way),
        tm.meta.prototypical(frozen, way=way)._replace(init=lambda rng: _frozen(net, rng, blank)),
        lambda params, images: net.freeze(params, images)[1],
    )


def _siamese(args: argparse.Namespace, way: int, sizes: dict[str, Any]) -> Learner:
    """It learns of all pairs of a batch, and answers by the nearest example of the support set."""
    net = tm.nn.conv4(None, head="flatten", **sizes)
    blank = np.zeros((2, args.size, args.size, args.channels), np.float32)
    frozen, _ = net.freeze(net.init(np.random.default_rng(0)), blank)
    asked = siamese_network(frozen, margin=_MARGIN, way=way)
    return Learner(
        siamese_network(net, margin=_MARGIN, different=1 - 1 / args.way),
        asked._replace(init=lambda rng: _frozen(net, rng, blank)),
        lambda params, images: net.freeze(params, images)[1],
    )


def _frozen(net: Any, rng: np.random.Generator, images: np.ndarray) -> Any:
    return net.freeze(net.init(rng), images)[1]


def saved_flags(file: Path) -> argparse.Namespace:
    """The flags of the run that saved these parameters. Raises OSError, and ValueError for a file
    that `python -m tinymeta train` did not write."""
    about = tm.about(file)
    with naming_the_file(file, "what python -m tinymeta train saves", "give a file that it saved"):
        config = about["config"]
        kept = {name: kind(config[name]) for name, kind in _KEPT.items()}
        if kept["method"] not in NAMES:
            raise ValueError(f"its method {kept['method']!r} does not exist")
    return argparse.Namespace(**kept, remat=None, mode="reverse")
