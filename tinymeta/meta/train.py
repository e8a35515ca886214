"""The one training loop: any Method, any sampler; progress, evaluation, checkpoints, a curve.

theta <- update(grad of the method on a batch of tasks, theta)
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..core import tree
from ..core.checks import one_of, whole
from ..core.nans import debug_nans
from ..core.system import peak_memory
from ..core.tensor import asarray, tensor
from ..jit import jit
from ..nn.optim import Optimizer, adam
from ..progress import progress
from .checkpoint import Best, Checkpoint, Progress, Row, finite
from .method import Method
from .place import place


class Run(NamedTuple):
    params: object  # after the last update
    curve: list[Row]
    best: Best | None  # where the score was best, if there was one
    finished: bool  # False after Ctrl-C


def train(
    method: Method,
    sample: Callable,
    *,
    iterations: int,
    rng=None,
    optimizer: Optimizer = adam(1e-3),
    params=None,
    evaluate: Callable | None = None,
    better: str = "larger",
    rows: int = 20,
    name: str = "train",
    save: Callable | None = None,
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
    begun: Callable | None = None,
    numbered: bool = False,
    compiled: bool = True,
) -> Run:
    """Meta-train for `iterations` updates.

    sample() -> what `method.meta_grad` takes, a fresh batch each time; numbered: it is called as
    sample(k) for update k, from 0 on, and may change as training proceeds;
    rng draws the initial parameters if none are given;
    evaluate(params) -> a Score, called `rows` times; better: "larger" or "smaller" ones;
    save(params, curve), called as often, keeps what there is;
    checkpoint: where all is kept every few minutes, and with `resume` gone on from: the run is
    then, bit for bit, the one that was not interrupted, here or, with more iterations, beyond its
    end; on another machine or number of cores it says that the bits may be others;
    begun() is called once, after the first update and before anything is written: the place to
    move away what an earlier run left, since by now all arguments are known to fit;
    compiled: the whole update, gradient and optimizer, is traced once and replayed; so
    `method.meta_grad` has to be what its name says, a function of its arguments alone.

    All randomness is the caller's generators': the same seeds give the same run. Ctrl-C ends it
    early, with what was reached, and so does a signal whose handler raises KeyboardInterrupt(name).
    Raises ValueError if iterations is no whole number from 1 on, or below what a checkpoint has
    reached, or if there are neither params nor rng; FloatingPointError when the first batch holds a
    NaN or an infinity, and when a loss or a parameter is no longer a number: it names the
    operation, and the last good state is kept.
    """
    whole("train", iterations=iterations)
    one_of("train", ("larger", "smaller"), better=better)
    if resume and not checkpoint:
        raise ValueError("train: to resume, give the checkpoint that the run was kept in")
    draws = checkpoint.draws if checkpoint else dict
    params = tree.map(tensor, drawn(method, rng) if params is None else params)
    at = Progress(params, optimizer.init(params), None, 0, 0.0, (), {}, 0.0, 0, draws())
    if resume:
        at = checkpoint.read(at.params, at.state)
        if at.iteration > iterations:
            raise ValueError(
                f"train: {checkpoint.path} has {at.iteration} updates behind it, and "
                f"iterations={iterations}: give as many or more"
            )
    first = at.iteration
    marks = {iterations * (k + 1) // rows for k in range(rows)} | {iterations}
    start = time.perf_counter() - at.seconds

    def by_hand(params, state, batch):
        metrics, grads = method.meta_grad(params, batch)
        return metrics, *optimizer.update(grads, state, params)

    update = jit(by_hand) if compiled else by_hand

    def advance(at: Progress, batch) -> Progress:
        begun = time.perf_counter()
        metrics, params, state = update(at.params, at.state, batch)
        metrics = {key: float(metrics[key]) for key in sorted(metrics, key=lambda k: k != "loss")}
        now = time.perf_counter()
        bar.step(**metrics)
        return at._replace(
            params=params,
            state=state,
            iteration=at.iteration + 1,
            seconds=now - start,
            sums={key: at.sums.get(key, 0.0) + value for key, value in metrics.items()},
            busy=at.busy + now - begun,
            count=at.count + 1,
            draws=draws(),
        )

    def with_row(at: Progress, score) -> Progress:
        means = {key: total / at.count for key, total in at.sums.items()}
        row = Row(at.iteration, at.seconds, means, score, 1e3 * at.busy / at.count, peak_memory())
        best = at.best
        sign = 1 if better == "larger" else -1
        if score is not None and (best is None or sign * (score.mean - best.score.mean) > 0):
            best = Best(at.params, at.iteration, score)
        at = at._replace(
            curve=(*at.curve, row), best=best, sums={}, busy=0.0, count=0, draws=draws()
        )
        if save:
            save(at.params, list(at.curve))
        bar.note(**means, **({} if score is None else {"score": score}), ms=row.pace, MB=row.memory)
        return at

    def keep(at: Progress) -> None:
        if at.iteration > first:  # else nothing was added to what is kept
            checkpoint.path.parent.mkdir(parents=True, exist_ok=True)  # removed meanwhile?
            checkpoint.write(at)

    with progress(iterations, name, at.iteration) as bar:
        if resume and checkpoint.made_on != place():
            bar.note(
                resumed=f"on {place()}, begun on {checkpoint.made_on}: the bits may differ "
                "from those of a run in one place"
            )
        good, batch = at, None  # the progress before, and what led here
        try:
            while at.iteration < iterations:
                new_batch = sample(at.iteration) if numbered else sample()
                if batch is None:
                    look_at(new_batch)
                new = advance(at, new_batch)
                row = new.iteration in marks
                due = checkpoint and (checkpoint.due() or new.iteration == iterations)
                if (
                    not abs(new.sums["loss"]) < float("inf")
                    or (row or due)
                    and not finite(new.params, new.state)
                ):
                    diverged(by_hand, checkpoint, keep, [(good, batch), (at, new_batch)], new)
                if begun and new.iteration == first + 1:
                    begun()
                if row:
                    new = with_row(new, evaluate(new.params) if evaluate else None)
                good, batch, at = at, new_batch, new
                if due:
                    keep(at)
        except KeyboardInterrupt as stop:
            if checkpoint:
                keep(at)
            if at.count:
                at = with_row(at, None)
            bar.note(
                stopped=f"by {stop.args[0] if stop.args else 'Ctrl-C'}"
                + "; what was learned so far is kept" * (at.iteration > 0)
            )
    return Run(at.params, list(at.curve), at.best, at.iteration == iterations)


def drawn(method: Method, rng):
    """The initial parameters; raises ValueError where `rng` is no generator and one is needed."""
    try:
        return method.init(rng)
    except (AttributeError, TypeError):
        if isinstance(rng, np.random.Generator):
            raise
        raise ValueError(
            f"train: rng={rng!r} cannot draw the initial parameters: give a generator "
            "as np.random.default_rng(0), or params"
        ) from None


def look_at(batch) -> None:
    """Raise FloatingPointError, naming the part, if a number of the batch is none, or infinite."""
    for path, leaf in zip(tree.paths(batch), tree.leaves(batch)):
        if not finite(asarray(leaf)):
            raise FloatingPointError(
                f"train: the first batch holds a NaN or an infinity in {path}: "
                "look at what `sample` returns"
            )


def diverged(
    update: Callable, checkpoint: Checkpoint | None, keep: Callable, before: list, now: Progress
):
    """Raise FloatingPointError: what happened, where, and what is left.

    keep(progress) writes the checkpoint; before: the last two (progress, batch): the update of the
    first may have spoilt the parameters that the second began with.
    """
    (good, batch), (last, last_batch) = before
    if finite(last.params, last.state) or batch is None:
        good, batch = last, last_batch
    reason = "no operation made a NaN: some number grew too large for its type"
    try:
        with debug_nans():
            update(good.params, good.state, batch)
    except FloatingPointError as error:
        reason = str(error)
    kept = ""
    if checkpoint and good.iteration:
        keep(good)
        kept = f" (the last good state, after {good.iteration} updates, is in {checkpoint.path})"
    what = (
        "the loss became {}".format(now.sums["loss"])
        if not abs(now.sums["loss"]) < float("inf")
        else "a parameter is no longer a number"
    )
    raise FloatingPointError(
        f"train: {what} at iteration {now.iteration}{kept}: {reason}; lower "
        "the learning rates, or look closer with tm.debug_nans()"
    ) from None
