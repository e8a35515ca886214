"""What the kernels of a dry run execute: the program runs once, as PTX, on an emulated GPU.

Most kernels go the same way whatever numbers they are given; if all do, nothing is computed that
does not decide it (ptx/control.py): the counts are the same, and come twenty times as soon.

In: the function and the arguments that were explained, and the `Launches` of the dry run, which
knows what each kernel is called. Out: a table, with registers and a model's time for each kernel.
"""

from collections.abc import Callable
from typing import Any

from ..core import tree
from ..core.device import move
from ..core.scope import setting
from ..core.tensor import Tensor
from ..ptx import compiler, model
from ..ptx.control import needs_no_numbers
from ..ptx.counting import count_from_here, counted, emulated_gpu
from ..ptx.emulator import KernelCounts, readable
from ..ptx.registers import how_registers_are_known, registers
from .compile import compile_for
from .trace import as_own_array, is_array

_ASSUMPTIONS = (
    "Instructions, FFMA and bytes are counted as the PTX runs on the CPU; us are predicted for the "
    "{name} by tinymeta/ptx/model.py: every multiprocessor begins {threads} instructions a clock, "
    "no byte comes from a cache if not said so, a launch takes {launch} us. Registers: {registers}."
)


def executed_text(f: Callable, args: tuple, kwargs: dict, replay: Any) -> str:
    """The table, the time as one graph, and what was assumed; or why nothing can be counted here.

    replay: the dry run's.
    """
    try:
        computes = not _ways_are_known(replay)
        kernels = _execute(f, args, kwargs, replay.products, computes)
    except (compiler.Missing, MemoryError) as error:
        return f"executed instructions are not counted here: {error}"
    rows = _rows(kernels, replay)
    lines = [model.table(rows)]
    launches = replay.recording.launches
    order = [launch.kernel.entry for launch in launches]
    if {*order} <= {kernel.name for kernel in kernels}:
        nbytes = [launch.nbytes for launch in launches]
        lines.append(model.graph_line(kernels, order, replay.needs, nbytes))
    gpu = model.H100
    assumed = _ASSUMPTIONS.format(
        name=gpu.name,
        threads=gpu.threads,
        launch=1e6 * gpu.launch,
        registers=how_registers_are_known(),
    )
    return "\n".join([*lines, assumed])


def _ways_are_known(replay: Any) -> bool:
    """Whether all kernels execute the same, whatever numbers they are given, as most do."""
    return all(map(needs_no_numbers, {n.kernel.text for n in replay.recording.launches}))


def _execute(
    f: Callable, args: tuple, kwargs: dict, products: str, computes: bool
) -> list[KernelCounts]:
    """What each kernel does in one call of the compiled function; products: in what it multiplies.


    computes: else they count what they would do, and do no more than tells them where to go.
    Raises compiler.Missing without gcc, MemoryError beyond the 2 GB that the emulated GPU has.
    """
    args, kwargs = tree.map(_on_the_cpu, (args, kwargs))
    with emulated_gpu(computes) as gpu, setting(device="cuda", products=products):
        program = compile_for(f, args, kwargs)
        if program is None:  # explain has refused it
            raise ValueError("a function that depends on something being differentiated")
        count_from_here(gpu)
        program(tree.leaves((args, kwargs)))
        return counted(gpu)


def _on_the_cpu(leaf: Any) -> Any:
    leaf = as_own_array(leaf)
    array = leaf.value if type(leaf) is Tensor else leaf
    return move(array, "cpu") if is_array(array) else leaf


def _rows(kernels: list[KernelCounts], replay: Any) -> list[model.Counted]:
    """Kernels with what the dry run knows of them: their names, and what they take."""
    known = {launch.kernel.entry: launch.kernel for launch in replay.recording.launches}
    taken = registers(kernel.text for kernel in known.values())
    rows = []
    for kernel in kernels:
        if found := known.get(kernel.name):
            row = (found.title, kernel, found.shared_bytes, taken.get(found.text))
        else:  # a copy of a result, behind the graph
            row = (readable(kernel.name), kernel, None, None)
        rows.append(model.Counted(*row))
    return rows
