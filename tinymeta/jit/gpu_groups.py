"""Grouping: loops that one kernel of a GPU runs one after another, with no launch in between.

In: the steps of fuse.py. Out: fewer steps, and of each that was several loops its `Group`. A batch
norm's five loops, each of which needs what the one before it has reduced, become one:

    step  loop over                stores
    0     (32, 5, 14, 14, 64)      v1 = sum(v0, axes (1, 2, 3))       of (32, 64)     \\
    1     (32, 1, 1, 1, 64)        v2 = v1 / n                                        |
    2     (32, 5, 14, 14, 64)      v3 = sum((v0 - v2) ** 2, ..)       of (32, 64)     | one group
    3     (32, 1, 1, 1, 64)        v4 = gamma / sqrt(v3 / n + eps)                    |
    4     (32, 5, 14, 14, 64)      v5 = relu((v0 - v2) * v4 + beta)                   /

A block of the kernel has some of the 32 x 64 kept elements and all that each is made of
(cuda/phase_source.py). So a loop joins a group if it runs over the group's space, or over what the
group's reductions keep of it, and reads what the group stores at the very elements where it is
stored: these are its own block's. Loops over one space without a reduction are grouped, too.

Invariants: a step comes after the steps that store what it reads; every element is computed as in a
launch of its own, so no bit changes. No group where a few kept elements would leave most of the GPU
idle: there the reduction is made by more blocks (cuda/loops.py). Cost: O(n), as a loop looks at
_MOST_LOOKED_AT groups.
"""

from typing import NamedTuple

from ..cuda.loops import rows_of
from ..cuda.phase_source import Phase
from .fuse import Step
from .gpu_loops import GpuLoop, gpu_loops
from .program import Equation
from .views import StridedLayout

_MOST_LOOKED_AT = 16  # groups, the latest, that are looked at for a loop to join
_MOST_ARRAYS = 64  # of a kernel: 4,096 bytes of parameters are its limit
_MOST_STATEMENTS = 256


class Group(NamedTuple):
    """A kernel of several phases. arrays: where each of its arrays lies, in its space."""

    phases: tuple[Phase, ...]
    space: tuple[int, ...]
    arrays: tuple[StridedLayout, ...]
    axes: tuple[int, ...]


class _Growing:
    """A step, and what those that may join it need to know; space: None if nobody may.

    axes: that its reductions drop, None as long as it has none. arrays: their places, by layout in
    the space. own_results: the layouts of its results. unmet: of these, what each thread with a
    kept element has stored and the others of its block may not know yet.
    """

    def __init__(self, step: Step):
        self.step = step
        self.space: tuple[int, ...] | None = None
        self.axes: tuple[int, ...] | None = None
        self.phases: list[Phase] = []
        self.arrays: dict[StridedLayout, int] = {}
        self.own_results: set[StridedLayout] = set()
        self.unmet: set[StridedLayout] = set()

    def group(self) -> Group:
        """What has joined, as one kernel."""
        assert self.space is not None
        return Group(tuple(self.phases), self.space, tuple(self.arrays), self.axes or ())

    def let_join(self, part: GpuLoop) -> bool:
        """Add a loop, if it can be a phase of this kernel."""
        if self.space is None:
            return False
        seen: GpuLoop | None = part
        if part.space != self.space:
            seen = self.seen_as_kept(part)
        elif part.axes and self.axes not in (None, part.axes):
            return False
        if seen is None or not self.has_room(seen):
            return False
        in_place = {layout.base for layout in self.own_results}
        if any(x.base in in_place and x not in self.own_results for x in seen.operands):
            return False
        axes = part.axes or self.axes
        if axes and rows_of(self.space, axes).parts > 1:
            return False
        self.add(seen, over_kept=part.space != self.space)
        return True

    def seen_as_kept(self, part: GpuLoop) -> GpuLoop | None:
        """A loop over what the reductions keep, with its strides in this space; None: it is not."""
        space = self.space
        if space is None or self.axes is None or part.axes:
            return None
        kept = [d for d, n in enumerate(space) if d not in self.axes and n != 1]
        axes = [d for d, n in enumerate(part.space) if n != 1]
        if [space[d] for d in kept] != [part.space[d] for d in axes]:
            return None

        def seen(layout: StridedLayout) -> StridedLayout:
            strides = dict(zip(kept, (layout.strides[d] for d in axes)))
            return layout._replace(strides=tuple(strides.get(d, 0) for d in range(len(space))))

        operands, results = (list(map(seen, x)) for x in (part.operands, part.results))
        return part._replace(space=space, operands=operands, results=results)

    def has_room(self, part: GpuLoop) -> bool:
        """Does the kernel stay within its bounds?"""
        arrays = {*self.arrays, *part.operands, *part.results}
        statements = len(part.body.statements)
        statements += sum(len(phase.body.statements) for phase in self.phases)
        return len(arrays) <= _MOST_ARRAYS and statements <= _MOST_STATEMENTS

    def add(self, part: GpuLoop, over_kept: bool = False) -> None:
        """The next phase."""
        waits = not over_kept and any(x in self.unmet for x in part.operands)
        if waits or part.axes:  # threads meet, before the phase or in its reductions
            self.unmet.clear()
        places = [
            self.arrays.setdefault(x, len(self.arrays)) for x in (*part.operands, *part.results)
        ]
        self.phases.append(Phase(part.body, tuple(places), over_kept, waits))
        self.space, self.axes = part.space, part.axes or self.axes
        self.own_results.update(part.results)
        for result, layout in zip(part.body.results, part.results):
            if over_kept or result.reduce:
                self.unmet.add(layout)


def grouped(steps: list[Step], materialized: set[Equation]) -> tuple[list[Step], dict[int, Group]]:
    """(the steps, fewer; by number, the groups among them)."""
    growing: list[_Growing] = []
    position: dict[Equation, int] = {}  # of a materialized value: the step that stores it
    for step in steps:
        part = _only_part(step, materialized)
        after = max((position[x] for x in step.reads if x in position), default=0)
        place = len(growing)
        if part:
            candidates = range(max(after, place - _MOST_LOOKED_AT), place)
            place = next((k for k in candidates if growing[k].let_join(part)), place)
        if place < len(growing):
            growing[place].step = _together(growing[place].step, step)
        else:
            growing.append(_Growing(step))
            if part:
                growing[place].add(part)
        position.update(dict.fromkeys(step.results, place))
    groups = {k: g.group() for k, g in enumerate(growing) if len(g.phases) > 1}
    return [g.step for g in growing], groups


def _only_part(step: Step, materialized: set[Equation]) -> GpuLoop | None:
    """A loop as the GPU takes it; None for what is no loop, or several there.

    Its strides are 0 along axes of size 1, so that equal places are equal layouts.
    """
    parts = list(gpu_loops(step.loop, materialized)) if step.loop else []
    if len(parts) != 1 or 0 in parts[0].space:
        return None

    def normal(layout: StridedLayout) -> StridedLayout:
        along = zip(parts[0].space, layout.strides)
        return layout._replace(strides=tuple(0 if n == 1 else stride for n, stride in along))

    operands, results = (list(map(normal, x)) for x in (parts[0].operands, parts[0].results))
    return parts[0]._replace(operands=operands, results=results)


def _together(first: Step, then: Step) -> Step:
    """Two steps as one, which reads what neither of them stores."""
    results = (*first.results, *then.results)
    reads = dict.fromkeys(x for x in (*first.reads, *then.reads) if x not in first.results)
    return Step(results, tuple(reads), first.loop)
