"""`python -m benchmarks.gpu_kernels`: the kernels of the benchmark, compiled by all cores at once.

Compiling them one after another takes minutes, and a GPU is not needed for it: the PTX that comes
out is kept in a folder (system/kernel_folder.py), which can be filled on one machine and carried to
another with the same versions of Numba and of this code:

    TINYMETA_CACHE=kernels python -m benchmarks.gpu_kernels --capability 9 0
    TINYMETA_CACHE=kernels python -m benchmarks.gpu                       # there

Each process goes through the works on a driver that launches nothing, notes which kernels they
need, and compiles its share of them: kernels are closures, which processes cannot hand over.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import tinymeta as tm
from tinymeta.core.device import find_kernel
from tinymeta.core.primitive import registry
from tinymeta.core.scope import setting
from tinymeta.cuda import driver
from tinymeta.cuda.array import allocate
from tinymeta.cuda.dry_run import NotingDriver
from tinymeta.cuda.launch import GpuKernel
from tinymeta.system.kernel_folder import folder
from tinymeta.system.resources import cores

from . import gpu_rates, work

ROOT = Path(__file__).parent.parent
WORKS = ("conv4", "conv4-5-steps", "sinusoid", "siamese")


def needed(jobs: list[work.Work], capability: tuple[int, int]) -> list[tuple[GpuKernel, tuple]]:
    """(kernel, kinds of its arguments) of the works, compiled and eager, in float32 and float64.

    In an order that is the same in every process, whose own kernels are of no use afterwards. The
    products of `gpu_rates` come with them.
    """
    noting = NotingDriver(capability)
    with driver.replaced_by(noting), setting(device="cuda"):
        for job in (*jobs, *map(work.in_double, jobs)):
            params, data = (tm.tree.map(tm.tensor, tree) for tree in (job.params, job.data))
            tm.jit(job.run).prepare(params, data)
            job.run(params, data)
        for name, out, arrays, static in gpu_rates.calls(False, allocate):
            find_kernel(registry[name], "cuda")(out, *arrays, **static)
    return sorted(noting.noted, key=lambda k: (k[0].function.__name__, k[0].identity, repr(k[1])))


def compile_share(
    jobs: list[work.Work], capability: tuple[int, int], share: int, shares: int
) -> int:
    """Compile every so many-th kernel into the folder; how many there are."""
    mine = needed(jobs, capability)[share::shares]
    for kernel, kinds in mine:
        kernel.ptx(kinds, capability)
    return len(mine)


def compile_in_processes(capability: tuple[int, int]) -> Iterator[tuple[str, int]]:
    """("share 0", how many kernels) and so on, as processes end.

    Raises RuntimeError for one that fails.
    """
    shares = cores()
    command = [sys.executable, "-m", "benchmarks.gpu_kernels", "--capability"]
    command += [*map(str, capability), "--share"]
    processes = [
        subprocess.Popen(
            [*command, str(share), str(shares)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for share in range(shares)
    ]
    for share, process in enumerate(processes):
        said, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"kernels: the process of share {share} ended with an error")
        yield f"share {share}", int(said.split()[-1])


def main(arguments: list[str] | None = None) -> None:
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_kernels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "--capability", nargs=2, type=int, default=(9, 0), help="of the GPU that is meant (9 0)"
    )
    p.add_argument("--share", nargs=2, type=int, help="K of N: this process's alone")
    options = p.parse_args(arguments)
    capability = options.capability[0], options.capability[1]
    if options.share:
        print(compile_share([work.WORKS[name]() for name in WORKS], capability, *options.share))
        return
    counts = dict(compile_in_processes(capability))
    print(f"{sum(counts.values())} kernels for sm_{capability[0]}{capability[1]} in {folder()}")


if __name__ == "__main__":
    main()
