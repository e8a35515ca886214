"""What `explain` found of a function: the compiler's program, step by step, as text and page."""

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core import tree
from ..core.checks import check_instance
from ..explorer.page import write_page
from .chunks import ChunkedReplay, Execution
from .compile import compile_for, run_passes
from .described import Described, describe, has_inner_scopes, traced_names
from .listing import largest_text, map_text, plan_text, program_text, steps_text
from .page_data import page_data
from .program import Equation, Program
from .replay import Replay
from .story import story
from .timing import time_steps
from .trace import as_own_array, leaf_array
from .values import ValueStatistics, value_statistics
from .warmup import kernels_built, kernels_built_since

if TYPE_CHECKING:
    from .graph import Launches


class Explained(NamedTuple):
    """What `explain` found; str() tells it on one screen, `text()` shows all of it.

    `save` writes a page to explore it.
    """

    name: str  # of the function
    passes: dict[str, Program]  # by name: the program after it
    parts: "dict[str, Replay | Launches]"  # all that is run: "whole", or "before", "chunk", "after"
    replay: "Replay | Launches"  # of a chunk, if the program is split
    execution: Execution  # in words: how it is run, and why much of it is not cut up, if so
    groups: list[list[int]]  # of chunks, by their tasks, that a thread takes; none if run whole
    threads: int  # that take them
    seconds: float  # of tracing and compiling
    built: tuple[int, int]  # kernels compiled now, kernels loaded from the disk
    step_seconds: list[float] | None  # of each step of `replay`, if asked for
    values: dict[Equation, ValueStatistics] | None  # of each traced equation, if asked for
    count_executed: Callable[[], str] | None  # of a dry run: see `executed`

    @property
    def chunks(self) -> list[int]:
        """How many tasks each chunk has; empty if it is run whole."""
        return [size for group in self.groups for size in group if size]

    @property
    def kernels(self) -> Counter:
        """The source of each generated kernel of `replay`, and how many steps run it."""
        return Counter(source for sources in self.replay.sources().values() for source in sources)

    @property
    def times(self) -> dict[str, float] | None:
        """Seconds of each kind of step, if asked for."""
        if self.step_seconds is None:
            return None
        times: dict[str, float] = {}
        for kind, seconds in zip(self.replay.kinds, self.step_seconds):
            times[kind] = times.get(kind, 0.0) + seconds
        return times

    def sources(self) -> list[str]:
        """The generated kernels of all parts, each once, those that most steps run first."""
        counts = Counter(
            source
            for replay in self.parts.values()
            for sources in replay.sources().values()
            for source in sources
        )
        return [source for source, _ in counts.most_common()]

    def equations(self) -> list[Described]:
        """Every equation that is run, with its order, scope, cause, steps, kernels and bytes."""
        return describe(self.parts, self.sources(), self.passes["trace"])

    def __str__(self) -> str:
        launches = self.launches()
        return f"{story(self)}\n\n== launches\n{launches}" if launches else story(self)

    def text(self) -> str:
        """All of it: the program after each pass, steps, memory, kernels; nothing is cut."""
        trace = self.passes["trace"]
        names, nested = traced_names(trace), has_inner_scopes(trace)
        texts = [self.summary()]
        for name, program in self.passes.items():
            listing = program_text(program, names, nested)
            texts.append(f"== after {name}: {len(program.equations)} equations\n{listing}")
        if self.chunks:
            texts.append(f"== split\nchunks of {self.chunks} tasks; `chunk` is of one of them")
        rows = self.equations()
        for part, replay in self.parts.items():
            here = [row for row in rows if row.part == part]
            texts.append(f"== equations, {part}: {len(here)}\n{plan_text(here)}")
            texts.append(f"== steps, {part}\n{steps_text(replay)}")
            texts.append(f"== memory, {part}: {replay.memory.size} bytes\n{map_text(replay)}")
            texts.append(f"== largest values, {part}, at the peak\n{largest_text(replay)}")
        if launches := self.launches():
            texts.append(f"== launches\n{launches}")
            texts.append(f"== executed\n{self.executed()}")
        counts = self.kernels
        for k, source in enumerate(self.sources()):
            plural = "" if counts[source] == 1 else "s"
            header = f"== kernel {k} of {counts[source]} step{plural}"
            texts.append(f"{header}\n{source.rstrip()}")
        if self.times:
            texts.append(f"== times\n{self.table()}")
        if self.values:
            lines = [f"{names[eqn.number]:>6}  {found}" for eqn, found in self.values.items()]
            texts.append("\n".join(["== values", *lines]))
        return "\n\n".join(texts)

    def save(self, path: Any, label: str = "exact", **others: "Explained") -> Path:
        """Write one page of HTML that shows the graph, the passes, the memory and the chunks.

        It opens from the file, in any browser, and asks for nothing else. others: what was
        explained besides, to switch to and compare with: `first_order=tm.explain(..)`. label: the
        name of this one there. Returns the path. Raises OSError, TypeError for another that is not
        of `explain`, and ValueError for a label that one of the others has.
        """
        check_instance("save", Explained, "of tm.explain", **others)
        named = {name.replace("_", " "): found for name, found in others.items()}
        if label in named:
            raise ValueError(
                f"save: two programs are named {label!r}: pass label= another name for this one"
            )
        write_page(path, page_data({label: self} | named))
        return Path(path)

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
        return steps_text(self.replay)

    def map(self) -> str:
        """One line for each materialized value: its bytes, where they begin, and when it lives."""
        return map_text(self.replay)

    def largest(self) -> str:
        """What lies in the arena when it is fullest: a line for each of the largest values."""
        return largest_text(self.replay)

    def launches(self) -> str:
        """One line for each kernel: its launches on the GPU of a dry run; else ""."""
        table = getattr(self.replay, "launch_table", None)
        return table() if table else ""

    def executed(self) -> str:
        """Of a dry run, a line for each kernel: what one call executes; else "".

        Launches, blocks, bytes of shared memory and registers; instructions, FFMA, bytes loaded and
        stored; and a predicted time, with its assumptions. For this every thread of the program
        goes its way once, as PTX on the CPU, and computes only what decides it: seconds. Where
        numbers in memory decide, as in max pooling, all is computed: minutes for ten GFLOP. Needs
        gcc; without it a sentence says so.
        """
        return self.count_executed() if self.count_executed else ""

    def table(self) -> str:
        """One line for each kind of step: its time and its share; "" if no times were asked for."""
        times = self.times or {}
        total, lines = sum(times.values()), []
        for name, seconds in sorted(times.items(), key=lambda item: -item[1]):
            lines.append(f"{name:10} {1e3 * seconds:9.3f} ms {100 * seconds / total:5.1f} %")
        return "\n".join(lines)


