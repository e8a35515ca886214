"""How long a GPU would take for what kernels do, by a model of which all assumptions are here.

    time of a launch = launch + max(computing, bytes / bandwidth)
    computing = max(instructions / rate, warps' products / rate, their shared bytes / rate)

- A multiprocessor begins 128 instructions a clock, for 4 times 32 threads, and never waits: neither
  for memory nor at a barrier. Blocks are spread evenly; where there are fewer of them than
  multiprocessors, the others are idle.
- A warp's matrix product in TF32, of 1,024 multiplications, takes a multiprocessor one clock: the
  rate of the H100's data sheet, 494 TFLOP/s without sparsity, of which a warp alone may reach less
  (Luo et al., Dissecting the NVIDIA Hopper Architecture, 2025). What such a kernel loads from
  shared memory and stores there takes a clock for 128 bytes. Other kernels multiply so slowly that
  this is not their limit, and their threads share a load of one number.
- An instruction of PTX is one of the GPU's, but for moves and reads of parameters, which its
  assembler takes away, divisions, of which it makes ten (it makes 9 of a remainder, 10 to 18 of a
  quotient, 11 of a float32's square root), and roundings to TF32, of which it makes three. Address
  arithmetic that it folds into loads is counted too often.
- All bytes come from the GPU's memory: what caches save is not known. So of a product the bytes
  are an upper bound. `each_byte_once` is the other end: caches save all but the first time.
- Launches of a kernel are all like their mean. In the table none overlaps another.

It tells which kernels to look at, and whether a change makes fewer instructions; not what a clock
would say.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .emulator import KernelCounts
from .registers import Registers
from .schedule import Load, longest_chain, scheduled

_TAKEN_AWAY = ("move", "parameter")  # kinds of instructions that the assembler removes
_DIVISION, _ROUNDING = 10, 3  # instructions that it makes of one
_WARP = 32


class Gpu(NamedTuple):
    """What its data sheet says. clock: ticks a second; threads: that begin one at a tick.

    shared: bytes of a multiprocessor's shared memory in a tick. products: of warps, in TF32, there.
    """

    name: str
    multiprocessors: int
    clock: float
    threads: int
    bandwidth: float  # bytes a second
    launch: float  # seconds, inside of a graph: believed, not on the data sheet
    shared: float = 128
    products: float = 1


H100 = Gpu("H100 SXM", 132, 1.755e9, 128, 3.35e12, 1.5e-6)


def issued(kernel: KernelCounts) -> int:
    """The instructions of all its threads that the assembler leaves or makes."""
    removed = sum(kernel.counts[kind] for kind in _TAKEN_AWAY)
    made = (_DIVISION - 1) * kernel.counts["division"]
    made += (_ROUNDING - 1) * kernel.counts["round to tf32"]
    return kernel.instructions - removed + made


def moved(kernel: KernelCounts) -> int:
    """The bytes that its threads load and store."""
    return kernel.counts["bytes loaded"] + kernel.counts["bytes stored"]


def predicted_seconds(kernel: KernelCounts, gpu: Gpu = H100) -> float:
    """Of all its launches together, by the model above."""
    return kernel.launches * gpu.launch + max(
        _computing(kernel, gpu), moved(kernel) / gpu.bandwidth
    )


def _computing(kernel: KernelCounts, gpu: Gpu) -> float:
    """Seconds in which instructions are begun and warps multiply, in all its launches together."""
    clocks = issued(kernel) / gpu.threads
    if products := kernel.counts["matrix product"]:
        shared = kernel.counts["bytes shared"] / gpu.shared
        clocks = max(clocks, products / _WARP / gpu.products, shared)
    return clocks / (_busy(kernel, gpu) * gpu.clock)


def _busy(kernel: KernelCounts, gpu: Gpu) -> float:
    """How many multiprocessors one of its launches keeps busy."""
    return min(kernel.blocks / kernel.launches, gpu.multiprocessors)


def _load_of(kernel: KernelCounts, gpu: Gpu = H100) -> Load:
    """What one of its launches takes of the GPU."""
    computing, moving = _computing(kernel, gpu), moved(kernel) / gpu.bandwidth
    seconds = max(computing, moving) / kernel.launches
    share = _busy(kernel, gpu) / gpu.multiprocessors
    return Load(seconds, share, moving / max(computing, moving))


class Counted(NamedTuple):
    """A kernel in the table. shared_bytes: of a block; None where they are not known."""

    title: str
    did: KernelCounts
    shared_bytes: int | None = None
    registers: Registers | None = None


_HEAD = (
    "launches    blocks  shared registers  instructions          FFMA  share   products"
    "   MB loaded    stored        us  kernel"
)


def table(kernels: Sequence[Counted], gpu: Gpu = H100) -> str:
    """A line for each kernel, the one that takes longest first, and one for all of them.

    products: of whole warps, in TF32.
    """
    ordered = sorted(kernels, key=lambda kernel: -predicted_seconds(kernel.did, gpu))
    rows = [
        _row(k.title, [k.did], _known(k.shared_bytes), _known(k.registers), gpu) for k in ordered
    ]
    total = _row(f"in all, on {gpu.name}", [k.did for k in kernels], "", "", gpu)
    return "\n".join([_HEAD, *rows, total])


def _known(number: object) -> str:
    return "?" if number is None else str(number)


def each_byte_once(kernel: KernelCounts, nbytes: int) -> KernelCounts:
    """As if caches saved all but the first time. nbytes: of its arrays' elements, in all launches.

    What its threads do not touch of these is not moved, so no more than was counted.
    """
    once = {"bytes loaded": min(moved(kernel), nbytes), "bytes stored": 0}
    return kernel._replace(counts={**kernel.counts, **once})


def _row(title: str, kernels: list[KernelCounts], shared: str, registers: str, gpu: Gpu) -> str:
    def total(kind: str) -> int:
        return sum(kernel.counts[kind] for kernel in kernels)

    instructions, ffma = sum(map(issued, kernels)), total("ffma")
    products = total("matrix product") // _WARP
    seconds = sum(predicted_seconds(kernel, gpu) for kernel in kernels)
    return (
        f"{sum(k.launches for k in kernels):>8,}{sum(k.blocks for k in kernels):>10,}"
        f"{shared:>8}{registers:>10}{instructions:>14,}{ffma:>14,}"
        f"{ffma / max(instructions, 1):>7.0%}{products:>11,}"
        f"{total('bytes loaded') / 1e6:>12.2f}{total('bytes stored') / 1e6:>10.2f}"
        f"{1e6 * seconds:>10.1f}  "
        f"{title if len(title) <= 60 else f'{title[:57]}...'}"
    )


def graph_line(
    kernels: Iterable[KernelCounts],
    order: Sequence[str],
    needs: Sequence[Sequence[int]],
    nbytes: Sequence[int],
    gpu: Gpu = H100,
) -> str:
    """The time of a graph. Of each launch: order, its kernel's name; needs, others; nbytes."""
    once: Counter[str] = Counter()
    for name, size in zip(order, nbytes):
        once[name] += size

    def microseconds(kernels: Iterable[KernelCounts]) -> float:
        loads = {kernel.name: _load_of(kernel, gpu) for kernel in kernels}
        return 1e6 * scheduled([loads[name] for name in order], needs, gpu.launch)

    kernels = list(kernels)
    with_caches = microseconds(each_byte_once(kernel, once[kernel.name]) for kernel in kernels)
    return (
        f"as a graph: {microseconds(kernels):.1f} us, or {with_caches:.1f} us if caches save each "
        f"byte but the first time; of its {len(order)} launches {longest_chain(needs)} at most "
        "need one another"
    )
