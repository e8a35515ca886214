"""`python -m benchmarks.gpu --first`: what to ask a GPU that this code has not met, in 8 minutes.

In the order in which an answer is worth most, for the time that a GPU is at hand may end: what is
installed; whether launches give the right numbers; then what an emulator can only assume of a
driver (gpu_questions.py); other libraries' arrays; the conv4 step, its numbers and its time; the
parity suite; the benchmark; where conv4's time goes. Each part has a process and a time limit of
its own, and one that fails says so and the next one begins. results/gpu_first.json is written after
each result.

    python -m benchmarks.gpu --first                    # all of it
    python -m benchmarks.gpu --first uploads threads    # these parts
    python -m benchmarks.gpu --first --rehearse         # small, on the CPU: figures mean nothing
"""

import argparse
import functools
import time

from . import gpu_conv4, gpu_questions
from .gpu_parts import kernels, parity, products, steps
from .gpu_report import Part, Results, in_a_process, run_part

LIMIT = 480.0  # seconds, of all parts together
PARTS: dict[str, tuple[Part, float]] = {  # in their order: what is run, and its own limit
    "environment": (gpu_questions.environment, 30),
    "launches": (gpu_questions.launches, 60),
    "newer-ptx": (gpu_questions.newer_ptx, 30),
    "uploads": (gpu_questions.uploads, 40),
    "garbage": (gpu_questions.garbage, 40),
    "threads": (gpu_questions.threads, 40),
    "leaks": (gpu_questions.leaks, 40),
    "with-pytorch": (gpu_questions.with_pytorch, 60),
    "conv4": (gpu_conv4.conv4, 90),
    "parity": (parity, 120),
    "kernels": (kernels, 120),
    "steps": (steps, 120),
    "products": (products, 60),
    "profile": (gpu_conv4.profile, 60),
}
NOT_REHEARSED = ("kernels",)  # minutes of compiling


def run(options: argparse.Namespace, report: dict) -> None:
    """The parts that options.first names, or all, into the report."""
    end = time.monotonic() + LIMIT
    for name in options.first or PARTS:
        part, limit = PARTS[name]
        if options.rehearse:
            if name in NOT_REHEARSED:
                continue
            part = functools.partial(emulated, part)
        limit = min(limit, end - time.monotonic())
        results = (
            in_a_process(part, options, options.rehearse, limit)
            if limit > 0
            else iter([("error", "no time was left for it")])
        )
        run_part(name, _printed(results), report, options.out)


def _printed(results: Results) -> Results:
    """The same, each told as it comes, but for those that are tables, which their parts tell."""
    for name, found in results:
        if not isinstance(found, (dict, list)):
            print(f"{name}: {found}", flush=True)
        yield name, found


def emulated(part: Part, options: argparse.Namespace, small: bool) -> Results:
    """A part, on the emulated GPU of this process. Raises RuntimeError for a fault that it saw."""
    from tinymeta.cuda.driver import current
    from tinymeta.ptx import emulator

    gpu = emulator.start()
    yield from part(options, small)
    current().synchronize()
    if faults := gpu.faults():
        raise RuntimeError("; ".join(faults))
