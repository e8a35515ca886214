"""The parts of `python -m benchmarks.gpu`, as gpu_report.py takes them: speed, trust, training."""

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tinymeta.system.resources import cores

from . import gpu_steps
from .gpu_kernels import compile_in_processes
from .gpu_rates import rates
from .gpu_report import Part, Results

ROOT = Path(__file__).parent.parent


# ---- speed ---------------------------------------------------------------------------------------


def kernels(options: argparse.Namespace, small: bool) -> Results:
    """How many kernels each process has compiled."""
    from tinymeta.cuda.driver import current

    yield from compile_in_processes(current().capability)


def steps(options: argparse.Namespace, small: bool) -> Results:
    """Meta-steps: a gradient, from data on the device to its numbers on the host."""
    return gpu_steps.steps(small, options.rounds, options.compile)


def products(options: argparse.Namespace, small: bool) -> Results:
    """Tera-operations a second of products, of the convolutions, and of cuBLAS."""
    return rates(small)


# ---- trust ---------------------------------------------------------------------------------------


def parity(options: argparse.Namespace, small: bool) -> Results:
    """tests/cuda on this device; compiled twice and replayed twice give the same bits."""
    tests = "tests/cuda/test_device.py" if small else "tests/cuda"
    marker = "ptx_run" if options.rehearse else "cuda"
    command = [sys.executable, "-m", "pytest", "-q", "-m", marker, tests]
    if find_spec("xdist"):  # to compile in parallel; the GPU has room for some processes
        command += ["-n", str(min(cores(), 8))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(done.stdout[-3000:], done.stderr[-1000:])
    last_line = (done.stdout.strip() or "?").splitlines()[-1]
    yield "last line", last_line
    yield "passed", done.returncode == 0


# ---- training ------------------------------------------------------------------------------------


def training(options: argparse.Namespace, small: bool) -> Results:
    """MAML on images, briefly: does it learn there?"""
    flags = {
        "--device": "cuda",
        "--data": options.data,
        "--iterations": "2000",
        "--test-tasks": "300",
        "--out": str(options.out.parent / "gpu"),
    }
    words = [word for flag in flags.items() for word in flag]
    done = subprocess.run(
        [sys.executable, "examples/maml_images.py", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    print(done.stdout[-2000:], done.stderr[-1000:])
    results = [line for line in done.stdout.splitlines() if line.startswith("result")]
    yield "results", results
    yield "passed", done.returncode == 0


# By worth: what comes first is there when a run is cut short.
PARTS: dict[str, Part] = {
    "kernels": kernels,
    "steps": steps,
    "products": products,
    "parity": parity,
    "training": training,
}
NOT_REHEARSED = ("kernels", "training")
