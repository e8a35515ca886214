"""What a step does on a GPU, kernel by kernel, counted without one, and a time that this predicts.

    python -m benchmarks.gpu_model                      # of conv4's step
    python -m benchmarks.gpu_model conv --tasks 4       # another work, on few of its tasks
    python -m benchmarks.gpu_model --products tf32      # its matrices multiplied on tensor cores

It prints `tm.explain(step, .., device="cuda").executed()`: the work is compiled as for a GPU, and
the emulator of tinymeta/ptx follows each thread through its PTX on the CPU and counts every
instruction and every byte that it loads or stores. These are facts, the same on each machine. The
time is a model's, for one GPU: tinymeta/ptx/model.py. The line before the last is the same launches
as the graph that they are, each begun when those are done that it needs and there is room for it.

Needs gcc and a compiler for GPUs (README.md, "On a GPU").
"""

import argparse

import tinymeta as tm
from tinymeta.core.device import PRODUCTS
from tinymeta.ptx import compiler

from . import work


def main(arguments: list[str] | None = None) -> None:
    """Run the command; SystemExit with a message where nothing can be counted."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_model",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("work", nargs="?", default="conv4", choices=work.WORKS, metavar="work")
    p.add_argument("--tasks", type=int, help="only so many of its tasks (all)")
    p.add_argument("--products", default="float32", choices=PRODUCTS, help="(float32)")
    options = p.parse_args(arguments)
    job = work.WORKS[options.work]()
    if options.tasks is not None and isinstance(job.data, tm.Tasks):
        job = job._replace(data=tm.tree.map(lambda a: a[: options.tasks], job.data))
    try:
        compiler.compiler()
        products = options.products
        found = tm.explain(job.run, job.params, job.data, device="cuda", products=products)
        print(f"{job.name}\n{found.executed()}")
    except (compiler.Missing, RuntimeError) as error:
        p.error(f"nothing can be counted here: {error}")


if __name__ == "__main__":
    main()
