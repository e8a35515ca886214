"""Timing that can be trusted: agreement first, then contenders in turn, medians and bests.

`check_agreement` comes before any timing: the results of all contenders in float64, where rounding
cannot hide a difference. They are then timed in turn, because a machine drifts: what disturbs one
round disturbs all contenders alike.
"""

import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

import tinymeta as tm
from tinymeta.cpu.blas import thread_functions
from tinymeta.system import disk, resources

PATIENCE = 15.0  # seconds of timing for each contender


def disagreement(contenders: dict[str, Callable]) -> float:
    """The largest difference from the first contender's gradient, relative to its largest entry.

    contenders: functions that return a list of arrays, all of the same shapes.
    """
    first, *others = (contender() for contender in contenders.values())
    largest = max(np.abs(array).max() for array in first)
    differences = [
        np.abs(expected - found).max() / largest
        for other in others
        for expected, found in zip(first, other)
    ]
    return float(max(differences, default=0.0))


def check_agreement(name: str, contenders: dict[str, Callable]) -> float:
    """The disagreement of contenders in float64; SystemExit if it is NaN or more than rounding."""
    difference = disagreement(contenders)
    if not difference < 1e-9:
        raise SystemExit(
            f"error: {name}: in float64 the results differ by {difference:.1e}: no times"
        )
    return difference


def alternate(contenders: dict[Any, Callable], rounds: int) -> dict[Any, dict]:
    """The "median" and "best" seconds of a call of each contender, and how many "calls" there were.

    In each round every contender has a turn, of as many calls as fit into 0.3 seconds. Those that
    take long have fewer rounds, so that each is given about PATIENCE seconds.
    """
    first_time, calls, times = {}, {}, {}
    for name, run in contenders.items():
        run()  # compiles, fills caches
        first_time[name] = seconds(run)
        calls[name] = max(1, int(0.3 / first_time[name]))
        times[name] = [first_time[name]]
    for k in range(rounds):
        for name, run in contenders.items():
            if k < PATIENCE / first_time[name] - 1:
                time.sleep(0.02)  # until the threads of the one before stop spinning
                times[name] += [seconds(run) for _ in range(calls[name])]
    return {
        name: {"median": float(np.median(t)), "best": min(t), "calls": len(t)}
        for name, t in times.items()
    }


def seconds(run: Callable) -> float:
    """The time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def table(results: dict[str, dict]) -> str:
    """The times of contenders, their ratios to tinymeta's, and the first call and memory where they
    were measured."""
    ours = results["tinymeta, jit"]
    lines = [
        f"{'':32} {'median':>10} {'best':>10}   {'ratios':>12}   {'first call':>10} {'memory':>8}"
    ]
    for name, r in results.items():
        ratios = f"{r['median'] / ours['median']:.2f}, {r['best'] / ours['best']:.2f}"
        alone = f"   {r['first']:8.2f} s {r['peak'] / 1e6:5.0f} MB" if "first" in r else ""
        lines.append(
            f"{name:32} {1e3 * r['median']:7.2f} ms {1e3 * r['best']:7.2f} ms   {ratios:>12}{alone}"
        )
    if "cold" in ours:
        lines.append(f"first call with no kernel on disk: {ours['cold']:.2f} s")
    if "kernels" in ours:
        lines.append("{kernels} generated kernels, {steps} steps, {chunks} chunks".format(**ours))
    return "\n".join(lines)


def markdown(report: dict) -> str:
    """The report as the table that the README quotes."""
    rows = ["| work | jit | eager | others: how many times longer |", "|---|---|---|---|"]
    for result in report["works"].values():
        times = {name: r["median"] for name, r in result["contenders"].items()}
        jit, eager = times.pop("tinymeta, jit"), times.pop("tinymeta, eager")
        others = "; ".join(f"{name} {t / jit:.1f}x" for name, t in times.items())
        rows.append(
            f"| {result['what']} | **{_milliseconds(jit)}** | {_milliseconds(eager)} | {others} |"
        )
    return "\n".join(rows) + "\n"


def _milliseconds(t: float) -> str:
    """Seconds as text in milliseconds: two digits, or all before the point."""
    digits = 2 if t < 1e-3 else 1 if t < 1e-2 else 0
    return f"{1e3 * t:.{digits}f} ms"


def machine() -> dict:
    """The processor, its load, and the versions: without them a figure means little."""
    facts = {
        "cpu": _cpu_model(),
        "cores": resources.cores(),
        "load": resources.load(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "tinymeta": tm.__version__,
        "blas threads": thread_functions()[0]() if thread_functions() else None,
    }
    try:
        import torch
    except ImportError:
        return facts
    return facts | {"torch": torch.__version__, "torch threads": torch.get_num_threads()}


def _cpu_model() -> str:
    """The processor's name, as Linux has it, else as Python does."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all: a run that is stopped leaves no half of a report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    disk.write(path, text)
