"""Timing that can be trusted: agreement first, then contenders in turn, medians and bests.

In turn, because a machine drifts: what disturbs one round disturbs all contenders alike.
"""

import platform
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np

import tinymeta as tm
from tinymeta.core import disk, system
from tinymeta.cpu.blas import thread_functions

PATIENCE = 15.0  # seconds of timing for each contender


def disagreement(contenders: dict[str, Callable]) -> float:
    """The largest difference to the first contender's gradient, relative to its largest entry."""
    first, *others = (contender() for contender in contenders.values())
    largest = max(np.abs(g).max() for g in first)
    apart = [np.abs(a - b).max() / largest for other in others for a, b in zip(first, other)]
    return float(max(apart, default=0.0))


def agreed(name: str, contenders: dict[str, Callable]) -> float:
    """Their disagreement, of contenders in float64; SystemExit if it is more than rounding."""
    apart = disagreement(contenders)
    if not apart < 1e-9:
        raise SystemExit(f"error: {name}: in float64 the results differ by {apart:.1e}: no times")
    return apart


def alternate(contenders: dict[str, Callable], rounds: int) -> dict[str, dict]:
    """Seconds of each call: in each round everyone has a turn, of many calls if short.

    Whoever takes long has fewer rounds, so that all have about PATIENCE seconds.
    """
    once, calls, times = {}, {}, {}
    for name, run in contenders.items():
        run()
        once[name] = seconds(run)
        calls[name], times[name] = max(1, int(0.3 / once[name])), [once[name]]
    for k in range(rounds):
        for name, run in contenders.items():
            if k < PATIENCE / once[name] - 1:
                time.sleep(0.02)  # until the threads of the one before stop spinning
                times[name] += [seconds(run) for _ in range(calls[name])]
    return {
        name: {"median": float(np.median(t)), "best": min(t), "calls": len(t)}
        for name, t in times.items()
    }


def seconds(run: Callable) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def table(results: dict) -> str:
    """Times, how many times longer than tinymeta's each one takes, and what it takes alone."""
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
    for found in report["works"].values():
        ours = found["contenders"]["tinymeta, jit"]
        times = {name: r["median"] for name, r in found["contenders"].items()}
        others = "; ".join(
            f"{name} {t / ours['median']:.1f}x"
            for name, t in times.items()
            if not name.startswith("tinymeta")
        )
        rows.append(
            f"| {found['what']} | **{milliseconds(ours['median'])}** | "
            f"{milliseconds(times['tinymeta, eager'])} | {others} |"
        )
    return "\n".join(rows) + "\n"


def milliseconds(t: float) -> str:
    """Two digits, or all before the point."""
    digits = 2 if t < 1e-3 else 1 if t < 1e-2 else 0
    return f"{1e3 * t:.{digits}f} ms"


def machine() -> dict:
    """Facts without which a figure means little."""
    facts = {
        "cpu": cpu_model(),
        "cores": system.cores(),
        "load": system.load(),
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


def cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def write(path: Path, text: str):
    """A stopped run leaves no half of a report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    disk.write(path, text)
