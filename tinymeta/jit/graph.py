"""A program on a GPU: launches recorded once, captured into a CUDA graph, replayed by one call.

In: a simplified program. Out: a `Launches`, a function of arrays. The plan is the CPU's but for two
things: windows are read where they are (cuda/conv.py), and tasks are not split, as the GPU takes
all of them at once. Every step is a kernel that eager mode could launch, too, on views of one
arena.

So building is eager mode's way through the steps, with each launch recorded instead of run.
Invariant: the addresses in them stay valid, as the arena and what the kernels allocate is kept with
the recording. Afterwards no Python stands between the launches; one by one from Python they would
cost more than most of them take. Cost of a call: a copy of inputs and outputs, and one launch of
the graph.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..core.device import find_kernel, working_on
from ..core.primitive import registry
from ..core.scope import state
from ..cuda import loops
from ..cuda.array import Array, allocate
from ..cuda.driver import NOT_SUPPORTED, DriverError, current
from ..cuda.dry_run import DryRunLaunch, launch_table
from ..cuda.launch import record_launches
from ..cuda.memory import Block
from ..cuda.movement import contiguous, copy
from .codegen import result_strides
from .fuse import Loop, Step
from .loop_body import BodyBuilder
from .loops import REDUCTIONS
from .plan import ExecutionPlan
from .program import Equation, Program
from .views import StridedLayout, stored_layout

_KINDS = {
    "matmul": "products",
    "conv": "convolutions",
    "conv_input": "convolutions",
    "conv_weight": "convolutions",
}


class Launches(ExecutionPlan):
    """A program ready to run on this thread's device, a GPU: arrays in, arrays out.

    device: that GPU's name. graph: is it a CUDA graph? Else the launches are replayed one by one.
    kinds: of each step, what runs it. recording: the launches; step_of_launch: whose each is.
    """

    def __init__(self, program: Program):
        super().__init__(program, workspace_size=_no_workspace)
        self.device = state.device
        with working_on(self.device):
            self._prepare()

    def _prepare(self) -> None:
        """Record the launches and make the graph of them."""
        self.driver, self.arena = current(), Block(self.memory.size)
        self.one_at_a_time = threading.Lock()  # all calls share the arena
        self.inputs = [self.view(x) for x in self.program.inputs]
        self.outputs = [self.view(y) for y in self.program.outputs]
        for eqn in self.program.equations:
            if eqn.op == "constant":
                _write(self.view(eqn), eqn.static["value"])
        self.kinds = [
            "loops" if step.loop else _KINDS.get(step.results[0].op, "others")
            for step in self.steps
        ]
        with record_launches() as self.recording:
            self.step_of_launch: list[int] = []
            for k, step in enumerate(self.steps):
                self.launch(step)
                new = len(self.recording.launches) - len(self.step_of_launch)
                self.step_of_launch += [k] * new
        self.replay, self.graph = self.captured()

    def view(self, x: Equation) -> Array:
        """A value, a view or not, as an array in the arena."""
        return self.strided_view(stored_layout(x), x.shape)

    def strided_view(self, layout: StridedLayout, shape: tuple[int, ...]) -> Array:
        """A value with this layout, as an array in the arena."""
        begin = self.memory.offsets[layout.base] // layout.base.dtype.itemsize
        return Array(self.arena, begin + layout.offset, shape, layout.strides, layout.base.dtype)

    def launch(self, step: Step) -> None:
        """Launch a step: a loop for each set of axes that it reduces, or a kernel by its name."""
        if step.loop:
            for part in _gpu_loops(step.loop, self.materialized):
                operands, results = (
                    [(self.strided_view(w, part.space), w.strides) for w in layouts]
                    for layouts in (part.operands, part.results)
                )
                loops.run_loop(part.body, part.space, operands, results, part.axes)
            return
        eqn = step.results[0]
        kernel = find_kernel(registry[eqn.op], "cuda")
        kernel(self.view(eqn), *map(self.view, eqn.inputs), **eqn.static)

    def captured(self) -> tuple[Callable[[], Any], bool]:
        """(how to replay, is it a graph): the launches one by one where graphs are missing."""
        launches = self.recording.launches
        try:
            return self.driver.capture_graph(launches), True
        except DriverError as error:
            if error.code != NOT_SUPPORTED:
                raise
            return lambda: [launch() for launch in launches], False

    def __call__(self, arrays: list) -> list[Array]:
        """The program's outputs, new arrays, for these inputs."""
        with self.one_at_a_time, working_on(self.device):
            for place, array in zip(self.inputs, arrays):
                _write(place, array)
            self.replay()
            return [_copied(y) for y in self.outputs]

    # ---- for explain -----------------------------------------------------------------------------

    @property
    def where(self) -> str:
        """The device, and how launches are replayed."""
        how = "one graph" if self.graph else "plain launches: graphs are missing here"
        launches = len(self.recording.launches)
        return f"on {self.device} ({self.driver.name}), {launches} launches as {how}"

    def launch_table(self) -> str:
        """Of a dry run, a line for each kernel: its launches; else ""."""
        noted = [launch for launch in self.recording.launches if isinstance(launch, DryRunLaunch)]
        return launch_table(noted) if noted else ""

    def sources(self) -> dict[int, list[str]]:
        """By step, the sources of the generated kernels that it runs."""
        sources = defaultdict(list)
        for k, step in enumerate(self.steps):
            if not step.loop:
                continue
            for part in _gpu_loops(step.loop, self.materialized):
                strides = [w.strides for w in (*part.operands, *part.results)]
                sources[k].append(loops.plan_loop(part.body, part.space, strides, part.axes).source)
        return sources

    def step_calls(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """(kind, function that launches it by itself and waits for it) of each step, in order."""
        for kind, step in zip(self.kinds, self.steps):
            with working_on(self.device), record_launches() as recording:
                self.launch(step)

            def launch_and_wait() -> None:
                for launch in recording.launches:
                    launch()
                self.driver.synchronize()

            yield kind, launch_and_wait


def _no_workspace(step: Step) -> int:
    """Kernels of the GPU allocate what they need besides."""
    return 0


# ---- loops as the GPU's template takes them -----------------------------------------------------


class _GpuLoop(NamedTuple):
    """A loop all of whose reductions drop the same axes."""

    body: loops.LoopBody
    space: tuple[int, ...]
    operands: list[StridedLayout]
    results: list[StridedLayout]
    axes: tuple[int, ...]  # that are reduced


def _gpu_loops(loop: Loop, materialized: set[Equation]) -> Iterator[_GpuLoop]:
    """A loop of several roots as loops of the GPU's template, each of which reduces the same axes.

    Elementwise roots go with the first. What the others share with it is computed again: their
    operands are read anyway.
    """
    groups: dict[tuple, list[Equation]] = defaultdict(list)
    for root in loop.roots:
        axes = _reduced_axes(root)
        groups[axes, root.dtype if axes else None].append(root)
    elementwise = groups.pop(((), None), [])
    if not groups:
        groups[(), None] = []
    for (axes, _), reductions in groups.items():
        roots, elementwise = elementwise + reductions, []
        body = BodyBuilder(loop.space, materialized)
        results = []
        for root in roots:
            value = body.root_value(root)
            reduce = root.op if _reduced_axes(root) else ""
            results.append(loops.LoopResult(value, root.dtype.name, reduce))
        dtypes = tuple(w.base.dtype.name for w in body.operands)
        gpu_body = loops.LoopBody(dtypes, tuple(body.statements), tuple(results))
        layouts = [StridedLayout(root, 0, result_strides(root, loop.space)) for root in roots]
        yield _GpuLoop(gpu_body, loop.space, body.operands, layouts, axes)


def _reduced_axes(root: Equation) -> tuple[int, ...]:
    """The axes that a root reduces."""
    return root.static["axes"] if root.op in REDUCTIONS else ()


# ---- copies -------------------------------------------------------------------------------------


def _write(place: Array, value: Any) -> None:
    """Copy a value of the host or of the GPU to its place in the arena."""
    if isinstance(value, Array):
        copy(place, value)
    elif place.size:
        current().upload(place.address, np.ascontiguousarray(value))


def _copied(y: Array) -> Array:
    """A new array with the elements of one in the arena."""
    out, y = allocate(y.shape, y.dtype), contiguous(y)
    if y.size:
        current().copy(out.address, y.address, y.nbytes)
    return out
