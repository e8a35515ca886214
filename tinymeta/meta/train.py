"""The one training loop: any Method, any sampler; progress, evaluation, checkpoints, a curve.

    theta <- update(grad of the method on a batch of tasks, theta)

A training after k updates is a Progress (training_state.py), which is immutable: each update makes
a new one.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core import tree
from ..core.checks import check_one_of, check_whole
from ..core.tensor import tensor
from ..jit import jit
from ..nn.optim import Optimizer, adam
from ..progress import progress
from ..system.resources import peak_memory
from ..system.world import current
from .checkpoint import Checkpoint, finite
from .divergence import check_batch, is_finite, raise_diverged
from .environment import environment
from .evaluation import Score
from .method import Method
from .together import Batches, is_due, note_execution
from .training_state import Best, Progress, Row, beginning, with_row


class Run(NamedTuple):
    """The result of a training."""

    params: Any  # after the last update
    curve: list[Row]
    best: Best | None  # where the score was best, if there was one
    finished: bool  # False after Ctrl-C


def train(
    method: Method,
    sample: Callable,
    *,
    iterations: int,
    rng: np.random.Generator | None = None,
    optimizer: Optimizer = adam(1e-3),
    params: Any = None,
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
    measure: str = "score",
) -> Run:
    """Meta-train for `iterations` updates.

    sample() -> what `method.meta_grad` takes, a fresh batch each time; numbered: it is called as
    sample(k) for update k, from 0 on, and may change as training proceeds. Or a source of numbered
    tasks as tm.data.Numbered, which has `tasks` and `sample(k, lo, hi)`;
    rng draws the initial parameters if none are given;
    evaluate(params) -> a Score, called `rows` times; better: "larger" or "smaller" ones; measure:
    what it is called where progress is told;
    save(params, curve) is called as often;
    checkpoint: written every few minutes; with `resume` the training continues from it and is then,
    bit for bit, the one that was not interrupted, also beyond its end, with more iterations. On
    another machine the bits may differ, and a note says so; on another number of cores only those
    of an update that is not split over tasks, which its first line says. In the `with` of
    tm.ranks.mpi all ranks train together, and the first alone calls `save` and `begun` and writes;
    begun() is called once, after the first update and before anything is written: the time to move
    an earlier run's files away, since by now all arguments are known to fit;
    compiled: the whole update, gradient and optimizer, is traced once and replayed; so
    `method.meta_grad` has to be what its name says, a function of its arguments alone.

    All randomness is the caller's generators': the same seeds give the same run. Ctrl-C, or a
    signal whose handler raises KeyboardInterrupt(name), ends it early, with the updates made.
    Raises ValueError if iterations is no whole number from 1 on, or below what a checkpoint has
    reached, or if there are neither params nor rng; FloatingPointError when the first batch holds a
    NaN or an infinity, and when a loss or a parameter is no longer a number: it names the
    operation, and the last good state is kept.
    """
    check_whole("train", iterations=iterations)
    check_one_of("train", ("larger", "smaller"), better=better)
    if resume and checkpoint is None:
        raise ValueError("train: to resume, give the checkpoint that the run was kept in")
    generator_states: Callable = checkpoint.generator_states if checkpoint else dict
    if params is None:
        params = _initial_params(method, rng)
    params = tree.map(tensor, params)
    world = current()
    world.check_same(initial_parameters=params)
    if checkpoint:
        world.check_same(configuration=checkpoint.config)
        world.check_folder(checkpoint.path.parent)
    now = beginning(params, optimizer.init(params), generator_states())
    if resume and checkpoint:
        now = checkpoint.read(now.params, now.state)
        if now.iteration > iterations:
            raise ValueError(
                f"train: {checkpoint.path} has {now.iteration} updates behind it, and "
                f"iterations={iterations}: give as many or more"
            )
    first = now.iteration
    row_iterations = {iterations * (k + 1) // rows for k in range(rows)} | {iterations}
    start = time.perf_counter() - now.seconds

    def meta_update(params, state, batch):
        metrics, grads = method.meta_grad(params, batch)
        return metrics, *optimizer.update(grads, state, params)

    update: Any = jit(meta_update) if compiled else meta_update
    batches = Batches(sample, numbered)
    parts: Any = None  # the update, where each process does a part of it

    def advance(now: Progress, batch: Any) -> Progress:
        """One update."""
        update_start = time.perf_counter()
        metrics, params, state = update(now.params, now.state, batch)
        loss_first = sorted(metrics, key=lambda key: key != "loss")
        metrics = {key: float(metrics[key]) for key in loss_first}
        end = time.perf_counter()
        bar.step(**metrics)
        return now._replace(
            params=params,
            state=state,
            iteration=now.iteration + 1,
            seconds=end - start,
            sums={key: now.sums.get(key, 0.0) + value for key, value in metrics.items()},
            busy=now.busy + end - update_start,
            count=now.count + 1,
            generator_states=generator_states(),
        )

    def reported(now: Progress, score: Score | None) -> Progress:
        """With a row more in its curve, which is saved and shown."""
        now = with_row(now, score, better, memory=world.sum_of(peak_memory()))
        now = now._replace(generator_states=generator_states())  # the evaluation may have drawn
        if save and world.first:
            save(now.params, list(now.curve))
        row = now.curve[-1]
        scored = {} if score is None else {measure: score}
        bar.note(**row.metrics, **scored, ms=row.pace, MB=row.memory)
        return now

    def share(now: Progress, batch: Any) -> Progress:
        """Its state becomes this process's part of it, if an update can be done in parts."""
        nonlocal update, parts
        found = compiled and world.sharded(method.meta_grad, optimizer, *now[:2], batch)
        if isinstance(found, str):
            bar.note(update=f"every rank updates all parameters, as {found}")
        elif found:
            update = parts = found
            now = now._replace(state=parts.own(now.state))
        return now

    def whole(now: Progress) -> Progress:
        """With the whole state of the optimizer."""
        return now._replace(state=parts.whole(now.state)) if parts else now

    def note_sharing(now: Progress, batch: Any) -> None:
        """Say what every process does, after the first update; from then on each draws its own."""
        note_execution(update, world, bar)
        if world.size > 1:
            leaves_before = len(tree.leaves(now.params if parts else now[:2]))
            if reason := batches.draw_own_from_now_on(update, leaves_before, batch):
                bar.note(batches=reason)

    def write_checkpoint(now: Progress) -> None:
        """To the file, unless it would hold nothing new."""
        if checkpoint and world.first and now.iteration > first:
            checkpoint.path.parent.mkdir(parents=True, exist_ok=True)  # removed meanwhile?
            checkpoint.write(now)

    with progress(iterations, name, now.iteration, world.first) as bar:
        if resume and checkpoint and checkpoint.made_on != environment():
            bar.note(
                resumed=f"on {environment()}, begun on {checkpoint.made_on}: the bits may differ "
                "from those of a run in one place"
            )
        before, batch = now, None  # the progress before the last update, and the batch of that
        try:
            while now.iteration < iterations:
                world.check_stop()
                next_batch = batches.draw(now.iteration)
                if batch is None:
                    check_batch(next_batch)
                    world.check_same(first_batch=next_batch)
                    before = now = share(now, next_batch)
                new = advance(now, next_batch)
                if batch is None:
                    note_sharing(now, next_batch)
                is_row = new.iteration in row_iterations
                is_last = new.iteration == iterations
                is_to_write = checkpoint is not None and (is_last or is_due(checkpoint, world))
                # Of the loss always, of the parameters before they are evaluated or written:
                # to look at them all takes time.
                diverged = not is_finite(new.sums["loss"])
                if is_row or is_to_write:
                    diverged = diverged or not finite(new.params, new.state)
                    diverged = bool(world.largest(diverged))  # each may have a part of the state
                    world.check_same(parameters=new.params)
                if diverged:
                    last = whole(before), batches.whole(before.iteration, batch)
                    updates = [last, (whole(now), batches.whole(now.iteration, next_batch))]
                    raise_diverged(meta_update, checkpoint, write_checkpoint, updates, new)
                if begun and world.first and new.iteration == first + 1:
                    begun()
                if is_row:
                    new = reported(new, evaluate(new.params) if evaluate else None)
                before, batch, now = now, next_batch, new
                if is_to_write:
                    write_checkpoint(whole(now))
        except KeyboardInterrupt as stop:
            write_checkpoint(whole(now))
            if now.count:
                now = reported(now, None)
            signal = stop.args[0] if stop.args else "Ctrl-C"
            learned = "; what was learned so far is kept" if now.iteration > 0 else ""
            bar.note(stopped=f"by {signal}{learned}")
    return Run(now.params, list(now.curve), now.best, now.iteration == iterations)


def _initial_params(method: Method, rng: Any) -> Any:
    """method.init(rng); ValueError where that needs a generator and `rng` is none."""
    try:
        return method.init(rng)
    except (AttributeError, TypeError):
        if isinstance(rng, np.random.Generator):
            raise
        raise ValueError(
            f"train: rng={rng!r} cannot draw the initial parameters: give a generator "
            "as np.random.default_rng(0), or params"
        ) from None
