"""Training on several ranks: what it gains, what the sum of their gradients costs, where it stops.

    mpiexec -n 2 python -m mpi4py -m benchmarks.ranks   # conv4: all that follows
    mpiexec -n 2 python -m mpi4py -m benchmarks.ranks sinusoid --rounds 30
    python -m benchmarks.ranks --start-up               # seconds until a job trains
    python -m benchmarks.ranks --kills 20               # kill -9, relaunched: the bits

The first prints, measured: the sum of a flat gradient beside MPI's own Allreduce, whose order is
not fixed; updates, Adam included, of one process with one and two threads and of the ranks with one
thread each, on the same tasks (strong scaling) and on as many for each rank (weak), all in turn in
one job. Then, modelled (ranks_model.py): these updates, beside what was measured; and those of 8,
64 and 1024 ranks on three networks. While rank 0 runs alone the others sleep, as MPI waits busily.

A work's results are checked first: all contenders must agree to the bit.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import tinymeta as tm
from tinymeta.ranks import sums
from tinymeta.system.world import World, using

from . import ranks_killed, ranks_model, timing, work

SIZES = (1_762, 112_263, 1_058_030, 10_054_806)  # float32: sinusoid, conv4, 1 and 10 million
TASKS = {"conv4": 24, "sinusoid": 32, "dense": 16}
WORKS = {"conv4": work.conv4, "sinusoid": work.sinusoid, "dense": work.dense}


class _Job:
    """The ranks of this job; `alone(work)` is run by rank 0 while the others sleep."""

    def __init__(self, world: Any):
        from mpi4py import MPI

        self.world, self.MPI, self.communicator = world, MPI, MPI.COMM_WORLD

    def wait(self) -> None:
        """Until all ranks are here, asleep."""
        request = self.communicator.Ibarrier()
        while not request.Test():
            time.sleep(0.002)

    def alone(self, run: Callable[[], Any]) -> Any:
        """The result of run() on rank 0; None on the others."""
        result = run() if self.world.first else None
        self.wait()
        return result

    def print(self, text: str) -> None:
        if self.world.first:
            print(text, flush=True)


def _collective(job: _Job, repeats: int) -> dict[float, float]:
    """The best seconds of a sum by its bytes; prints them beside MPI's own."""
    best = {}
    job.print(f"{'measured: sum of':>18} {'tree':>22} {'MPI Allreduce':>22}   ratio of medians")
    for n in SIZES:
        rows = np.random.default_rng(job.world.rank).random((1, n), dtype=np.float32)
        present = [True] * 2 ** (job.world.size - 1).bit_length()
        if job.world.size & (job.world.size - 1):
            first, end = job.world.share(len(present))
            rows = np.repeat(rows, end - first, 0)
        out = np.empty(n, np.float32)
        contenders = {
            "tree": lambda: sums.total(job.world.messages, rows, present),
            "MPI": lambda: job.communicator.Allreduce(rows[0], out),
        }
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(max(5, min(repeats, int(repeats * 2e5 / n)))):
            for name, run in contenders.items():
                job.communicator.Barrier()
                seconds = timing.seconds(run)
                times[name].append(job.communicator.allreduce(seconds, job.MPI.MAX))
        shown = [f"{1e3 * np.median(t):8.3f}, best {1e3 * min(t):.3f} ms" for t in times.values()]
        ratio = np.median(times["tree"]) / np.median(times["MPI"])
        job.print(f"{4 * n / 1e6:15.3f} MB {shown[0]:>22} {shown[1]:>22}   {ratio:.2f}")
        best[4.0 * n] = min(times["tree"])
    return best


def _update(world: World, what: str, tasks: int) -> Callable[[], Any]:
    """A function that runs the next update of a training, compiled in this world."""
    job = WORKS[what](tasks=tasks)
    optimizer = tm.optim.adam(1e-3)
    params = tm.tree.map(tm.tensor, job.params)
    state = optimizer.init(params)

    def meta_grad(params: Any, data: Any) -> tuple[dict, Any]:
        return {}, job.run(params, data)

    with using(world):
        update = world.sharded(meta_grad, optimizer, params, state, job.data)
        if update:
            state = update.own(state)
        else:
            update = tm.jit(lambda p, s, data: ({}, *optimizer.update(job.run(p, data), s, p)))

    def run() -> Any:
        nonlocal params, state
        with using(world):
            _, params, state = update(params, state, job.data)
        return params

    return run


def _threads(count: int) -> World:
    """A process alone with so many threads."""
    world = World()
    world.threads = count
    return world


