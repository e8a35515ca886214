"""How the work of compiling grows with the equations of a program, from 10 to 20,000.

    python -m benchmarks compile_time

Each program is prepared in a process of its own that finds no kernel on disk: tracing, all passes
and Numba's work count, imports do not. The program is not run, so there is no result to check.
What is counted are CPU seconds, of this process and of a second one that compiles a part of the
kernels: on a machine that has more to do they are nearly the same, which the time on a clock is
not. Where the second one has a core to itself, one waits for less than that.
Results: compile_time.json and compile_time.png in --out.
"""

import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tinymeta.system.disk import replacing

from .timing import machine, write

EQUATIONS = [10, 30, 100, 300, 1000, 3000, 10_000, 20_000]
KINDS = {
    "unrolled loop": ("x - 0.01 * x * x", 3),
    "its gradient": ("x - 0.01 * x * x", 9),
    "layers and their gradient": ("tm.tanh(x @ w)", 6),
}  # a step, the equations it makes
PROGRAM = """
import json, os
import numpy as np
import tinymeta as tm
w = tm.asarray(np.eye(8, dtype=np.float32))

def f(x):
    for _ in range({steps}):
        x = {step}
    return tm.sum(x)

compiled, x = tm.jit(tm.grad(f) if {gradient} else f), np.full((8, 8), 0.1, np.float32)

def cpu_seconds():
    return sum(os.times()[:4])  # user and system, of this process and of children that have ended

start = cpu_seconds()
compiled.prepare(x)
seconds = cpu_seconds() - start
(found,) = compiled.programs.values()
print(json.dumps([len(found.traced.program.equations), seconds]))
"""


def compile_time(out: Path) -> None:
    """Compile all programs, write compile_time.json and, with matplotlib, the plot."""
    found = {}
    for kind, (step, equations_of_a_step) in KINDS.items():
        found[kind] = [
            _compile_alone(step, max(n // equations_of_a_step, 1), kind != "unrolled loop")
            for n in EQUATIONS
        ]
        points = ", ".join(f"{n} equations {s:.2f} CPU s" for n, s in found[kind])
        print(f"{kind}: {points}", flush=True)
    report = {"machine": machine(), "found": found}
    write(out / "compile_time.json", json.dumps(report, indent=1) + "\n")
    if find_spec("matplotlib"):
        _draw(found, out / "compile_time.png")


def _compile_alone(step: str, steps: int, gradient: bool) -> tuple[int, float]:
    """(equations of the traced program, CPU seconds) in a process of its own, without a cache."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(step=step, steps=steps, gradient=gradient)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "TINYMETA_CACHE": folder},
        )
    return tuple(json.loads(process.stdout))


def _draw(found: dict, path: Path) -> None:
    """A plot with a curve of CPU seconds for each kind of program."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, plot = plt.subplots(figsize=(5, 3.4), layout="constrained")
    for kind, points in found.items():
        plot.loglog(*zip(*points), marker="o", label=kind)
    plot.set(xlabel="equations of the program", ylabel="CPU seconds until it can run")
    plot.legend(fontsize=8, frameon=False)
    figure.suptitle("Compiling, with no kernel on disk", fontsize=10)
    with replacing(path) as file:
        figure.savefig(file, dpi=110, format="png")
    plt.close(figure)
