"""Run a program on the emulated GPU, with all that it needs to notice, and print what it saw.

    python -m tinymeta.ptx examples/maml_sinusoid.py --device cuda --iterations 2

At the end, to stderr, what each kernel did, and a sentence for each fault: then the exit status
is 1.
"""

import contextlib
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

from ..cuda import driver
from . import emulator, watch
from .kinds import INSTRUCTIONS


def statistics(kernels: list[emulator.KernelCounts]) -> str:
    """A table: a line for each kernel, the longest first, with its most frequent instructions."""
    head = "launches    blocks    instructions          FFMA    MB loaded    stored  kernel"
    return "\n".join([head, *map(_row, sorted(kernels, key=lambda k: -k.instructions))])


def _row(kernel: emulator.KernelCounts) -> str:
    counts = kernel.counts
    often = sorted(INSTRUCTIONS, key=lambda kind: -counts[kind])[:3]
    shares = ", ".join(f"{kind} {counts[kind] / kernel.instructions:.0%}" for kind in often)
    return (
        f"{kernel.launches:>8,}{kernel.blocks:>10,}{kernel.instructions:>16,}{counts['ffma']:>14,}"
        f"{counts['bytes loaded'] / 1e6:>13.2f}{counts['bytes stored'] / 1e6:>10.2f}  "
        f"{emulator.readable(kernel.name)}: {shares}"
    )


def main(arguments: list[str]) -> int:
    """Run arguments[0] with the others as its own; the exit status."""
    gpu = emulator.start()
    watch.watch_pool(gpu, SimpleNamespace(setattr=setattr))
    sys.argv = arguments
    sys.path.insert(0, str(Path(arguments[0]).parent))
    runpy.run_path(arguments[0], run_name="__main__")
    with contextlib.suppress(driver.DriverError):  # its cause is among the faults
        driver.current().synchronize()
    faults = gpu.faults()
    print(statistics(gpu.statistics()), *faults, sep="\n", file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
