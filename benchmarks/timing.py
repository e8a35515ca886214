"""Timing that can be trusted: agreement first, then contenders in turn, medians and bests.

In turn, because a machine drifts: what disturbs one round disturbs all contenders alike.
"""

import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np

import tinymeta as tm
from tinymeta.cpu.blas import library


def disagreement(contenders: dict[str, Callable]) -> float:
    """The largest difference to the first contender's gradient, relative to its largest entry."""
    first, *others = (contender() for contender in contenders.values())
    largest = max(np.abs(g).max() for g in first)
    apart = [np.abs(a - b).max() / largest for other in others for a, b in zip(first, other)]
    return float(max(apart, default=0.0))


def alternate(contenders: dict[str, Callable], rounds: int) -> dict[str, dict]:
    """Seconds of each call: in each round everyone has a turn, of many calls if short.

    first: the call before, in which whatever is compiled or allocated once is.
    """
    first, calls = {}, {}
    for name, run in contenders.items():
        first[name] = seconds(run)
        calls[name] = max(1, int(0.3 / seconds(run)))
    times = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            time.sleep(0.02)                    # until the threads of the one before stop spinning
            times[name] += [seconds(run) for _ in range(calls[name])]
    return {name: {"median": float(np.median(t)), "best": min(t), "calls": len(t),
                   "first": first[name]} for name, t in times.items()}


def seconds(run: Callable) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def table(results: dict) -> str:
    """Times, and how many times longer than the quickest tinymeta each one takes."""
    mine = [r for name, r in results.items() if name.startswith("tinymeta")]
    ours = min(mine, key=lambda r: r["median"])
    lines = [f"{'':34} {'first':>8} {'median':>10} {'best':>10}   {'ratio of medians, bests':>23}"]
    for name, r in results.items():
        ratios = f"{r['median'] / ours['median']:.2f}, {r['best'] / ours['best']:.2f}"
        times = f"{r['first']:6.2f} s {1e3 * r['median']:7.2f} ms {1e3 * r['best']:7.2f} ms"
        lines.append(f"{name:34} {times}   {ratios:>23}")
    return "\n".join(lines)


def machine() -> dict:
    """Facts without which a figure means little."""
    facts = {"cpu": cpu_model(), "cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0],
             "python": platform.python_version(), "numpy": np.__version__,
             "numba": numba.__version__, "tinymeta": tm.__version__,
             "blas threads": library()[0]() if library() else None}
    try:
        import torch
    except ImportError:
        return facts
    return facts | {"torch": torch.__version__, "torch threads": torch.get_num_threads()}


def cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def write(path: Path, report: dict):
    """Beside the target, then renamed: a stopped run leaves no half of a report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(report, indent=1) + "\n")
    os.replace(beside, path)
