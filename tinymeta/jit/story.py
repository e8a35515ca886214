"""What the compiler made of a function, on one screen.

In: what `explain` found. Out: tables. How many equations there are by scope and order of
derivative, so what the second order adds; what each pass put in and took out; the bytes that live
at the peak, by order. Everything else is in `Explained.text`.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .described import has_inner_scopes, order_counts
from .memory import Memory, aligned_size
from .program import Equation, Program

if TYPE_CHECKING:
    from .explained import Explained

_MOST_SCOPES = 16  # rows of the table; with more, inner steps are counted together
_NAMED = 3  # operations that are named of those that a pass put in or took out


def story(found: "Explained") -> str:
    """The report that fits a screen."""
    *_, last = found.passes.values()
    nested = has_inner_scopes(found.passes["trace"])
    kernels = found.kernels
    often = "".join(f", one of them {count} times" for _, count in kernels.most_common(1))
    parts = [
        f"{len(last.equations)} equations are left, by scope and order of derivative:\n"
        f"{_counts_table(order_counts(last, nested))}",
        f"passes\n{_passes_table(found.passes)}",
        found.summary(),
        f"{_peak_text(found.replay.memory)}",
        f"{len(kernels)} generated kernels run {sum(kernels.values())} steps{often}",
        "print(found.text()) shows all of it; found.save('step.html') a page to explore",
    ]
    if found.times:
        parts.insert(-1, found.table())
    return "\n".join(parts)


def _counts_table(counts: dict[str, Counter[int]]) -> str:
    """A row for each scope, a column for each order, and their sums."""
    if len(counts) > _MOST_SCOPES:
        counts = _steps_together(counts)
    orders = sorted(set().union(*counts.values()) | {0})
    width = max(len(scope) for scope in (*counts, "all"))
    total = sum(counts.values(), Counter())
    header = "".join(f"{f'order {order}':>9}" for order in orders)
    lines = [f"  {'':{width}}{header}{'all':>9}"]
    for scope, row in (*counts.items(), ("all", total)):
        cells = "".join(f"{row[order] or '.':>9}" for order in orders)
        lines.append(f"  {scope:{width}}{cells}{sum(row.values()):>9}")
    return "\n".join(lines)


def _steps_together(counts: dict[str, Counter[int]]) -> dict[str, Counter[int]]:
    """The same with all inner steps as one, "inner *"."""
    together: dict[str, Counter[int]] = {}
    for scope, row in counts.items():
        together.setdefault(re.sub(r"\d+", "*", scope), Counter()).update(row)
    return together


def _passes_table(passes: dict[str, Program]) -> str:
    """A row for each pass: its equations, and which operations it put in and took out."""
    lines = []
    for name, program in passes.items():
        what = ", ".join(changes(passes, name))
        lines.append(f"  {name:9}{len(program.equations):6}  {what}".rstrip())
    return "\n".join(lines)


def changes(passes: dict[str, Program], name: str) -> Iterator[str]:
    """The operations of which a pass put in or took out the most: "+24 to_cols", "-12 conv"."""
    names = list(passes)
    if name not in names[1:]:
        return
    before, now = (
        Counter(eqn.op for eqn in passes[n].equations) for n in (names[names.index(name) - 1], name)
    )
    for sign, counts in (("+", now - before), ("-", before - now)):
        for op, count in counts.most_common(_NAMED):
            yield f"{sign}{count} {op}"
        if others := sum(counts.values()) - sum(c for _, c in counts.most_common(_NAMED)):
            yield f"{sign}{others} others"


def _peak_text(memory: Memory) -> str:
    """The step at which most bytes are alive, and how many of them are of each order."""
    step, by_order = peak_by_order(memory)
    shares = ", ".join(f"{by_order[order]:,} of order {order}" for order in sorted(by_order))
    return f"most bytes live at step {step}: {sum(by_order.values()):,}, {shares}"


def peak_by_order(memory: Memory) -> tuple[int, Counter[int]]:
    """(the step at which most bytes of the arena are in use, these bytes by order)."""
    step, living = peak(memory)
    by_order: Counter[int] = Counter()
    for x in living:
        by_order[x.origin.order] += aligned_size(x.nbytes)
    return step, by_order


def peak(memory: Memory) -> tuple[int, list[Equation]]:
    """(the step at which most bytes of the arena are in use, the values that lie there then).

    A value that is written over another takes its place: of the two one is counted.
    """
    overwritten = {*memory.slides.values()}
    begins: dict[int, list[Equation]] = {}
    ends: dict[int, list[Equation]] = {}
    for x in memory.places:
        first, last = memory.lifetimes[x]
        begins.setdefault(first, []).append(x)
        ends.setdefault(last if x in overwritten else last + 1, []).append(x)
    live: dict[Equation, int] = {}  # bytes by value
    where, most, living = 0, -1, list(live)
    for step in sorted({*begins, *ends}):
        live |= {x: aligned_size(x.nbytes) for x in begins.get(step, ())}
        for x in ends.get(step, ()):
            live.pop(x, None)
        if sum(live.values()) > most:
            where, most, living = step, sum(live.values()), list(live)
    return where, living
