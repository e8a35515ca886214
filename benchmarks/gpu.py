"""`python -m benchmarks.gpu`: all there is to know about a GPU, in one command and under 8 minutes.

Its parts are in the order of their worth. The kernels are compiled, in a process for each core.
Meta-steps are timed beside PyTorch and JAX where these are installed with CUDA, each after a check
in float64 that all compute the same; products are timed beside cuBLAS, convolutions beside
products. Then trust in the rest: the parity suite on the device, in float32 and float64, eager and
compiled. Last a short training on images. results/gpu.json is written after each result, so that a
run cut short leaves what it had; a part that fails is noted there, and the next one begins.

With NUMBA_ENABLE_CUDASIM=1 it rehearses itself, without kernels and training, on sizes that the
simulator can run: no figure of that means anything.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import tinymeta as tm
from tinymeta.system.resources import cores

from . import work
from .gpu_kernels import WORKS, compile_in_processes
from .gpu_rates import rates, torch_on_gpu
from .timing import alternate, disagreement, machine, seconds, table, write

ROOT = Path(__file__).parent.parent
Results = Iterator[tuple[str, Any]]  # of a part: name, what was found, as they come


def main(arguments: list[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    usable = tm.devices()["cuda"]
    if usable is not True:
        raise SystemExit(f"error: cuda is not usable here: {usable}")
    from tinymeta.cuda.driver import current
    from tinymeta.cuda.target import SIMULATED

    report: dict = {"device": current().name, "machine": machine(), "simulated": SIMULATED}
    facts = {"device": report["device"], **report["machine"]}
    print("  ".join(f"{key} {value}" for key, value in facts.items()))
    for name, part in PARTS.items():
        if name not in options.skip and not (SIMULATED and name in NOT_REHEARSED):
            run_part(name, part, options, report)
    print(f"\n== summary\n{summary(report)}\nwritten to {options.out}")
    if any("error" in report[name] for name in PARTS if name in report):
        raise SystemExit(1)


def run_part(name: str, part: Callable, options: argparse.Namespace, report: dict) -> None:
    """A part, into report[name], which is written after each of its results."""
    print(f"\n== {name}", flush=True)
    start, found = time.perf_counter(), report.setdefault(name, {})

    def save() -> None:
        found["seconds"] = time.perf_counter() - start
        write(options.out, json.dumps(report, indent=1) + "\n")

    try:
        for key, value in part(options, report["simulated"]):
            found[key] = value
            save()
    except Exception as error:
        traceback.print_exc()
        found["error"] = f"{type(error).__name__}: {error}"
        save()


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--rounds", type=int, default=7, help="turns of each contender (7)")
    p.add_argument(
        "--data", choices=("glyphs", "omniglot"), default="glyphs", help="to train on (glyphs)"
    )
    p.add_argument(
        "--compile", action="store_true", help="torch.compile with CUDA graphs, too: minutes"
    )
    p.add_argument("--skip", nargs="+", default=[], choices=tuple(PARTS))
    p.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "gpu.json")
    return p


# ---- trust ---------------------------------------------------------------------------------------


def parity(options: argparse.Namespace, small: bool) -> Results:
    """tests/cuda on this device; compiled twice and replayed twice give the same bits."""
    tests = "tests/cuda/test_device.py" if small else "tests/cuda"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", tests]
    if find_spec("xdist"):  # to compile in parallel; the GPU has room for some processes
        command += ["-n", str(min(cores(), 8))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(done.stdout[-3000:], done.stderr[-1000:])
    last_line = (done.stdout.strip() or "?").splitlines()[-1]
    yield "last line", last_line
    yield "passed", done.returncode == 0


# ---- speed ---------------------------------------------------------------------------------------


def kernels(options: argparse.Namespace, small: bool) -> Results:
    """How many kernels each process has compiled."""
    from tinymeta.cuda.driver import current

    yield from compile_in_processes(current().capability)


def steps(options: argparse.Namespace, small: bool) -> Results:
    """Meta-steps: a gradient, from data on the device to its numbers on the host."""
    jobs = {"rehearsal": rehearsal} if small else {name: work.WORKS[name] for name in WORKS}
    rounds = 1 if small else options.rounds
    for name, build in jobs.items():
        contenders, measure_device = ours(build())
        first = seconds(contenders["tinymeta, jit"])
        found = {"first": first, **measure_device()}
        yield name, found
        double = work.in_double(build())
        in_float64 = ours(double)[0] | rivals_on_gpu(double, compiled=False)
        found["agreement"] = difference = disagreement(in_float64)
        yield name, found
        times = alternate(contenders | rivals_on_gpu(build(), options.compile), rounds)
        times["tinymeta, jit"] |= {"first": first, "peak": found["arena"]}
        print(f"{name}: results agree to {difference:.1e} in float64")
        print(f"{table(times)}\n{found}", flush=True)
        yield name, found | {"contenders": times}


def rehearsal() -> work.Work:
    """A work that the simulator can run."""
    rng, model = np.random.default_rng(0), tm.nn.mlp(1, 3, 1)
    batches = tm.data.Sinusoids().sample(rng, tasks=1, shot=2, query=2)
    params, loss = model.init(rng), tm.losses.mse
    return work.maml("rehearsal", "sinusoid", model, loss, 0.01, 1, params, batches)


def ours(job: work.Work) -> tuple[dict[str, Callable], Callable[[], dict]]:
    """(contenders with data on the device, a function that measures the compiled one there)."""
    with tm.device("cuda"):
        params, data = (tm.tree.map(tm.tensor, tree) for tree in (job.params, job.data))
        job = job._replace(params=params, data=data)
    compiled = tm.jit(job.run)

    def contender(run):
        def call():
            with tm.device("cuda"):
                return [y.numpy() for y in tm.tree.leaves(run(job.params, job.data))]

        return call

    def measure_device() -> dict:
        """How long the device is at work in a step: many replays without waiting between them."""
        from tinymeta.cuda.driver import current
        from tinymeta.cuda.target import SIMULATED

        (program,) = compiled.programs.values()
        count = 2 if SIMULATED else 50
        replay = program.replay.replay

        def many_replays():
            for _ in range(count):
                replay()
            current().synchronize()

        replay()
        current().synchronize()
        return {
            "arena": program.replay.memory.size,
            "launches": len(program.replay.recording.launches),
            "graph": program.replay.graph,
            "device seconds": seconds(many_replays) / count,
        }

    contenders = {"tinymeta, jit": contender(compiled), "tinymeta, eager": contender(job.run)}
    return contenders, measure_device


def rivals_on_gpu(job: work.Work, compiled: bool) -> dict[str, Callable]:
    """PyTorch and JAX, each if it has a GPU."""
    torch, found = torch_on_gpu(), {}
    if torch:
        torch.set_default_device("cuda")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        from . import in_torch

        found |= in_torch.contenders(job, compiled, loops=False)
    if find_spec("jax"):
        import jax

        if jax.default_backend() == "gpu":
            from . import in_jax

            found |= in_jax.contenders(job, loops=False)
    return found


def products(options: argparse.Namespace, small: bool) -> Results:
    """Tera-operations a second of products, of the convolutions, and of cuBLAS."""
    return rates(small)


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
PARTS = {
    "kernels": kernels,
    "steps": steps,
    "products": products,
    "parity": parity,
    "training": training,
}
NOT_REHEARSED = ("kernels", "training")


# ---- what is printed at the end ------------------------------------------------------------------


def summary(report: dict) -> str:
    """A line for each part, meta-step and product of the report."""
    lines = [f"device: {report['device']}"]
    lines += [
        f"{name}: {report[name]['error']}" for name in PARTS if "error" in report.get(name, {})
    ]
    for name in ("parity", "training"):
        if "passed" in report.get(name, {}):
            lines.append(_verdict(name, report[name]))
    for name, found in report.get("steps", {}).items():
        if isinstance(found, dict) and "contenders" in found:
            lines.append(_step_line(name, found))
    for name, found in report.get("products", {}).items():
        if isinstance(found, dict):
            mine, theirs = found["tinymeta"], found["cuBLAS"]
            share = f", {100 * mine / theirs:.0f} % of cuBLAS" if theirs else ""
            lines.append(f"{name}: {mine:.2f} TFLOP/s{share}")
    return "\n".join(lines)


def _verdict(name: str, part: dict) -> str:
    verdict = "passed" if part["passed"] else "FAILED"
    details = part.get("results", [part.get("last line", "")])
    return f"{name}: {verdict}, {part['seconds']:.0f} s; {'; '.join(details)}"


def _step_line(name: str, found: dict) -> str:
    times = {contender: r["median"] for contender, r in found["contenders"].items()}
    mine = times.pop("tinymeta, jit")
    share = 100 * found["device seconds"] / mine
    others = "; ".join(f"{contender} {t / mine:.1f}x" for contender, t in times.items())
    return f"{name}: {1e3 * mine:.2f} ms, device at work {share:.0f} %; {others}"


if __name__ == "__main__":
    main()
