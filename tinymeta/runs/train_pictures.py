"""`python -m tinymeta train`: meta-train on a folder of pictures, and test on classes held out."""

import argparse
import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import tinymeta as tm

from ..data.pictures import from_zero_to_one
from . import pictures
from .images import image_shape, read_folder
from .learner import learner
from .methods import with_step_weights
from .training import generators, print_result, train_or_load

_MOMENTS = 512  # training images that a frozen batch norm has its moments of


def main(args: argparse.Namespace, name: str) -> None:
    """Train, save {name}.npz with the flags in it, print the test accuracy, draw mistakes."""
    start = time.perf_counter()
    rngs = _, train_rng, validation_rng, test_rng = generators(args.seed)
    split = read_folder(args.images, args.size, args.seed)
    # What the pictures are like belongs to the model, but is no flag that a run is resumed with.
    looked = {"channels": image_shape(split.train)[1], "inverted": split.train.inverted}
    described = argparse.Namespace(**vars(args), **looked)
    _check_ways(args.way, split.train)
    trained = learner(described)
    draw = sampler(split.train, train_rng, args.way, args.shot)
    draw(1)  # a class that is too small is found before an update
    print(f"{args.method}, {args.way}-way {args.shot}-shot: {args.iterations} meta-updates on")
    for part, classes in zip(split._fields, split):
        print(f"  {part:10} {classes}")
    moments = _moment_images(split.train, args.seed)

    @functools.cache  # what is compiled of a method is kept by the method
    def asked(way: int) -> tm.meta.Method:
        return learner(described, way).asked

    def score(params: Any, classes: Any, rng: np.random.Generator, tasks: int) -> Any:
        way = min(args.way, len(classes))
        draw = sampler(classes, rng, way, args.shot)
        return tm.meta.evaluate(asked(way), trained.ready(params, moments), draw, tasks=tasks)

    params = train_or_load(
        args,
        trained.training,
        with_step_weights(args, lambda k: _as_trained(args.method, draw(args.tasks))),
        rngs,
        name=name,
        evaluate=lambda params: score(params, split.validation, validation_rng, 100),
        kept=lambda params: trained.ready(params, moments),
        facts=looked,
    )
    way = min(args.way, len(split.test))
    what = f"{way}-way {args.shot}-shot test accuracy on {len(split.test)} classes held out"
    print_result(what, score(params, split.test, test_rng, args.test_tasks), args.seed, start)
    found = pictures.mistakes_of_tasks(
        asked(way).predict,
        trained.ready(params, moments),
        sampler(split.test, test_rng, way, args.shot),
    )
    ink = pictures.is_ink(split.test)
    pictures.draw_mistakes(*found, args.out / f"{name}_mistakes.png", ink=ink)


def _as_trained(method: str, tasks: tm.Tasks) -> Any:
    """The tasks as the method takes them: a siamese network all pictures of one, as one batch."""
    if method != "siamese":
        return tasks
    parts = zip(tasks.support, tasks.query)
    return tm.Batch(*(np.concatenate([np.asarray(x) for x in part], 1) for part in parts))


def _check_ways(way: int, classes: Any) -> None:
    """Raise ValueError where there are not as many classes as a task is to have."""
    if way > len(classes):
        raise ValueError(
            f"--way {way} needs {way} classes to learn from, and there are {len(classes)}, the "
            f"others being held out for validation and test: lower --way, or add classes"
        )


def sampler(classes: Any, rng: np.random.Generator, way: int, shot: int) -> Callable:
    """sample(n) -> Tasks of n, with one query image of a class: as many as a few pictures allow."""
    return lambda n: tm.data.episodes(classes, rng, way=way, shot=shot, query=1, tasks=n)


def _moment_images(classes: Any, seed: int) -> np.ndarray:
    """Training images, (N, H, W, C), the same for a seed."""
    n = len(classes.images)
    chosen = np.random.default_rng(seed).permutation(n)[:_MOMENTS]
    return from_zero_to_one(classes.images[chosen])
