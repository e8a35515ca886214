"""Explained programs as lists, numbers and texts, for the page of explorer/.

In: what `explain` found. Out: one dict, small enough for a page: a column for each property of the
equations of a pass, texts that repeat as numbers into a table, no array, no object of the user's.

    stages   the program after each pass, and what is run: op, inputs, shape, order, scope, rule, ..
    parts    what is run: its steps, where and when each value lies in memory, the peak, launches
    values   what each traced value is like, if asked for
    kernels, rules    generated sources; the sources of the derivative rules, by operation

Every equation names the traced ones that it stands for, so the page can follow a value from pass
to pass. Cost: O(n) numbers; about 40 bytes an equation and pass.
"""

import inspect
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core.primitive import registry
from ..explorer.layout import COLUMNS, lay_out
from .described import Described, has_inner_scopes, scopes_in_order
from .origin import scope_of
from .program import Equation, Program
from .story import changes, peak_by_order
from .views import source

if TYPE_CHECKING:
    from .explained import Explained

_RULE_LINES = 40  # of a derivative rule that are shown
_TITLE = 60  # letters of a GPU's kernel


class _Table:
    """Texts by number, each once."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __getitem__(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))


def page_data(programs: dict[str, "Explained"]) -> dict[str, Any]:
    """All that the page shows. programs: by the name that the page's switch has for each."""
    first = next(iter(programs.values()))
    data = [_program_data(name, found) for name, found in programs.items()]
    return {"title": first.name, "columns": COLUMNS, "programs": data}


def _program_data(name: str, found: "Explained") -> dict[str, Any]:
    texts = _Table()
    stages = [_stage(texts, found, stage, [program]) for stage, program in found.passes.items()]
    rows, sources = found.equations(), found.sources()
    place = {row.eqn: k for k, row in enumerate(rows)}
    run = _stage(texts, found, "plan", [replay.program for replay in found.parts.values()])
    run["note"] = "chunk, with copies where a layout needs one" if found.chunks else "with copies"
    run["steps"] = [row.steps for row in rows]
    run["base"] = [place[source(row.eqn)[0]] for row in rows]
    run["part"] = [list(found.parts).index(row.part) for row in rows]
    stages.append(run)
    values = [texts[str(statistics)] for statistics in (found.values or {}).values()]
    parts = _parts(texts, found, rows, sources)
    used = {eqn.origin.rule for eqn in found.passes["trace"].equations} - {""}
    return {
        "name": name,
        "summary": found.summary(),
        "texts": list(texts.numbers),
        "stages": stages,
        "values": values,  # of the traced equations, in order; none if not asked for
        "parts": parts,
        "kernels": sources,
        "rules": {rule: _rule_source(rule) for rule in sorted(used)},
        "run": {
            "how": str(found.execution),
            "where": found.replay.where,
            "chunks": found.chunks,
            "groups": found.groups,
            "threads": found.threads,
        },
    }


def _stage(
    texts: _Table, found: "Explained", name: str, programs: Sequence[Program]
) -> dict[str, Any]:
    """The equations of a pass in columns; those of several programs one after another."""
    trace = found.passes["trace"]
    nested = has_inner_scopes(trace)
    traced = {eqn.number: k for k, eqn in enumerate(trace.equations)}
    equations = [eqn for program in programs for eqn in program.equations]
    place = {eqn: k for k, eqn in enumerate(equations)}
    inputs = [[place[x] for x in eqn.inputs] for eqn in equations]
    lanes = scopes_in_order(equations, nested)
    lane_of = [lanes.index(scope_of(eqn, nested)) for eqn in equations]
    layout = lay_out(inputs, lane_of, len(lanes))
    stage = {
        "name": name,
        "note": ", ".join(changes(found.passes, name)),
        "op": [texts[eqn.op] for eqn in equations],
        "inputs": inputs,
        "static": [texts[_static_text(eqn)] for eqn in equations],
        "type": [texts[f"{eqn.dtype.name}{eqn.shape}"] for eqn in equations],
        "order": [eqn.origin.order for eqn in equations],
        "lane": lane_of,
        "lanes": lanes,
        "at": [texts[eqn.origin.location] for eqn in equations],
        "rule": [texts[eqn.origin.rule] for eqn in equations],
        "cause": [traced.get(eqn.origin.cause, -1) for eqn in equations],
        "column": layout.columns,
        "row": layout.rows,
        "heights": layout.heights,
        "outputs": [place[y] for program in programs for y in program.outputs],
    }
    if name != "trace":  # there each stands for itself
        stage["of"] = [[traced[n] for n in eqn.descends if n in traced] for eqn in equations]
    return stage


def _static_text(eqn: Equation) -> str:
    """The metadata of an equation; of a constant of one element, its value."""
    if eqn.op == "constant":
        return str(eqn.static["value"]) if eqn.size == 1 else ""
    return ", ".join(f"{name}={value}" for name, value in eqn.static.items())


def _parts(
    texts: _Table, found: "Explained", rows: list[Described], sources: list[str]
) -> list[dict[str, Any]]:
    """Steps and memory of each program that is run; equations by their number in all of them."""
    place = {row.eqn: k for k, row in enumerate(rows)}
    number_of = {text: k for k, text in enumerate(sources)}
    parts = []
    for name, replay in found.parts.items():
        memory, by_step = replay.memory, replay.sources()
        peak_step, by_order = peak_by_order(memory)
        timed = found.step_seconds if replay is found.replay else None
        part = {
            "name": name,
            "kinds": replay.kinds,
            "stores": [[place[y] for y in step.results] for step in replay.steps],
            "reads": [[place[x] for x in step.reads] for step in replay.steps],
            "kernels": [
                [number_of[text] for text in by_step.get(k, ())] for k in range(len(replay.steps))
            ],
            "seconds": [float(f"{s:.3g}") for s in timed] if timed else [],
            "values": [
                [place[eqn], begin, eqn.nbytes, *memory.lifetimes[eqn]]
                for eqn, begin in memory.places.items()
            ],
            "workspaces": list(map(list, memory.workspaces.items())),
            "size": memory.size,
            "peak": peak_step,
            "launches": _launches(texts, replay),
            "live": {str(order): count for order, count in sorted(by_order.items())},
        }
        parts.append(part)
    return parts


def _launches(texts: _Table, replay: Any) -> list[list[int]]:
    """On a GPU, of each launch: its step, kernel, blocks, threads in each, and bytes."""
    if not hasattr(replay, "recording"):
        return []
    rows = []
    for step, launch in zip(replay.step_of_launch, replay.recording.noted):
        sizes = (" x ".join(map(str, n)) for n in (launch.grid, launch.block))
        words = (launch.kernel.title[:_TITLE], *sizes)
        rows.append([step, *(texts[word] for word in words), launch.nbytes])
    return rows


def _rule_source(name: str) -> str:
    """The derivative rules of an operation as they are written; "" where there is no source."""
    operation = registry.get(name)
    if operation is None:
        return ""
    rules = [operation.vjps] if callable(operation.vjps) else list(filter(None, operation.vjps))
    texts: dict[str, None] = {}
    for rule in rules:
        try:
            lines, first = inspect.getsourcelines(rule)
        except (OSError, TypeError):  # typed into a console, or no function of Python's
            continue
        written = textwrap.dedent("".join(lines[:_RULE_LINES])).rstrip()
        texts[f"# {rule.__module__}, line {first}\n{written}"] = None
    return "\n".join(texts)
