"""What a step does on a GPU, kernel by kernel, counted without one, and a time that this predicts.

    python -m benchmarks.gpu_model                      # of conv4's step; minutes
    python -m benchmarks.gpu_model conv --tasks 4       # another work, on few of its tasks

The work is compiled as for a GPU and run once: its PTX, on the CPU, by the emulator of
tests/cuda/ptx, which counts every instruction and every byte that a thread loads or stores. These
are facts, the same on each machine. The time is a model's, `predicted_seconds`, for one GPU:

    time of a launch = launch + max(instructions / rate, bytes / bandwidth)

- A multiprocessor begins 128 instructions a clock, for 4 times 32 threads, and never waits: neither
  for memory nor at a barrier. Blocks are spread evenly; where there are fewer of them than
  multiprocessors, the others are idle.
- An instruction of PTX is one of the GPU's, but for moves and reads of parameters, which its
  assembler takes away, and divisions, of which it makes ten (it makes 9 of a remainder, 10 to 18 of
  a quotient, 11 of a float32's square root). Address arithmetic that it folds into loads is counted
  too often.
- All bytes come from the GPU's memory: what caches save is not known. So of a product the bytes
  are an upper bound.
- Launches of a kernel are all like their mean. In the table none overlaps another.

Registers are those of a thread, as NVIDIA's ptxas tells them; "?" where it is not installed. The
last line is the same launches as the graph that they are, each begun when those are done that
it needs and there is room for it (gpu_schedule.py).

It tells which kernels to look at, and whether a change makes fewer instructions; not what a clock
would say. Needs gcc and a compiler for GPUs (README.md, "On a GPU").
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import tinymeta as tm
from tinymeta.cuda import driver
from tinymeta.cuda.launch import GpuKernel

from . import work
from .gpu_registers import registers
from .gpu_schedule import Load, longest_chain, scheduled

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "cuda"))
from ptx import compiler, emulator

TAKEN_AWAY = ("move", "parameter")  # kinds of instructions that the assembler removes
DIVISION = 10  # instructions that it makes of one


class Gpu(NamedTuple):
    """What its data sheet says. clock: of a second; threads: that begin an instruction a clock."""

    name: str
    multiprocessors: int
    clock: float
    threads: int
    bandwidth: float  # bytes a second
    launch: float  # seconds, inside of a graph: believed, not on the data sheet


H100 = Gpu("H100 SXM", 132, 1.755e9, 128, 3.35e12, 1.5e-6)


def issued(kernel: emulator.KernelCounts) -> int:
    """The instructions of all its threads that the assembler leaves or makes."""
    removed = sum(kernel.counts[kind] for kind in TAKEN_AWAY)
    return kernel.instructions - removed + (DIVISION - 1) * kernel.counts["division"]


def moved(kernel: emulator.KernelCounts) -> int:
    """The bytes that its threads load and store."""
    return kernel.counts["bytes loaded"] + kernel.counts["bytes stored"]


def predicted_seconds(kernel: emulator.KernelCounts, gpu: Gpu = H100) -> float:
    """Of all its launches together, by the model above."""
    return kernel.launches * gpu.launch + max(
        _computing(kernel, gpu), moved(kernel) / gpu.bandwidth
    )


def _computing(kernel: emulator.KernelCounts, gpu: Gpu) -> float:
    """Seconds in which instructions are begun, in all its launches together."""
    return issued(kernel) / (_busy(kernel, gpu) * gpu.threads * gpu.clock)


def _busy(kernel: emulator.KernelCounts, gpu: Gpu) -> float:
    """How many multiprocessors one of its launches keeps busy."""
    return min(kernel.blocks / kernel.launches, gpu.multiprocessors)


def load_of(kernel: emulator.KernelCounts, gpu: Gpu = H100) -> Load:
    """What one of its launches takes of the GPU."""
    computing, moving = _computing(kernel, gpu), moved(kernel) / gpu.bandwidth
    seconds = max(computing, moving) / kernel.launches
    share = _busy(kernel, gpu) / gpu.multiprocessors
    return Load(seconds, share, moving / max(computing, moving))


def count_step(job: work.Work) -> dict[str, emulator.KernelCounts]:
    """What each kernel did in one replay of a compiled work, by a name that tells it from others.

    Raises compiler.Missing without gcc, RuntimeError where GPU kernels cannot be compiled.
    """
    gpu = emulator.start()
    if (reason := tm.devices()["cuda"]) is not True:
        raise RuntimeError(str(reason))
    gpu.configure(races=0, thread_order=emulator.FORWARD)
    with _identities() as identities, tm.device("cuda"):
        compiled = tm.jit(job.run)
        compiled.prepare(job.params, job.data)  # runs none of it
        driver.current().synchronize()
        gpu.forget_statistics()
        compiled(job.params, job.data)
        driver.current().synchronize()
    named = {}
    for kernel in gpu.statistics():
        short = emulator.readable(kernel.name).removeprefix("tinymeta.cuda.")
        short = short.replace("._3clocals_3e.kernel", "")  # the mangled <locals>
        named[f"{short} {identities.get(kernel.name, '')}".strip()] = kernel
    return named


def dry_run(job: work.Work) -> Any:
    """The step's launches for a GPU that is not here: their kernels, and what each needs."""
    return tm.explain(job.run, job.params, job.data, device="cuda").replay


