"""`python -m benchmarks.gpu`: all there is to know about a GPU, in one command and under 8 minutes.

First trust: the parity suite on the device, in float32 and float64, eager and compiled. Then speed:
meta-steps beside PyTorch and JAX where these are installed with CUDA, products beside cuBLAS,
convolutions beside products. Last a short training on images. A summary is printed at the end and
results/gpu.json is written after each part, so that a run cut short leaves what it had.

With NUMBA_ENABLE_CUDASIM=1 it rehearses itself, without the training, on sizes that the simulator can
run: no figure of that means anything.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import tinymeta as tm

from . import work
from .timing import alternate, disagreement, machine, seconds, table, write

ROOT = Path(__file__).parent.parent
SIZES = [(2048, 2048, 2048, 1), (4096, 4096, 4096, 1), (1024, 1024, 1024, 8), (980, 64, 576, 32)]


def main(arguments=None):
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
    a = p.parse_args(arguments)
    usable = tm.devices()["cuda"]
    if usable is not True:
        raise SystemExit(f"error: cuda is not usable here: {usable}")
    from tinymeta.cuda.driver import current
    from tinymeta.cuda.target import SIMULATED

    report = {"device": current().name, "machine": machine(), "simulated": bool(SIMULATED)}
    print(
        "  ".join(
            f"{key} {value}"
            for key, value in {"device": report["device"], **report["machine"]}.items()
        )
    )
    for name, part in (
        ("parity", parity),
        ("steps", steps),
        ("products", products),
        ("training", training),
    ):
        if name not in a.skip and not (SIMULATED and part is training):
            print(f"\n== {name}", flush=True)
            start = time.perf_counter()
            report[name] = part(a, bool(SIMULATED))
            report[name]["seconds"] = time.perf_counter() - start
            write(a.out, json.dumps(report, indent=1) + "\n")
    print(f"\n== summary\n{summary(report)}\nwritten to {a.out}")


# ---- trust ---------------------------------------------------------------------------------------


def parity(a, small: bool) -> dict:
    """tests/cuda on this device; compiled twice and replayed twice give the same bits."""
    picked = ["tests/cuda/test_device.py"] if small else ["tests/cuda"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "cuda", *picked],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    print(done.stdout[-3000:], done.stderr[-1000:])
    return {
        "passed": done.returncode == 0,
        "last line": (done.stdout.strip() or "?").splitlines()[-1],
    }


# ---- speed ---------------------------------------------------------------------------------------


def steps(a, small: bool) -> dict:
    """Meta-steps: a gradient, from data on the device to its numbers on the host."""
    found = {}
    jobs = (
        {"rehearsal": rehearsal}
        if small
        else {name: work.WORKS[name] for name in ("conv4", "conv4-5-steps", "sinusoid", "siamese")}
    )
    for name, make in jobs.items():
        contenders, alone = ours(make())
        double = work.in_double(make())
        apart = disagreement(ours(double)[0] | rivals_on_gpu(double, compiled=False))
        first = seconds(contenders["tinymeta, jit"])
        times = alternate(contenders | rivals_on_gpu(make(), a.compile), 1 if small else a.rounds)
        told = alone()
        times["tinymeta, jit"] |= {"first": first, "peak": told["arena"]}
        print(
            f"{name}: results agree to {apart:.1e} in float64\n{table(times)}\n{told}", flush=True
        )
        found[name] = {"agreement": apart, "contenders": times, **told}
    return found


def rehearsal():
    """A work that the simulator can run."""
    rng, model = np.random.default_rng(0), tm.nn.mlp(1, 3, 1)
    batches = tm.data.Sinusoids().sample(rng, tasks=1, shot=2, query=2)
    return work.maml(
        "rehearsal", "sinusoid", model, tm.losses.mse, 0.01, 1, model.init(rng), batches
    )


def ours(job):
    """Contenders with their data on the device, and a function that tells of the compiled one alone."""
    with tm.device("cuda"):
        job = job._replace(
            params=tm.tree.map(tm.tensor, job.params), data=tm.tree.map(tm.tensor, job.data)
        )
    compiled = tm.jit(job.run)

    def contender(run):
        def call():
            with tm.device("cuda"):
                return [y.numpy() for y in tm.tree.leaves(run(job.params, job.data))]

        return call

    def alone() -> dict:
        """How long the device is at work in a step: many replays without waiting between them."""
        from tinymeta.cuda.driver import current

        (program,) = compiled.programs.values()
        count = 2 if current().name.startswith("Numba") else 50
        replay = program.replay.replay
        replay()
        current().synchronize()
        busy = seconds(lambda: [[replay() for _ in range(count)], current().synchronize()]) / count
        return {
            "arena": program.replay.memory.size,
            "launches": len(program.replay.recording.launches),
            "graph": program.replay.graph,
            "device seconds": busy,
        }

    return {"tinymeta, jit": contender(compiled), "tinymeta, eager": contender(job.run)}, alone


def rivals_on_gpu(job, compiled: bool) -> dict:
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


def torch_on_gpu():
    """The module, if it is installed and finds a GPU, or None."""
    if not find_spec("torch"):
        return None
    import torch

    return torch if torch.cuda.is_available() else None


def products(a, small: bool) -> dict:
    """Tera-operations a second of the product in registers, of the convolutions, and of cuBLAS."""
    from tinymeta.core.device import find_kernel
    from tinymeta.core.primitive import registry
    from tinymeta.cuda.array import allocate
    from tinymeta.cuda.driver import current
    from tinymeta.cuda.launch import recorded
    from tinymeta.ops.conv import geometry_of

    def rate(name, out, arrays, operations, **static) -> float:
        with recorded() as recording:
            find_kernel(registry[name], "cuda")(out, *arrays, **static)
        count = 1 if small else 20

        def work():
            for _ in range(count):
                for launch in recording.launches:
                    launch()
            current().synchronize()

        work()
        return operations * count / min(seconds(work) for _ in range(3)) / 1e12

    found, rows = {}, []
    for m, n, k, tasks in [(16, 16, 16, 1)] if small else SIZES:
        arrays = [allocate((tasks, *shape), np.float32) for shape in ((m, n), (m, k), (k, n))]
        mine = rate("matmul", arrays[0], arrays[1:], 2 * m * n * k * tasks)
        theirs = cublas(m, n, k, tasks)
        found[f"product {tasks} x {m} x {n} x {k}"] = {"tinymeta": mine, "cuBLAS": theirs}
    tasks, images, size, channels = (1, 1, 4, 2) if small else (32, 5, 14, 64)
    geometry = geometry_of("conv", (size, size), (3, 3), 2, "same")
    places = geometry.result[0]
    x, w, g = (
        allocate(shape, np.float32)
        for shape in (
            (tasks, images, size, size, channels),
            (tasks, 3, 3, channels, channels),
            (tasks, images, places, places, channels),
        )
    )
    operations = 2 * tasks * images * places**2 * 9 * channels**2
    for name, out, arrays in (
        ("conv", g, (x, w)),
        ("conv_weight", w, (x, g)),
        ("conv_input", x, (g, w)),
    ):
        found[f"{name}, layer 2"] = {
            "tinymeta": rate(name, out, arrays, operations, geometry=geometry)
        }
    for name, r in found.items():
        rows.append(
            f"{name:36} {r['tinymeta']:8.2f} TFLOP/s"
            + (
                f"   cuBLAS {r['cuBLAS']:8.2f}   {100 * r['tinymeta'] / r['cuBLAS']:.0f} %"
                if r.get("cuBLAS")
                else ""
            )
        )
    print("\n".join(rows))
    return found


def cublas(m: int, n: int, k: int, tasks: int) -> float | None:
    """The same product by PyTorch, which calls cuBLAS."""
    torch = torch_on_gpu()
    if torch is None:
        return None
    x, y = torch.zeros((tasks, m, k), device="cuda"), torch.zeros((tasks, k, n), device="cuda")

    def work():
        for _ in range(20):
            torch.matmul(x, y)
        torch.cuda.synchronize()

    work()
    return 2 * m * n * k * tasks * 20 / min(seconds(work) for _ in range(3)) / 1e12


# ---- training ------------------------------------------------------------------------------------


def training(a, small: bool) -> dict:
    """MAML on images, briefly: does it learn there?"""
    done = subprocess.run(
        [
            sys.executable,
            "examples/maml_images.py",
            "--device",
            "cuda",
            "--data",
            a.data,
            "--iterations",
            "2000",
            "--test-tasks",
            "300",
            "--out",
            str(a.out.parent / "gpu"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    print(done.stdout[-2000:], done.stderr[-1000:])
    results = [line for line in done.stdout.splitlines() if line.startswith("result")]
    return {"passed": done.returncode == 0, "results": results}


def summary(report: dict) -> str:
    lines = [f"device: {report['device']}"]
    for name in ("parity", "training"):
        if name in report:
            r = report[name]
            lines.append(
                f"{name}: {'passed' if r['passed'] else 'FAILED'}, {r['seconds']:.0f} s; "
                + "; ".join(r.get("results", [r.get("last line", "")]))
            )
    for name, found in report.get("steps", {}).items():
        if name == "seconds":
            continue
        times = {who: r["median"] for who, r in found["contenders"].items()}
        mine = times.pop("tinymeta, jit")
        lines.append(
            f"{name}: {1e3 * mine:.2f} ms, device at work {100 * found['device seconds'] / mine:.0f} %; "
            + "; ".join(f"{who} {t / mine:.1f}x" for who, t in times.items())
        )
    for name, r in report.get("products", {}).items():
        if name != "seconds":
            share = (
                f", {100 * r['tinymeta'] / r['cuBLAS']:.0f} % of cuBLAS" if r.get("cuBLAS") else ""
            )
            lines.append(f"{name}: {r['tinymeta']:.2f} TFLOP/s{share}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
