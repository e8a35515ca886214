"""`explain`: what the compiler made of a function, step by step; `warmup`: compile beforehand."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.scope import setting, state
from . import cache
from .chunks import ChunkedReplay, Execution
from .compile import compile_for, run_passes
from .memory import Memory
from .program import Equation, Program
from .replay import Replay
from .timing import time_by_kind

if TYPE_CHECKING:
    from .graph import Launches

_SHOWN = 40  # lines of a listing; the rest is left out of the middle
_COLUMNS = 48  # of the memory map
_LARGEST = 12  # values that are listed


class Explained(NamedTuple):
    """What `explain` found; str() is the whole report, the fields are its parts."""

    passes: dict[str, Program]  # by name: the program after it
    replay: "Replay | Launches"  # what is run: of a chunk, if the program is split
    execution: Execution  # in words: how it is run, and why much of it is not cut up, if so
    chunks: list[int]  # how many tasks each chunk has; empty if it is run whole
    seconds: float  # of tracing and compiling
    built: tuple[int, int]  # kernels compiled now, kernels loaded from the disk
    times: dict[str, float] | None  # seconds of each kind of step, if asked for

    @property
    def kernels(self) -> Counter:
        """The source of each generated kernel, and how many steps run it."""
        return Counter(self.replay.sources())

    def __str__(self) -> str:
        parts = [self.summary()]
        for name, program in self.passes.items():
            count = len(program.equations)
            parts.append(f"== after {name}: {count} equations\n{_shortened(str(program))}")
        if self.chunks:
            parts.append(f"== split\nchunks of {self.chunks} tasks; what follows is of one chunk")
        parts.append(f"== steps\n{_shortened(self.steps())}")
        parts.append(f"== memory\n{_shortened(self.map())}")
        if launches := self.launches():
            parts.append(f"== launches\n{launches}")
        parts.append(f"== largest values when most is stored\n{self.largest()}")
        for source, count in self.kernels.most_common():
            plural = "s" if count > 1 else ""
            parts.append(f"== kernel of {count} step{plural}\n{source.rstrip()}")
        if self.times:
            parts.append(f"== times\n{self.table()}")
        return "\n\n".join(parts)

    def summary(self) -> str:
        """Counts of equations, steps, kernels and bytes, and the time to compile."""
        counts = [f"{len(p.equations)} ({name})" for name, p in self.passes.items()]
        kinds = Counter(self.replay.kinds).most_common()
        steps = ", ".join(f"{count} {name}" for name, count in kinds)
        memory = self.replay.memory
        value_bytes = sum(y.nbytes for y in memory.offsets)
        new, old = self.built
        return (
            f"equations: {' -> '.join(counts)}\n"
            f"steps: {steps}; {len(self.kernels)} generated kernels\n"
            f"runs {self.replay.where}, {self.execution}\n"
            f"arena: {memory.size:,} bytes for {value_bytes:,} bytes of values\n"
            f"compiled in {self.seconds:.2f} s: {new} kernels new, {old} from the cache"
        )

    def steps(self) -> str:
        """One line for each step: what it stores and what it reads."""
        names, lines = self.names(), []
        for k, step in enumerate(self.replay.steps):
            stores = ", ".join(f"{names[y]} {y.dtype}{y.shape}" for y in step.results)
            reads = ", ".join(names[x] for x in step.reads)
            lines.append(f"{k:4}  {self.replay.kinds[k]:8}  {stores}  <-  {reads}")
        return "\n".join(lines)

    def map(self) -> str:
        """One line for each stored value: its bytes, where they begin, and when it lives."""
        memory, names = self.replay.memory, self.names()
        end = len(self.replay.steps)
        lines = [f"{'value':>6}  {'begins':>10}  {'bytes':>10}  steps 0 to {end}"]
        for eqn, begin in sorted(memory.offsets.items(), key=lambda item: item[1]):
            first, last = (_column(k, end) for k in memory.lifetimes[eqn])
            life = "." * first + "#" * (min(last, _COLUMNS - 1) - first + 1)
            place = "outside" if eqn in memory.outside else begin
            line = f"{names[eqn]:>6}  {place:>10}  {eqn.nbytes:10}  {life:.<{_COLUMNS}}"
            lines.append(line)
        return "\n".join(lines)

    def largest(self) -> str:
        """What is stored when most bytes are: a line for each of the largest, with its origin."""
        memory, names = self.replay.memory, self.names()
        step = _fullest_step(memory)
        living = [x for x, (first, last) in memory.lifetimes.items() if first <= step <= last]
        living.sort(key=lambda x: -x.nbytes)
        lines = [f"step {step}: {sum(x.nbytes for x in living):,} bytes in {len(living)} values"]
        for x in living[:_LARGEST]:
            over = memory.slides.get(x)
            place = f", written over {names[over]}" if over in living else ""
            if x in memory.outside:
                place = ", where the caller has it"
            type_ = f"{x.dtype}{x.shape}"
            lines.append(f"{names[x]:>6}  {x.nbytes:>13,}  {x.op} {type_}{place}  {x.location}")
        return "\n".join(lines)

    def launches(self) -> str:
        """One line for each kernel: its launches on the GPU of a dry run; else ""."""
        table = getattr(self.replay, "launch_table", None)
        return table() if table else ""

    def table(self) -> str:
        """One line for each kind of step: its time and its share; "" if no times were asked for."""
        times = self.times or {}
        total, lines = sum(times.values()), []
        for name, seconds in sorted(times.items(), key=lambda item: -item[1]):
            lines.append(f"{name:10} {1e3 * seconds:9.3f} ms {100 * seconds / total:5.1f} %")
        return "\n".join(lines)

    def names(self) -> dict[Equation, str]:
        """The name of each equation in this text."""
        return {eqn: f"v{k}" for k, eqn in enumerate(self.replay.program.equations)}


def _fullest_step(memory: Memory) -> int:
    """The step at which most bytes of values live."""
    changes: Counter = Counter()
    for x, (first, last) in memory.lifetimes.items():
        changes[first] += x.nbytes
        changes[last + 1] -= x.nbytes
    steps = sorted(changes)
    living = itertools.accumulate(changes[k] for k in steps)
    return max(zip(living, steps), default=(0, 0))[1]


def _column(step: int, end: int) -> int:
    """Where a step is in the memory map."""
    return int(_COLUMNS * max(step, 0) / max(end, 1))


def explain(
    f: Callable, *args: Any, times: bool = False, device: str | None = None, **kwargs: Any
) -> Explained:
    """How `jit(f)` would run for such arguments; print it.

    It shows the program after each pass as typed text with the user's lines of source and the order
    of derivative, the steps, the memory map, the largest values, the generated kernels, and with
    `times` how long each kind of step takes. device="cuda": how it would run on a GPU of sm_90,
    which need not be here: its launches with their blocks, threads, shared memory and bytes.

    Raises what `jit(f)` raises, ValueError for a function that depends on something outside that is
    being differentiated, and for another device, RuntimeError where kernels cannot be compiled for
    a GPU.
    """
    if device is not None:
        if times or device != "cuda":
            raise ValueError(
                f'explain: device={device!r}, times={times}: pass device="cuda" alone, a '
                "dry run in which nothing is timed, or None for the device in use"
            )
        with _dry_run():
            return explain(f, *args, **kwargs)
    f = getattr(f, "__wrapped__", f)
    start, built_before = time.perf_counter(), _kernels_built()
    found = compile_for(f, args, kwargs)
    seconds = time.perf_counter() - start
    if found is None:
        raise ValueError(
            "explain: the function depends on something outside that is being "
            "differentiated, so it is not compiled: call explain outside"
        )
    replay: Any = found.replay
    chunks: list[int] = []
    if isinstance(replay, ChunkedReplay):
        sizes = [end - begin for begin, end in zip(replay.bounds, replay.bounds[1:])]
        chunks = [size for size in sizes if size]
        replay = replay.chunks[chunks[0]]
    return Explained(
        passes=dict(run_passes(found.traced.program)),
        replay=replay,
        execution=found.execution,
        chunks=chunks,
        seconds=seconds,
        built=_kernels_built_since(built_before),
        times=time_by_kind(replay.step_calls()) if times else None,
    )


@contextmanager
def _dry_run() -> Iterator[None]:
    """A `with` block compiles for a GPU that need not be here. Raises RuntimeError."""
    from ..cuda import driver  # numba.cuda is slow to import
    from ..cuda.dry_run import DryRunDriver

    if (reason := driver.has_compiler()) is not True:
        raise RuntimeError(f"explain: {reason}")
    with setting(device="cuda"), driver.replaced_by(DryRunDriver()):
        yield


def warmup(f: Callable, *args: Any, **kwargs: Any) -> str:
    """Compile all that a function made by `jit` needs for such arguments, and say what was done.

    Nothing is run. Raises ValueError for a function that is not of `jit`.
    """
    if not hasattr(f, "prepare"):
        raise ValueError(f"warmup: {f} is not compiled: pass tm.jit(f)")
    start, built_before = time.perf_counter(), _kernels_built()
    f.prepare(*args, **kwargs)
    seconds = time.perf_counter() - start
    new, old = _kernels_built_since(built_before)
    name = getattr(f, "__name__", f)
    return f"{name}: {new} kernels compiled, {old} from the cache, {seconds:.2f} s"


def _kernels_built() -> tuple[int, int]:
    """Kernels compiled so far, and loaded from the disk, on this thread's device."""
    counts = cache.counts
    if state.device != "cpu":
        from ..cuda.target import kernel_counts as counts  # numba.cuda is slow to import
    return counts["compiled"], counts["loaded"]


def _kernels_built_since(before: tuple[int, int]) -> tuple[int, int]:
    new, old = _kernels_built()
    return new - before[0], old - before[1]


def _shortened(text: str) -> str:
    """A listing without the middle of it, if it is long."""
    lines = text.splitlines()
    if len(lines) <= _SHOWN:
        return text
    half = _SHOWN // 2
    cut = f"    ... {len(lines) - 2 * half} more ..."
    return "\n".join([*lines[:half], cut, *lines[-half:]])
