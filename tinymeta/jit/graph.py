"""A program on a GPU: launches recorded once, captured into a CUDA graph, replayed by one call.

In: a simplified program. Out: a `Launches`, a function of arrays. The plan is the CPU's but for
three things: windows are read where they are (cuda/conv.py), tasks are not split, as the GPU takes
all of them at once, and loops are grouped (gpu_groups.py). Every step runs on views of one arena.

So building is eager mode's way through the steps, with each launch recorded instead of run.
Invariant: the addresses in them stay valid, as the arena and what the kernels allocate is kept with
the recording. Afterwards no Python stands between the launches; one by one from Python they would
cost more than most of them take. Cost of a call: a copy of inputs and outputs (gpu_arrays.py), and
one launch of the graph.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from ..core.device import find_kernel, working_on
from ..core.primitive import registry
from ..core.scope import setting, state
from ..cuda import loops
from ..cuda.array import Array
from ..cuda.driver import NOT_SUPPORTED, DriverError, current
from ..cuda.dry_run import DryRunLaunch, launch_table
from ..cuda.launch import record_launches
from ..cuda.memory import Block
from .fuse import Step
from .gpu_arrays import NewOutputs, TakenInputs, upload
from .gpu_groups import grouped
from .gpu_loops import gpu_loops
from .plan import ExecutionPlan
from .program import Equation, Program
from .step_order import needs_of, needs_of_launches
from .views import StridedLayout, memory_layout

_KINDS = {
    "matmul": "products",
    "conv": "convolutions",
    "conv_input": "convolutions",
    "conv_weight": "convolutions",
}


class Launches(ExecutionPlan):
    """A program ready to run on this thread's device, a GPU: arrays in, arrays out.

    device: that GPU's name. products: in what it multiplies. graph: is it a CUDA graph? Else the
    launches are replayed one by one. kinds: of each step, what runs it. groups: of those that are
    several loops, by step. recording: the launches; step_of_launch: whose each is. needs: of each,
    the earlier ones it comes after.
    """

    in_vectors = False

    def __init__(self, program: Program):
        super().__init__(program)
        self.device, self.products = state.device, state.products
        with working_on(self.device):
            self._prepare()

    def arranged(self, steps: list[Step]) -> list[Step]:
        """Loops that follow one another within a block are one step."""
        steps, self.groups = grouped(steps, self.materialized)
        return steps

    def workspace_bytes(self, k: int) -> int:
        """None: kernels of the GPU allocate what they need besides."""
        return 0

    def _prepare(self) -> None:
        """Record the launches and make the graph of them."""
        self.driver, self.arena = current(), Block(self.memory.size)
        self.one_at_a_time = threading.Lock()  # all calls share the arena
        self.inputs = TakenInputs([self.view(x) for x in self.program.inputs])
        self.outputs = NewOutputs([self.view(y) for y in self.program.outputs])
        for eqn in self.program.equations:
            if eqn.op == "constant":
                upload(self.view(eqn), eqn.static["value"])
        self.kinds = [
            "loops" if step.loop else _KINDS.get(step.results[0].op, "others")
            for step in self.steps
        ]
        counts = []  # of launches, by step
        with record_launches() as self.recording:
            for k in range(len(self.steps)):
                before = len(self.recording.launches)
                self.launch(k)
                counts.append(len(self.recording.launches) - before)
        self.step_of_launch = [k for k, count in enumerate(counts) for _ in range(count)]
        self.needs = needs_of_launches(needs_of(self.steps, self.memory.offsets), counts)
        self.replay, self.graph = self.captured()

    def view(self, x: Equation) -> Array:
        """A value, a view or not, as an array in the arena."""
        return self.strided_view(memory_layout(x), x.shape)

    def strided_view(self, layout: StridedLayout, shape: tuple[int, ...]) -> Array:
        """A value with this layout, as an array in the arena."""
        begin = self.memory.offsets[layout.base] // layout.base.dtype.itemsize
        return Array(self.arena, begin + layout.offset, shape, layout.strides, layout.base.dtype)

    def launch(self, k: int) -> None:
        """Launch step k: a group, a loop for each set of axes it reduces, or a kernel by name."""
        if group := self.groups.get(k):
            arrays = [(self.strided_view(w, group.space), w.strides) for w in group.arrays]
            loops.run_phases(group.phases, group.space, arrays, group.axes)
            return
        step = self.steps[k]
        if step.loop:
            for part in gpu_loops(step.loop, self.materialized):
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
            return self.driver.capture_graph(launches, self.needs), True
        except DriverError as error:
            if error.code != NOT_SUPPORTED:
                raise
            return lambda: [launch() for launch in launches], False

    def __call__(self, arrays: list) -> list[Array]:
        """The program's outputs, new arrays, for these inputs."""

        def call() -> list[Array]:
            self.inputs(arrays)
            self.replay()
            return self.outputs()

        with self.one_at_a_time, working_on(self.device):
            return self.driver.keeping_its_context(call)

    # ---- for explain -----------------------------------------------------------------------------

    @property
    def where(self) -> str:
        """The device, and how launches are replayed."""
        how = "one graph" if self.graph else "plain launches: graphs are missing here"
        launches = len(self.recording.launches)
        return f"on {self.device} ({self.driver.name}), {launches} launches as {how}"

    @property
    def is_dry_run(self) -> bool:
        """Does a launch of it run nothing?"""
        return any(isinstance(launch, DryRunLaunch) for launch in self.recording.launches)

    def launch_table(self) -> str:
        """Of a dry run, a line for each kernel: its launches; else ""."""
        launches: list[Any] = self.recording.launches
        return launch_table(launches) if self.is_dry_run else ""

    def sources(self) -> dict[int, list[str]]:
        """By step, the sources of the generated kernels that it runs."""
        sources = defaultdict(list)
        for k, step in enumerate(self.steps):
            if group := self.groups.get(k):
                strides = [w.strides for w in group.arrays]
                plan = loops.plan_phases(group.phases, group.space, strides, group.axes)
                sources[k].append(plan.source)
                continue
            for part in gpu_loops(step.loop, self.materialized) if step.loop else ():
                strides = [w.strides for w in (*part.operands, *part.results)]
                sources[k].append(loops.source_of(part.body, part.space, strides, part.axes))
        return sources

    def step_calls(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        """(kind, function that launches it by itself and waits for it) of each step, in order."""
        for k, kind in enumerate(self.kinds):
            products = setting(products=self.products)
            with products, working_on(self.device), record_launches() as recording:
                self.launch(k)

            def launch_and_wait() -> None:
                for launch in recording.launches:
                    launch()
                self.driver.synchronize()

            yield kind, launch_and_wait
