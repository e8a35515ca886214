"""What the tests of MPI start under mpiexec: a training of a page, and ways for it to end.

    mpiexec -n 2 python program.py OUT [--threads 1] [--iterations 20] [--conv4] [--resume]
        [--fail WAY]        on the last rank, before update 5

The last line of rank 0 is "bits: ..", a hash of the parameters, and how many updates there were.
"""

import argparse
import hashlib
import os
import signal
import time
from pathlib import Path

import numpy as np

import tinymeta as tm

p = argparse.ArgumentParser()
p.add_argument("out", type=Path)
p.add_argument("--threads", type=int, default=1)
p.add_argument("--iterations", type=int, default=20)
p.add_argument("--tasks", type=int, default=64)
p.add_argument("--every", type=float, default=1e9)
p.add_argument("--pause", type=float, default=0)
p.add_argument("--conv4", action="store_true")
p.add_argument("--numbered", action="store_true")
p.add_argument("--resume", action="store_true")
p.add_argument("--alone", action="store_true")
p.add_argument("--fail", default="")
args = p.parse_args()


def images(rng):
    x = rng.random((2, args.tasks, 5, 14, 14, 1), dtype=np.float32)
    y = np.tile(np.arange(5), (args.tasks, 1))
    return tm.Tasks(tm.Batch(x[0], y), tm.Batch(x[1], y))


def fail(rank):
    """End in the way that is asked for."""
    if args.fail == "raise":
        raise ValueError("a mistake of this rank alone")
    if args.fail == "exit":
        raise SystemExit("this rank had enough")
    if args.fail in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"):
        os.kill(os.getpid(), getattr(signal, args.fail))


def train(world):
    rng = np.random.default_rng(1)
    waves = tm.data.Sinusoids()
    rank, last = (world.rank, world.size - 1) if world else (0, 0)
    count = 0

    def sample():
        nonlocal count
        count += 1
        time.sleep(args.pause)
        drawn = waves.sample(rng, tasks=args.tasks) if not args.conv4 else images(rng)
        if count == 5 and rank == last:
            fail(rank)
            if args.fail == "nan":
                drawn.support.x[-1] = np.nan
        if args.fail == "data" and rank == last:
            drawn.support.x[0] += 1
        return drawn

    if args.conv4:
        method = tm.meta.maml(tm.nn.conv4(5, filters=8), lr=0.4)
    else:
        method = tm.meta.maml(tm.nn.mlp(1, 40, 40, 1), tm.losses.mse, lr=0.01)
    out = args.out
    if args.fail == "folder" and rank == last:
        out = out / "elsewhere"
    checkpoint = tm.meta.Checkpoint(
        out / "training.npz", {"tasks": args.tasks}, {"train": rng}, args.every
    )
    run = tm.meta.train(
        method,
        sample,
        iterations=args.iterations,
        rng=np.random.default_rng(0 if args.fail != "parameters" else rank),
        rows=4,
        checkpoint=checkpoint,
        resume=args.resume,
    )
    arrays = [np.ascontiguousarray(np.asarray(leaf)) for leaf in tm.tree.leaves(run.params)]
    found = hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]
    if rank == 0:
        print(f"bits: {found} after {run.curve[-1].iteration}", flush=True)


if args.alone:
    train(None)
else:
    with tm.ranks.mpi(threads=args.threads) as world:
        train(world)