def _scaling(job: _Job, what: str, tasks: int, rounds: int, calls: int) -> dict[str, float]:
    """The median seconds of an update of each contender, in turn; prints them."""
    size, world = job.world.size, job.world
    own = {  # by rank 0
        "one process, 1 thread": _update(_threads(1), what, tasks),
        f"one process, {size} threads": _update(_threads(size), what, tasks),
    }
    shared = {
        f"{size} ranks": _update(world, what, tasks),
        f"{size} ranks, {size} times the tasks": _update(world, what, size * tasks),
    }
    expected = job.alone(own["one process, 1 thread"])
    found = shared[f"{size} ranks"]()
    shared[f"{size} ranks, {size} times the tasks"]()
    job.alone(own[f"one process, {size} threads"])
    if world.first:
        for a, b in zip(tm.tree.leaves(expected), tm.tree.leaves(found)):
            if not np.array_equal(np.asarray(a), np.asarray(b)):
                raise SystemExit(f"error: {what}: the ranks' update has other bits: no times")
    times: dict[str, list[float]] = {name: [] for name in (*own, *shared)}
    for _ in range(rounds):
        for name, run in own.items():
            job.alone(lambda: times[name].extend(timing.seconds(run) for _ in range(calls)))
        for name, run in shared.items():
            job.communicator.Barrier()
            times[name] += [timing.seconds(run) for _ in range(calls)]
            job.wait()
    if not world.first:
        return {}
    medians = {name: float(np.median(t)) for name, t in times.items()}
    alone = medians["one process, 1 thread"]
    print(f"measured: {what}, {tasks} tasks, an update of one thread takes {1e3 * alone:.3g} ms")
    for name, seconds in medians.items():
        best = 1e3 * min(times[name])
        print(
            f"  {name:32} median {1e3 * seconds:8.3f} ms, best {best:8.3f}, "
            f"{alone / seconds:.2f} times one thread's pace"
        )
    return medians


def _optimizer_seconds(params: Any) -> float:
    """The median time of Adam's update of all parameters, by one thread."""
    optimizer = tm.optim.adam(1e-3)
    params = tm.tree.map(tm.tensor, params)
    state = optimizer.init(params)
    with using(_threads(1)):
        update = tm.jit(optimizer.update)
        update(params, state, params)
        return float(
            np.median([timing.seconds(lambda: update(params, state, params)) for _ in range(9)])
        )


def _modelled(what: str, tasks: int, size: int, medians: dict, sums_by_bytes: dict) -> str:
    """What the model says of the points that were measured, and of more ranks."""
    job = WORKS[what](tasks=tasks)
    gradient = float(sum(np.asarray(x).nbytes for x in tm.tree.leaves(job.params)))
    optimizer = _optimizer_seconds(job.params)
    alone = medians["one process, 1 thread"]
    here = ranks_model.Job(what, (alone - optimizer) / tasks, optimizer, gradient)
    link = ranks_model.fitted(sums_by_bytes, size)
    lines = [
        f"modelled here, a message {1e6 * link.latency:.2g} us, {link.bandwidth / 1e9:.2g} GB/s:"
    ]
    for name, each in (
        (f"{size} ranks", tasks / size),
        (f"{size} ranks, {size} times the tasks", tasks),
    ):
        seconds = ranks_model.update_seconds(here, each, size, link)
        measured = medians[name]
        lines.append(f"  {name:32} {1e3 * seconds:8.3f} ms; measured {1e3 * measured:8.3f}")
    return "\n".join([*lines, ranks_model.table(here)])


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("work", nargs="?", choices=WORKS, default="conv4")
    p.add_argument("--tasks", type=int, help="of an update; by default of the work")
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--calls", type=int, default=3, help="of each contender in a round")
    p.add_argument("--repeats", type=int, default=200, help="of a small sum")
    p.add_argument("--start-up", action="store_true", help="beside one process; without mpiexec")
    p.add_argument("--kills", type=int, help="of ranks at random moments; without mpiexec")
    p.add_argument("--seed", type=int, default=0, help="of these moments")
    return p


def main() -> None:
    args = _parser().parse_args()
    if args.kills is not None:
        raise SystemExit(ranks_killed.kills(args.kills, args.seed))
    if args.start_up:
        ranks_killed.start_up(args.rounds)
        return
    with tm.ranks.mpi(threads=1) as world:
        if world.size == 1:
            raise SystemExit(
                "error: start it with mpiexec -n 2 python -m mpi4py -m benchmarks.ranks"
            )
        job = _Job(world)
        tasks = args.tasks or TASKS[args.work]
        job.print(f"{timing.machine()}")
        sums_by_bytes = _collective(job, args.repeats)
        medians = _scaling(job, args.work, tasks, args.rounds, args.calls)
        if world.first:
            print(_modelled(args.work, tasks, world.size, medians, sums_by_bytes))


if __name__ == "__main__":
    main()
