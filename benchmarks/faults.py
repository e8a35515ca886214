"""Faults, injected at random: each must end in the right result, or in one sentence.

    python -m benchmarks.faults                     # all kinds, which takes long
    python -m benchmarks.faults --scale 0.02        # few faults of each kind
    python -m benchmarks.faults --only killed "full disk" --seed 3

Ctrl-C ends a kind; its row is printed, and the next kind begins.

Prints one table: of each kind, how many faults were injected, how many ended well, and what went
wrong with the others; the exit status is 1 if anything did. Nothing is timed. A result is right if
it has the bits that were computed without a fault. The kinds are in `fault_kinds.py`, those of
whole runs of the examples in `interrupted.py` and `full_disk.py`. pytest must be installed.
"""

import argparse
import io
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import NamedTuple

from .fault_kinds import (
    Unavailable,
    bad_calls,
    calls_in_threads,
    damaged_archives,
    damaged_kernels,
    damaged_omniglot,
    tampered_checkpoints,
)
from .full_disk import full_disks
from .interrupted import killed_runs, second_runs

SHOWN = 5  # different errors of a kind, at most


# ---- the table -----------------------------------------------------------------------------------


class _FaultKind(NamedTuple):
    """inject(count, rng, folder) yields for each fault "", or what went wrong; amount: how many,
    or how many seconds, at a scale of 1."""

    inject: Callable[[int, random.Random, Path], Iterator[str]]
    amount: int


KINDS = {
    "killed": _FaultKind(killed_runs, 1000),  # kills, 200 of each example
    "kernels": _FaultKind(damaged_kernels, 200),  # bits
    "archives": _FaultKind(damaged_archives, 500),
    "Omniglot's archives": _FaultKind(damaged_omniglot, 100),
    "checkpoints": _FaultKind(tampered_checkpoints, 300),
    "full disk": _FaultKind(full_disks, 1000),  # writes; there are fewer
    "two runs": _FaultKind(second_runs, 50),
    "threads": _FaultKind(calls_in_threads, 300),  # seconds
    "bad calls": _FaultKind(bad_calls, 200_000),
}


def _inject(kind: _FaultKind, scale: float, seed: int) -> tuple[Counter, str]:
    """How often the faults of a kind ended with each error, "" for those that ended well, and why
    there are none, if they are not available here.

    What the runs write to stderr is dropped.
    """
    ended: Counter[str] = Counter()
    count = max(1, round(kind.amount * scale))
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()):
        try:
            for error in kind.inject(count, random.Random(seed), Path(folder)):
                ended[error] += 1
        except Unavailable as reason:
            return ended, f"not here: {reason}"
        except KeyboardInterrupt:  # hours may have passed: what is known is told
            return ended, "nothing, until it was interrupted"
        except Exception as error:
            ended[f"the row broke off, {type(error).__name__}: {error}"] += 1
    return ended, ""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status, 1 if anything went wrong."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "--only",
        nargs="+",
        choices=KINDS,
        default=[*KINDS],
        metavar="KIND",
        help=f"some of {', '.join(KINDS)} (all)",
    )
    p.add_argument("--scale", type=float, default=1.0, help="how many, or how long, of each (1)")
    p.add_argument("--seed", type=int, default=0, help="of what is drawn, but for moments (0)")
    options = p.parse_args(arguments)
    print(f"{'faults':20} {'injected':>8} {'ended well':>10}  what went wrong", flush=True)
    failed = False
    for name in options.only:
        ended, reason = _inject(KINDS[name], options.scale, options.seed)
        errors = [f"{times} x {error[:500]}" for error, times in ended.most_common() if error]
        failed |= bool(errors)
        text = f"\n{'':41}".join(errors[:SHOWN]) or reason or "nothing"
        print(f"{name:20} {ended.total():8} {ended['']:10}  {text}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
