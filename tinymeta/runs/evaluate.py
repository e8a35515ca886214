"""`python -m tinymeta evaluate`: score saved parameters on tasks of classes that were held out."""

import argparse
import time

import numpy as np

import tinymeta as tm

from . import pictures
from .learner import learner, saved_flags
from .train_pictures import sampler
from .training import print_result


def main(args: argparse.Namespace, name: str) -> None:
    """Print the accuracy with its interval, and draw {name}_mistakes.png."""
    start = time.perf_counter()
    flags = saved_flags(args.model)
    options = {"size": flags.size, "channels": flags.channels, "invert": flags.inverted}
    if args.which == "test":
        classes = tm.data.folder_split(args.images, seed=flags.seed, **options).test
    else:
        classes = tm.data.folder(args.images, **options)
    way = min(flags.way, len(classes))
    asked = learner(flags, way).asked
    params = tm.load(args.model, like=asked.init(np.random.default_rng(0)))
    rng = np.random.default_rng(args.seed)
    draw = sampler(classes, rng, way, args.shot)
    print(f"{flags.method} of {args.model}, on {classes}")
    score = tm.meta.evaluate(asked, params, draw, tasks=args.test_tasks)
    what = f"{way}-way {args.shot}-shot test accuracy on {args.which} classes of {args.images}"
    print_result(what, score, args.seed, start)
    found = pictures.mistakes_of_tasks(asked.predict, params, draw)
    path = args.out / f"{name}_mistakes.png"
    pictures.draw_mistakes(*found, path, ink=pictures.is_ink(classes))
