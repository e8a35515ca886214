"""A program on the GPU: its launches, recorded once, captured into a CUDA graph, replayed by one call.

The passes before are those of the CPU but for two: windows are read where they are (cuda/conv.py), and
tasks are not split, as the GPU takes all of them at once. Every step is a kernel that eager mode could
launch, too, on views of one arena. So making a program ready is running it once, while the launches
are noted down with their arguments; afterwards no Python stands between them.
"""

import threading
from collections import Counter, defaultdict

import numpy as np

from ..core.device import find_kernel
from ..core.primitive import registry
from ..cuda import loops
from ..cuda.array import Array, allocate
from ..cuda.driver import DriverError, current
from ..cuda.launch import record_launches
from ..cuda.memory import Block
from ..cuda.movement import contiguous, copy
from .codegen import Body, kept_strides
from .fuse import REDUCTIONS, Loop, Step
from .program import Line, Program
from .replay import Planned, lies, seconds
from .views import Walk

NAMES = {
    "matmul": "products",
    "conv": "convolutions",
    "conv_input": "convolutions",
    "conv_weight": "convolutions",
}


class Launches(Planned):
    """A program made ready for the GPU: arrays in, arrays out.

    graph: is it one? Else the launches are replayed one by one.
    """

    def __init__(self, program: Program):
        super().__init__(program, lambda step: 0)
        self.arena, self.one_at_a_time = Block(self.memory.size), threading.Lock()
        self.inputs = [self.view(x) for x in self.program.inputs]
        self.outputs = [self.view(y) for y in self.program.outputs]
        for line in self.program.lines:
            if line.op == "constant":
                write(self.view(line), line.static["value"])
        self.kinds = [
            "loops" if step.loop else NAMES.get(step.lines[0].op, "others") for step in self.steps
        ]
        with record_launches() as self.recording:
            for step in self.steps:
                self.run(step)
        self.replay, self.graph = self.captured()

    def view(self, x: Line) -> Array:
        """A value where it lies in the arena."""
        return self.seen(lies(x), x.shape)

    def seen(self, at: Walk, shape: tuple) -> Array:
        begin = self.memory.begins[at.base] // at.base.dtype.itemsize
        return Array(self.arena, begin + at.offset, shape, at.strides, at.base.dtype)

    def run(self, step: Step):
        """Launch a step: a loop for each set of axes that it reduces, or a kernel by its name."""
        if step.loop:
            for body, space, operands, results, axes in bodies(step.loop, self.stored):
                loops.run_loop(
                    body,
                    space,
                    *(
                        [(self.seen(w, space), w.strides) for w in walks]
                        for walks in (operands, results)
                    ),
                    axes,
                )
            return
        line = step.lines[0]
        kernel = find_kernel(registry[line.op], "cuda")
        kernel(self.view(line), *map(self.view, line.inputs), **line.static)

    def captured(self):
        """(how to replay, is it a graph): the launches one by one where graphs are missing."""
        launches = self.recording.launches
        try:
            return current().capture_graph(launches), True
        except (DriverError, AttributeError):
            return lambda: [launch() for launch in launches], False

    # ---- for explain -----------------------------------------------------------------------------

    @property
    def where(self) -> str:
        how = "one graph" if self.graph else "plain launches: graphs are missing here"
        return f"on cuda ({current().name}), {len(self.recording.launches)} launches as {how}"

    def sources(self) -> list[str]:
        """The source of each loop's kernels."""
        return [
            loops.plan_loop(body, space, [w.strides for w in (*operands, *results)], axes).source
            for step in self.steps
            if step.loop
            for body, space, operands, results, axes in bodies(step.loop, self.stored)
        ]

    def timed(self, rounds: int = 9) -> dict[str, float]:
        """Seconds of each kind of step, each step launched by itself and waited for; the median."""
        found = Counter()
        for kind, step in zip(self.kinds, self.steps):
            with record_launches() as recording:
                self.run(step)

            def work():
                for launch in recording.launches:
                    launch()
                current().synchronize()

            found[kind] += float(np.median([seconds(work) for _ in range(rounds)]))
        return dict(found)

    # ---- a call ----------------------------------------------------------------------------------

    def __call__(self, arrays: list) -> list[Array]:
        with self.one_at_a_time:
            for place, array in zip(self.inputs, arrays):
                write(place, array)
            self.replay()
            return [fresh(y) for y in self.outputs]


def bodies(loop: Loop, stored: set[Line]):
    """A loop of several roots as loops of the GPU's template, each of which reduces the same axes.

    What the others share with the first is computed again: it was read anyway.
    """
    groups = defaultdict(list)
    for root in loop.roots:
        groups[dropped(root), root.dtype if dropped(root) else None].append(root)
    plain = groups.pop(((), None), [])
    if not groups:
        groups[(), None] = []
    for (axes, _), roots in groups.items():
        roots, plain = plain + roots, []
        body = Body(loop.space, stored)
        values = [
            body.value(*(root.inputs[0], ()) if root.op in REDUCTIONS else (root, (), True))
            for root in roots
        ]
        results = tuple(
            loops.LoopResult(value, root.dtype.name, root.op if dropped(root) else "")
            for root, value in zip(roots, values)
        )
        yield (
            loops.LoopBody(
                tuple(w.base.dtype.name for w in body.operands), tuple(body.statements), results
            ),
            loop.space,
            body.operands,
            [Walk(root, 0, kept_strides(root, loop.space)) for root in roots],
            axes,
        )


def dropped(root: Line) -> tuple:
    """The axes that a root reduces."""
    return root.static["axes"] if root.op in REDUCTIONS else ()


def write(place: Array, value):
    """A value of the host or of the GPU into its place in the arena."""
    if isinstance(value, Array):
        copy(place, value)
    elif place.size:
        current().upload(place.address, np.ascontiguousarray(value))


def fresh(y: Array) -> Array:
    out, y = allocate(y.shape, y.dtype), contiguous(y)
    if y.size:
        current().copy(out.address, y.address, y.nbytes)
    return out
