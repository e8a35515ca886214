"""The one training loop: any Method, any sampler; progress, evaluation, checkpoints, a curve.

    theta <- update(grad of the method on a batch of tasks, theta)
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from ..core import tree
from ..core.primitive import debug_nans
from ..core.system import peak_memory
from ..core.tensor import asarray, tensor
from ..jit import jit
from ..nn.optim import Optimizer, adam
from ..progress import progress
from .checkpoint import Best, Checkpoint, Progress, Row, finite
from .method import Method


class Run(NamedTuple):
    params: object          # after the last update
    curve: list[Row]
    best: Best | None       # where the score was best, if there was one
    finished: bool          # False after Ctrl-C


def train(method: Method, sample: Callable, *, iterations: int, rng=None,
          optimizer: Optimizer = adam(1e-3), params=None, evaluate: Callable | None = None,
          better: str = "larger", rows: int = 20, name: str = "train", save: Callable | None = None,
          checkpoint: Checkpoint | None = None, resume: bool = False,
          numbered: bool = False, compiled: bool = True) -> Run:
    """Meta-train for `iterations` updates.

    sample() -> what `method.meta_grad` takes, a fresh batch each time; numbered: it is called as
    sample(k) for update k, from 0 on, and may change as training proceeds;
    rng draws the initial parameters if none are given;
    evaluate(params) -> a Score, called `rows` times; better: "larger" or "smaller" ones;
    save(params, curve), called as often, keeps what there is;
    checkpoint: where all is kept every few minutes, and with `resume` gone on from: the run is
    then, bit for bit, the one that was not interrupted;
    compiled: the whole update, gradient and optimizer, is traced once and replayed; so
    `method.meta_grad` has to be what its name says, a function of its arguments alone.

    All randomness is the caller's generators': the same seeds give the same run. Ctrl-C ends it
    early, with what was reached. Raises ValueError if iterations < 1, FloatingPointError when the
    first batch holds a NaN or an infinity, and when a loss or a parameter is no longer a number: it
    names the operation, and the last good state is kept.
    """
    if iterations < 1:
        raise ValueError(f"train: iterations must be at least 1, got {iterations}")
    if better not in ("larger", "smaller"):
        raise ValueError(f"train: better {better!r} is not 'larger' or 'smaller'")
    if resume and not checkpoint:
        raise ValueError("train: to resume, give the checkpoint that the run was kept in")
    draws = checkpoint.draws if checkpoint else dict
    params = tree.map(tensor, method.init(rng) if params is None else params)
    at = Progress(params, optimizer.init(params), None, 0, 0.0, (), {}, 0.0, 0, draws())
    if resume:
        at = checkpoint.read(at.params, at.state)
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
            params=params, state=state, iteration=at.iteration + 1, seconds=now - start,
            sums={key: at.sums.get(key, 0.0) + value for key, value in metrics.items()},
            busy=at.busy + now - begun, count=at.count + 1, draws=draws())

    def with_row(at: Progress, score) -> Progress:
        means = {key: total / at.count for key, total in at.sums.items()}
        row = Row(at.iteration, at.seconds, means, score,
                  1e3 * at.busy / at.count, peak_memory())
        best = at.best
        sign = 1 if better == "larger" else -1
        if score is not None and (best is None or sign * (score.mean - best.score.mean) > 0):
            best = Best(at.params, at.iteration, score)
        at = at._replace(curve=(*at.curve, row), best=best, sums={}, busy=0.0, count=0,
                         draws=draws())
        if save:
            save(at.params, list(at.curve))
        bar.note(**means, **({} if score is None else {"score": score}),
                 ms=row.pace, MB=row.memory)
        return at

    with progress(iterations, name, at.iteration) as bar:
        good, batch = at, None                              # the progress before, and what led here
        try:
            while at.iteration < iterations:
                new_batch = sample(at.iteration) if numbered else sample()
                if batch is None:
                    look_at(new_batch)
                new = advance(at, new_batch)
                row = new.iteration in marks
                due = checkpoint and (checkpoint.due() or new.iteration == iterations)
                if not abs(new.sums["loss"]) < float("inf") \
                        or (row or due) and not finite(new.params, new.state):
                    diverged(by_hand, checkpoint, [(good, batch), (at, new_batch)], new)
                if row:
                    new = with_row(new, evaluate(new.params) if evaluate else None)
                good, batch, at = at, new_batch, new
                if due:
                    checkpoint.write(at)
        except KeyboardInterrupt:
            if checkpoint:
                checkpoint.write(at)
            if at.count:
                at = with_row(at, None)
            bar.note(stopped="by Ctrl-C; what was learned so far is kept")
    return Run(at.params, list(at.curve), at.best, at.iteration == iterations)


def look_at(batch) -> None:
    """Raise FloatingPointError, naming the part, if a number of the batch is none, or infinite."""
    for path, leaf in zip(tree.paths(batch), tree.leaves(batch)):
        if not finite(asarray(leaf)):
            raise FloatingPointError(f"train: the first batch holds a NaN or an infinity in {path}: "
                                     "look at what `sample` returns")


def diverged(update: Callable, checkpoint: Checkpoint | None, before: list, now: Progress):
    """Raise FloatingPointError: what happened, where, and what is left.

    before: the last two (progress, batch): the update of the first may have spoilt the parameters
    that the second began with.
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
    if checkpoint:
        checkpoint.write(good)
        kept = f" (the last good state, after {good.iteration} updates, is in {checkpoint.path})"
    what = "the loss became {}".format(now.sums["loss"]) \
        if not abs(now.sums["loss"]) < float("inf") else "a parameter is no longer a number"
    raise FloatingPointError(f"train: {what} at iteration {now.iteration}{kept}: {reason}; lower "
                             "the learning rates, or look closer with tm.debug_nans()") from None
