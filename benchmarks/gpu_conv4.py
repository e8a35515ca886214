"""The conv4 step on a GPU: are its numbers those of the CPU, how long is it, and where does it go?

Parts of `python -m benchmarks.gpu --first`, as gpu_report.py takes them. A rehearsal has a smaller
net in its place.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tinymeta as tm

from . import work
from .gpu_questions import verdict
from .gpu_report import Results
from .gpu_steps import measure_device, rehearsal, seconds_of_replay
from .timing import seconds

ROOT = Path(__file__).parent.parent
METRICS = (  # of Nsight Compute: what a kernel waits for
    "sm__throughput.avg.pct_of_peak_sustained_elapsed",
    "smsp__inst_executed.avg.per_cycle_active",
    "smsp__sass_thread_inst_executed_op_ffma_pred_on.sum",
    "l1tex__data_bank_conflicts_pipe_lsu.sum",
    "gpu__time_duration.sum",
)


def conv4(options: argparse.Namespace, small: bool) -> Results:
    """Of one and five inner steps: the numbers beside the CPU's, then seconds."""
    jobs = {"rehearsal": rehearsal} if small else work.WORKS
    for name in ("rehearsal",) if small else ("conv4", "conv4-5-steps"):
        for key, value in _measured(jobs[name](), 2 if small else 30):
            yield f"{name}: {key}", value


def _measured(job: work.Work, count: int) -> Results:
    expected = [np.asarray(leaf) for leaf in tm.tree.leaves(tm.jit(job.run)(job.params, job.data))]
    compiled, start = tm.jit(job.run), time.perf_counter()
    with tm.device("cuda"):
        found = [leaf.numpy() for leaf in tm.tree.leaves(compiled(job.params, job.data))]
        yield "first call", time.perf_counter() - start
        off = max(_relative(a, b) for a, b in zip(found, expected))
        yield "numbers", verdict(off < 1e-3, f"off by {off:.1e} of a gradient's length")
        yield "off by", off
        (program,) = compiled.programs.values()
        yield "replay", measure_device(program.replay)
        launches = program.replay.recording.launches
        plainly = seconds_of_replay(lambda: [launch() for launch in launches], count)
        yield "launches one by one", plainly
        params, data = (tm.tree.map(tm.tensor, tree) for tree in (job.params, job.data))
        yield "a call, data on the device", seconds_of_replay(lambda: compiled(params, data), count)


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    """The length of the difference, by that of the second or, of tiny ones, by 0.001."""
    off = np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-3)
    return float(off)


def profile(options: argparse.Namespace, small: bool) -> Results:
    """Seconds of conv4's steps by kind, each alone; then Nsight Compute, if it is installed."""
    job = rehearsal() if small else work.conv4()
    compiled, kinds = tm.jit(job.run), dict[str, list[float]]()
    with tm.device("cuda"):
        compiled(job.params, job.data)
    (program,) = compiled.programs.values()
    for kind, call in program.replay.step_calls():
        kinds.setdefault(kind, []).append(_median(call))
    for kind, times in kinds.items():
        yield f"{len(times)} {kind}", sum(times)
    ncu = shutil.which("ncu")
    if ncu is None or small:
        yield "Nsight Compute", "not here"
        return
    command = [ncu, "--clock-control", "none", "--target-processes", "all"]
    command += ["-k", "regex:kernel", "-s", "20", "-c", "12", "--metrics", ",".join(METRICS)]
    command += [sys.executable, "-c", "from benchmarks.gpu_conv4 import run_once; run_once()"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    yield "Nsight Compute", done.stdout.splitlines()[-120:]


def _median(call: Callable[[], Any]) -> float:
    return float(np.median([seconds(call) for _ in range(5)]))


def run_once() -> None:
    """The conv4 step, for a profiler to look at."""
    job = work.conv4()
    with tm.device("cuda"):
        tm.jit(job.run)(job.params, job.data)
