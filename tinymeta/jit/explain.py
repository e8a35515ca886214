"""`explain`: what became of a function, step by step, for whoever wants to see a compiler at work."""

import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from ..core.scope import state
from . import cache
from .chunks import Parallel
from .compile import compiled, passes
from .program import Line, Program
from .replay import Replay

SHOWN = 40  # lines of a program; the rest is cut out of the middle
COLUMNS = 48  # of the memory map


class Explained(NamedTuple):
    """What `explain` found; str() is the whole story, the fields are its parts."""

    passes: dict[str, Program]  # by name: the program after it
    replay: Replay  # what is run: of a chunk, if the program is split
    chunks: list[int]  # how many tasks each chunk has; empty if it is run whole
    seconds: float  # of tracing and compiling
    built: tuple[int, int]  # kernels compiled now, kernels from the cache
    times: dict[str, float] | None  # seconds of each kind of step, if asked for

    @property
    def kernels(self) -> Counter:
        """The source of each generated kernel, and how many steps run it."""
        return Counter(self.replay.sources())

    def __str__(self):
        parts = [self.summary()]
        parts += [
            f"== after {name}: {len(p.lines)} lines\n{shortened(str(p))}"
            for name, p in self.passes.items()
        ]
        if self.chunks:
            parts.append(f"== split\nchunks of {self.chunks} tasks; what follows is of one chunk")
        parts += [f"== steps\n{shortened(self.steps())}", f"== memory\n{shortened(self.map())}"]
        parts += [
            f"== kernel of {count} step{'s' * (count > 1)}\n{source.rstrip()}"
            for source, count in self.kernels.most_common()
        ]
        if self.times:
            parts.append(f"== times\n{self.table()}")
        return "\n\n".join(parts)

    def summary(self) -> str:
        kinds = Counter(self.replay.kinds)
        lines = " -> ".join(f"{len(p.lines)} ({name})" for name, p in self.passes.items())
        steps = ", ".join(f"{count} {name}" for name, count in kinds.most_common())
        new, old = self.built
        return (
            f"lines: {lines}\nsteps: {steps}; {len(self.kernels)} generated kernels\n"
            f"runs {self.replay.where}\n"
            f"arena: {self.replay.memory.size:,} bytes for "
            f"{sum(y.nbytes for y in self.replay.memory.begins):,} bytes of values\n"
            f"compiled in {self.seconds:.2f} s: {new} kernels new, {old} from the cache"
        )

    def steps(self) -> str:
        """One row for each step: what it stores, of what."""
        names = self.names()
        return "\n".join(
            f"{k:4}  {self.replay.kinds[k]:8}  "
            + ", ".join(f"{names[y]} {y.dtype}{y.shape}" for y in step.lines)
            + "  <-  "
            + ", ".join(names[x] for x in step.reads)
            for k, step in enumerate(self.replay.steps)
        )

    def map(self) -> str:
        """One row for each value: its bytes, where they begin, and when they are needed."""
        memory, names = self.replay.memory, self.names()
        end, rows = len(self.replay.steps), []
        for line, begin in sorted(memory.begins.items(), key=lambda item: item[1]):
            first, last = memory.lives[line]
            a, b = (int(COLUMNS * max(k, 0) / max(end, 1)) for k in (first, last))
            life = "." * a + "#" * (min(b, COLUMNS - 1) - a + 1)
            rows.append(f"{names[line]:>6}  {begin:10}  {line.nbytes:10}  {life:.<{COLUMNS}}")
        return f"{'value':>6}  {'begins':>10}  {'bytes':>10}  steps 0 to {end}\n" + "\n".join(rows)

    def table(self) -> str:
        total = sum(self.times.values())
        return "\n".join(
            f"{name:10} {1e3 * t:9.3f} ms {100 * t / total:5.1f} %"
            for name, t in sorted(self.times.items(), key=lambda item: -item[1])
        )

    def names(self) -> dict[Line, str]:
        return {line: f"v{k}" for k, line in enumerate(self.replay.program.lines)}


def explain(f: Callable, *args, times: bool = False, **kwargs) -> Explained:
    """How `jit(f)` would run for such arguments; print it.

    It shows the program after each pass as typed text with the user's lines of source and the order
    of derivative, the steps, the memory map, the generated kernels, and with `times` how long each
    kind of step takes. Raises what `jit(f)` raises.
    """
    f = getattr(f, "__wrapped__", f)
    start, before = time.perf_counter(), built()
    found = compiled(f, args, kwargs)
    seconds = time.perf_counter() - start
    if found is None:
        raise ValueError(
            "explain: the function depends on something outside that is being "
            "differentiated, so it is not compiled: call explain outside"
        )
    ready, chunks = found.replay, []
    if isinstance(ready, Parallel):
        chunks = [b - a for a, b in zip(ready.edges, ready.edges[1:])]
        ready = ready.chunks[chunks[0]]
    new = tuple(after - b for after, b in zip(built(), before))
    return Explained(
        dict(passes(found.traced.program)),
        ready,
        chunks,
        seconds,
        new,
        ready.timed() if times else None,
    )


def warmup(f: Callable, *args, **kwargs) -> str:
    """Compile all that a function made by `jit` needs for such arguments, and say what was done.

    Nothing is run. Raises ValueError for a function that is not of `jit`.
    """
    if not hasattr(f, "prepare"):
        raise ValueError(f"warmup: {f} is not compiled: pass tm.jit(f)")
    start, before = time.perf_counter(), built()
    f.prepare(*args, **kwargs)
    new, old = (after - b for after, b in zip(built(), before))
    return (
        f"{getattr(f, '__name__', f)}: {new} kernels compiled, {old} from the cache, "
        f"{time.perf_counter() - start:.2f} s"
    )


def built() -> tuple[int, int]:
    """Kernels compiled so far, and loaded from the disk, on this thread's device."""
    made = cache.made
    if state.device == "cuda":
        from ..cuda.target import kernel_counts as made  # numba.cuda is slow to import
    return made["compiled"], made["loaded"]


def shortened(text: str) -> str:
    lines = text.splitlines()
    if len(lines) <= SHOWN:
        return text
    half = SHOWN // 2
    cut = f"    ... {len(lines) - 2 * half} more ..."
    return "\n".join([*lines[:half], cut, *lines[-half:]])