def explained(f: Callable, args: tuple, kwargs: dict, times: bool, values: bool) -> Explained:
    """`f` compiled for these arguments, and looked at; raises what `explain` raises."""
    f = getattr(f, "__wrapped__", f)
    start, built_before = time.perf_counter(), kernels_built()
    found = compile_for(f, args, kwargs)
    seconds = time.perf_counter() - start
    if found is None:
        raise ValueError(
            "explain: the function depends on something outside that is being "
            "differentiated, so it is not compiled: call explain outside"
        )
    replay: Any = found.replay
    parts = {"whole": replay}
    groups: list[list[int]] = []
    threads = 1
    if isinstance(replay, ChunkedReplay):
        whole, threads = replay, replay.threads
        sizes = [end - begin for begin, end in zip(whole.bounds, whole.bounds[1:])]
        per_group = len(sizes) // whole.groups
        groups = [sizes[k : k + per_group] for k in range(0, len(sizes), per_group)]
        replay = whole.chunks[next(filter(None, sizes))]
        found_parts = {"before": whole.before, "chunk": replay, "after": whole.after}
        parts = {name: part for name, part in found_parts.items() if part}
    traced = found.traced
    flat = [as_own_array(x) for x in tree.leaves((args, kwargs))]
    arrays = [leaf_array(flat[k], dtype) for k, dtype in traced.input_leaves]
    return Explained(
        name=getattr(f, "__name__", type(f).__name__),
        passes=dict(run_passes(found.traced.program)),
        parts=parts,
        replay=replay,
        execution=found.execution,
        groups=groups,
        threads=threads,
        seconds=seconds,
        built=kernels_built_since(built_before),
        step_seconds=time_steps(replay.step_calls()) if times else None,
        values=value_statistics(traced.program, arrays) if values else None,
        count_executed=_counting(f, args, kwargs, replay),
    )


def _counting(f: Callable, args: tuple, kwargs: dict, replay: Any) -> Callable[[], str] | None:
    """What counts the instructions of a dry run."""
    if not getattr(replay, "is_dry_run", False):
        return None
    from .executed import executed_text  # it needs what a GPU needs

    return partial(executed_text, f, args, kwargs, replay)
