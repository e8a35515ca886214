"""What the compiler made, as text, nothing cut: programs, steps, the memory map.

In: a program or a plan. Out: a line for each equation, step, or materialized value. The names are
v0, v1, .. in the order of that program; t0, t1, .. are of the trace and hold for all passes.
"""

from typing import TYPE_CHECKING

from .described import Described, origin_text
from .program import Equation, Program
from .story import peak

if TYPE_CHECKING:
    from .graph import Launches
    from .replay import Replay

_COLUMNS = 48  # of the memory map
_LARGEST = 12  # values that are listed


def program_text(program: Program, traced: dict[int, str], nested: bool) -> str:
    """As `str(program)`, with the origin of each equation behind it. traced: names by number."""
    *lines, last = str(program).splitlines()
    rows = [
        f"{line}  {origin_text(eqn, traced, nested)}" for line, eqn in zip(lines, program.equations)
    ]
    return "\n".join([*rows, last])


def plan_text(rows: list[Described]) -> str:
    """One line for each equation that is run: its steps, their kernels, its bytes of the arena."""
    lines = []
    for row in rows:
        steps = f"step {' '.join(map(str, row.steps))}" if row.steps else "no step"
        kernels = "".join(f" kernel {k}" for k in row.kernels)
        place = f"  bytes {row.begin}..{row.begin + row.nbytes}" if row.begin >= 0 else ""
        origin = f"order {row.order}  [{row.scope}]  from {' '.join(row.descends)}"
        lines.append(f"{row.name:>6} = {row.eqn.op:14} {steps}{kernels}{place}  # {origin}")
    return "\n".join(lines)


def steps_text(replay: "Replay | Launches") -> str:
    """One line for each step: what it stores and what it reads."""
    names, lines = _value_names(replay.program), []
    for k, step in enumerate(replay.steps):
        stores = ", ".join(f"{names[y]} {y.dtype}{y.shape}" for y in step.results)
        reads = ", ".join(names[x] for x in step.reads)
        lines.append(f"{k:4}  {replay.kinds[k]:8}  {stores}  <-  {reads}")
    return "\n".join(lines)


def map_text(replay: "Replay | Launches") -> str:
    """One line for each materialized value: its bytes, where they begin, and when it lives."""
    memory, names = replay.memory, _value_names(replay.program)
    end = len(replay.steps)
    lines = [f"{'value':>6}  {'begins':>10}  {'bytes':>10}  steps 0 to {end}"]
    for eqn, begin in sorted(memory.offsets.items(), key=lambda item: item[1]):
        first, last = (_column(k, end) for k in memory.lifetimes[eqn])
        life = "." * first + "#" * (min(last, _COLUMNS - 1) - first + 1)
        place = "outside" if eqn in memory.outside else begin
        line = f"{names[eqn]:>6}  {place:>10}  {eqn.nbytes:10}  {life:.<{_COLUMNS}}"
        lines.append(line)
    return "\n".join(lines)


def largest_text(replay: "Replay | Launches") -> str:
    """What lies in the arena when it is fullest: a line for each of the largest, its origin."""
    memory, names = replay.memory, _value_names(replay.program)
    step, living = peak(memory)
    living.sort(key=lambda x: -x.nbytes)
    lines = [f"step {step}: {sum(x.nbytes for x in living):,} bytes in {len(living)} values"]
    for x in living[:_LARGEST]:
        over = memory.slides.get(x)
        place = f", written over {names[over]}" if over else ""
        type_ = f"{x.dtype}{x.shape}"
        origin = x.origin.location
        lines.append(f"{names[x]:>6}  {x.nbytes:>13,}  {x.op} {type_}{place}  {origin}")
    return "\n".join(lines)


def _value_names(program: Program) -> dict[Equation, str]:
    """The name of each equation of a program in these texts."""
    return {eqn: f"v{k}" for k, eqn in enumerate(program.equations)}


def _column(step: int, end: int) -> int:
    """Where a step is in the memory map."""
    return int(_COLUMNS * max(step, 0) / max(end, 1))
