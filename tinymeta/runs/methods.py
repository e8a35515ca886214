"""The methods that adapt by gradient steps, by their names as flags."""

import argparse
import functools
from collections.abc import Callable
from typing import Any

import tinymeta as tm

METHODS: dict[str, Callable] = {
    "maml": tm.meta.maml,
    "first-order": functools.partial(tm.meta.maml, first_order=True),
    "meta-sgd": tm.meta.meta_sgd,
    "anil": tm.meta.anil,
    "reptile": tm.meta.reptile,
    "imaml": tm.meta.imaml,
    "maml++": tm.meta.maml_plus,
}


def build_method(
    args: argparse.Namespace, net: Any, loss: Callable, lr: Any, **options: Any
) -> tm.meta.Method:
    """The method that --method names; lr: a number, or a tree for the methods that take one."""
    memory = {"remat": args.remat, "mode": args.mode}
    options = {"lr": lr, "steps": args.steps, **memory, **options}
    if args.method in ("meta-sgd", "reptile", "maml++"):
        options["lr"] = max(tm.tree.leaves(lr))  # one number: all parameters adapt
    if args.method == "maml++":
        options.pop("test_steps", None)  # it has as many steps as it has rates
    if args.method == "anil" and tm.tree.children(lr) is not None:
        options["lr"] = lr[-1]  # the head's part of the tree
    return METHODS[args.method](net, loss, **options)


def with_step_weights(args: argparse.Namespace, sample: Callable) -> Callable:
    """For maml++, a sampler whose step weights move to the last step in a tenth of the run."""
    if args.method != "maml++":
        return sample

    def weighted_sample(k):
        progress = k / (0.1 * args.iterations)
        return tm.meta.Weighted(*sample(k), tm.meta.step_weights(progress, args.steps))

    return weighted_sample
