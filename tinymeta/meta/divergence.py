"""When a training is no longer made of numbers: who did it, and which state is left."""

from collections.abc import Callable
from typing import Any, NoReturn

from ..core import tree
from ..core.nans import debug_nans
from ..core.tensor import asarray
from .checkpoint import Checkpoint, finite
from .training_state import Progress


def is_finite(number: float) -> bool:
    return abs(number) < float("inf")


def check_batch(batch: Any) -> None:
    """Raise FloatingPointError, with its path, for a part that holds a NaN or an infinity."""
    for path, leaf in zip(tree.paths(batch), tree.leaves(batch)):
        if not finite(asarray(leaf)):
            raise FloatingPointError(
                f"train: the first batch holds a NaN or an infinity in {path}: "
                "look at what `sample` returns"
            )


def raise_diverged(
    meta_update: Callable,
    checkpoint: Checkpoint | None,
    write_checkpoint: Callable,
    updates: list,
    now: Progress,
) -> NoReturn:
    """Raise FloatingPointError: what happened, in which operation, and which state is left.

    updates: the last two (progress before it, batch), which led to `now`. The first may have
    spoilt the parameters that the second began with; parameters are not looked at each time. The
    one that did it is repeated, uncompiled, under `debug_nans`, which names the operation.
    """
    (good, batch), (last, last_batch) = updates
    if finite(last.params, last.state) or batch is None:
        good, batch = last, last_batch
    reason = "no operation made a NaN: some number grew too large for its type"
    try:
        with debug_nans():
            meta_update(good.params, good.state, batch)
    except FloatingPointError as error:
        reason = str(error)
    kept = ""
    if checkpoint and good.iteration:
        write_checkpoint(good)
        kept = f" (the last good state, after {good.iteration} updates, is in {checkpoint.path})"
    loss = now.sums["loss"]
    what = "a parameter is no longer a number" if is_finite(loss) else f"the loss became {loss}"
    raise FloatingPointError(
        f"train: {what} at iteration {now.iteration}{kept}: {reason}; lower "
        "the learning rates, or look closer with tm.debug_nans()"
    ) from None
