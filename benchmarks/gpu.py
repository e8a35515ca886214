"""`python -m benchmarks.gpu`: all there is to know about a GPU, in one command and under 8 minutes.

First trust: the parity suite on the device, in float32 and float64, eager and compiled. Then speed:
meta-steps beside PyTorch and JAX where these are installed with CUDA, products beside cuBLAS,
convolutions beside products. Last a short training on images. A summary is printed at the end and
results/gpu.json is written after each part, so that a run cut short leaves what it had.

With NUMBA_ENABLE_CUDASIM=1 it rehearses itself, without the training, on sizes that the simulator
can run: no figure of that means anything.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import tinymeta as tm

from . import work
from .timing import alternate, disagreement, machine, seconds, table, write

ROOT = Path(__file__).parent.parent
# Products: M, N, K and how many at a time.
SIZES = [(2048, 2048, 2048, 1), (4096, 4096, 4096, 1), (1024, 1024, 1024, 8), (980, 64, 576, 32)]


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
    parts = {"parity": parity, "steps": steps, "products": products, "training": training}
    for name, part in parts.items():
        if name in options.skip or (SIMULATED and part is training):
            continue
        print(f"\n== {name}", flush=True)
        start = time.perf_counter()
        report[name] = part(options, SIMULATED)
        report[name]["seconds"] = time.perf_counter() - start
        write(options.out, json.dumps(report, indent=1) + "\n")
    print(f"\n== summary\n{summary(report)}\nwritten to {options.out}")


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
    p.add_argument(
        "--skip", nargs="+", default=[], choices=("parity", "steps", "products", "training")
    )
    p.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "gpu.json")
    return p


# ---- trust ---------------------------------------------------------------------------------------


def parity(options: argparse.Namespace, small: bool) -> dict:
    """tests/cuda on this device; compiled twice and replayed twice give the same bits."""
    tests = "tests/cuda/test_device.py" if small else "tests/cuda"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", tests]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(done.stdout[-3000:], done.stderr[-1000:])
    last_line = (done.stdout.strip() or "?").splitlines()[-1]
    return {"passed": done.returncode == 0, "last line": last_line}


# ---- speed ---------------------------------------------------------------------------------------


def steps(options: argparse.Namespace, small: bool) -> dict:
    """Meta-steps: a gradient, from data on the device to its numbers on the host."""
    found = {}
    names = ("conv4", "conv4-5-steps", "sinusoid", "siamese")
    jobs = {"rehearsal": rehearsal} if small else {name: work.WORKS[name] for name in names}
    rounds = 1 if small else options.rounds
    for name, build in jobs.items():
        contenders, measure_device = ours(build())
        double = work.in_double(build())
        in_float64 = ours(double)[0] | rivals_on_gpu(double, compiled=False)
        difference = disagreement(in_float64)
        first = seconds(contenders["tinymeta, jit"])
        times = alternate(contenders | rivals_on_gpu(build(), options.compile), rounds)
        on_device = measure_device()
        times["tinymeta, jit"] |= {"first": first, "peak": on_device["arena"]}
        print(f"{name}: results agree to {difference:.1e} in float64")
        print(f"{table(times)}\n{on_device}", flush=True)
        found[name] = {"agreement": difference, "contenders": times, **on_device}
    return found


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


def torch_on_gpu() -> Any:
    """The module, if it is installed and finds a GPU, or None."""
    if not find_spec("torch"):
        return None
    import torch

    return torch if torch.cuda.is_available() else None


def products(options: argparse.Namespace, small: bool) -> dict:
    """Tera-operations a second of the product in registers, of the convolutions, and of cuBLAS."""
    found = matrix_products(small) | convolutions(small)
    for name, rates in found.items():
        mine, theirs = rates["tinymeta"], rates.get("cuBLAS")
        beside = f"   cuBLAS {theirs:8.2f}   {100 * mine / theirs:.0f} %" if theirs else ""
        print(f"{name:36} {mine:8.2f} TFLOP/s{beside}")
    return found


def matrix_products(small: bool) -> dict:
    from tinymeta.cuda.array import allocate

    found = {}
    for m, n, k, tasks in [(16, 16, 16, 1)] if small else SIZES:
        out, x, y = (allocate((tasks, *shape), np.float32) for shape in ((m, n), (m, k), (k, n)))
        operations = 2 * m * n * k * tasks
        found[f"product {tasks} x {m} x {n} x {k}"] = {
            "tinymeta": kernel_rate("matmul", out, (x, y), operations, small),
            "cuBLAS": cublas_rate(m, n, k, tasks),
        }
    return found


def convolutions(small: bool) -> dict:
    """A convolution of the second layer of conv4, and its two derivatives."""
    from tinymeta.cuda.array import allocate
    from tinymeta.ops.conv import geometry_of

    tasks, images, size, channels = (1, 1, 4, 2) if small else (32, 5, 14, 64)
    geometry = geometry_of("conv", (size, size), (3, 3), 2, "same")
    places = geometry.result[0]
    x = allocate((tasks, images, size, size, channels), np.float32)
    w = allocate((tasks, 3, 3, channels, channels), np.float32)
    g = allocate((tasks, images, places, places, channels), np.float32)
    operations = 2 * tasks * images * places**2 * 9 * channels**2
    calls = {"conv": (g, x, w), "conv_weight": (w, x, g), "conv_input": (x, g, w)}
    found = {}
    for name, (out, *arrays) in calls.items():
        rate = kernel_rate(name, out, arrays, operations, small, geometry=geometry)
        found[f"{name}, layer 2"] = {"tinymeta": rate}
    return found


def kernel_rate(
    name: str, out: Any, arrays: Any, operations: int, small: bool, **static: Any
) -> float:
    """Tera-operations a second of a primitive's kernel, launched many times without waiting."""
    from tinymeta.core.device import find_kernel
    from tinymeta.core.primitive import registry
    from tinymeta.cuda.driver import current
    from tinymeta.cuda.launch import record_launches

    with record_launches() as recording:
        find_kernel(registry[name], "cuda")(out, *arrays, **static)
    count = 1 if small else 20

    def many_launches():
        for _ in range(count):
            for launch in recording.launches:
                launch()
        current().synchronize()

    many_launches()
    return operations * count / min(seconds(many_launches) for _ in range(3)) / 1e12


def cublas_rate(m: int, n: int, k: int, tasks: int) -> float | None:
    """Tera-operations a second of the same product by PyTorch, which calls cuBLAS."""
    torch = torch_on_gpu()
    if torch is None:
        return None
    x, y = torch.zeros((tasks, m, k), device="cuda"), torch.zeros((tasks, k, n), device="cuda")

    def many_products():
        for _ in range(20):
            torch.matmul(x, y)
        torch.cuda.synchronize()

    many_products()
    return 2 * m * n * k * tasks * 20 / min(seconds(many_products) for _ in range(3)) / 1e12


# ---- training ------------------------------------------------------------------------------------


def training(options: argparse.Namespace, small: bool) -> dict:
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
    return {"passed": done.returncode == 0, "results": results}


# ---- what is printed at the end ------------------------------------------------------------------


def summary(report: dict) -> str:
    """A line for each part, meta-step and product of the report."""
    lines = [f"device: {report['device']}"]
    for name in ("parity", "training"):
        if name in report:
            lines.append(_verdict(name, report[name]))
    for name, found in report.get("steps", {}).items():
        if name != "seconds":
            lines.append(_step_line(name, found))
    for name, rates in report.get("products", {}).items():
        if name != "seconds":
            mine, theirs = rates["tinymeta"], rates.get("cuBLAS")
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