def graph_line(replay: Any, kernels: dict[str, emulator.KernelCounts], gpu: Gpu = H100) -> str:
    """The time of the step's graph; replay: of `dry_run`."""
    loads = {kernel.name: load_of(kernel, gpu) for kernel in kernels.values()}
    works = [loads[launch.kernel.entry] for launch in replay.recording.launches]
    seconds = scheduled(works, replay.needs, gpu.launch)
    chain = longest_chain(replay.needs)
    return (
        f"as a graph: {1e6 * seconds:.1f} us; of its {len(works)} launches {chain} at most "
        "need one another"
    )


def registers_of(replay: Any) -> dict[str, int]:
    """By the names of kernels in PTX: registers of a thread; {} where ptxas is missing."""
    texts = {launch.kernel.text: launch.kernel.entry for launch in replay.recording.launches}
    return {texts[text]: count for text, count in registers(texts).items()}


@contextmanager
def _identities() -> Iterator[dict[str, str]]:
    """What tells kernels of one name apart, by their names in PTX; of loops their source does."""
    found: dict[str, str] = {}
    original = GpuKernel.ptx

    def recording(self: GpuKernel, *args: object) -> str:
        text = original(self, *args)
        found[driver.entry_name(text)] = "" if "\n" in self.identity else self.identity
        return text

    GpuKernel.ptx = recording
    try:
        yield found
    finally:
        GpuKernel.ptx = original


def table(
    kernels: dict[str, emulator.KernelCounts],
    gpu: Gpu = H100,
    registers: Mapping[str, int] = MappingProxyType({}),
) -> str:
    """A line for each kernel, the one that takes longest first, and one for all of them.

    registers: of a thread, by the kernel's name in PTX, if they are known.
    """
    head = "launches   blocks  instructions   FFMA       MB       us  registers  kernel"
    rows = sorted(kernels.items(), key=lambda item: -predicted_seconds(item[1], gpu))
    lines = [head]
    for name, kernel in rows:
        lines.append(_row(name, [kernel], gpu, str(registers.get(kernel.name, "?"))))
    return "\n".join([*lines, _row(f"in all, on {gpu.name}", list(kernels.values()), gpu)])


def _row(name: str, kernels: list[emulator.KernelCounts], gpu: Gpu, registers: str = "") -> str:
    instructions = sum(map(issued, kernels))
    ffma = sum(k.counts["ffma"] for k in kernels)
    seconds = sum(predicted_seconds(k, gpu) for k in kernels)
    return (
        f"{sum(k.launches for k in kernels):>8,} {sum(k.blocks for k in kernels):>8,} "
        f"{instructions:>13,} {ffma / max(instructions, 1):>6.0%} "
        f"{sum(map(moved, kernels)) / 1e6:>8.1f} {1e6 * seconds:>8.1f} {registers:>10}  {name}"
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the command; SystemExit with a message where nothing can be counted."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_model",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("work", nargs="?", default="conv4", choices=work.WORKS, metavar="work")
    p.add_argument("--tasks", type=int, help="only so many of its tasks (all)")
    options = p.parse_args(arguments)
    job = work.WORKS[options.work]()
    if options.tasks is not None and isinstance(job.data, tm.Tasks):
        job = job._replace(data=tm.tree.map(lambda a: a[: options.tasks], job.data))
    try:
        kernels, replay = count_step(job), dry_run(job)
        told = table(kernels, registers=registers_of(replay))
        print(f"{job.name}\n{told}\n{graph_line(replay, kernels)}")
    except (compiler.Missing, RuntimeError) as error:
        p.error(f"nothing can be counted here: {error}")


if __name__ == "__main__":
    main()
