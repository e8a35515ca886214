"""A module of PTX as C: its variables, its functions, and the tables of them for the library.

In: the text of a module with one kernel. Out: C that includes kernel.h and is compiled by itself.
Raises Unsupported for what is not known; never guesses.
"""

from collections.abc import Iterable

from .control import deciding
from .function import FunctionWriter, signature
from .kinds import KINDS
from .operands import Names
from .parse import Function, Module, Statement, Unsupported, layout, parse_module

_TF32_SINCE = 80  # sm_80, Ampere
Counts = dict[str, int]  # how many instructions of each kind, and bytes


def translate(text: str) -> str:
    """The C text of a module."""
    return _written(parse_module(text))


def translate_control(text: str) -> str:
    """The C text of a module whose kernel goes its way and counts, but computes nothing.

    Raises Unsupported where the way depends on what is in memory (control.py).
    """
    module = parse_module(text)
    run = deciding(module.functions[-1]) if len(module.functions) == 1 else None
    if run is None:
        raise Unsupported("a kernel goes where numbers in memory say: it is counted when it is run")
    return _written(module, run)


def _written(module: Module, run: set[Statement] | None = None) -> str:
    """run: those statements of its one function that are; None: all of all."""
    _check_target(module)
    kernels = [f for f in module.functions if f.is_kernel]
    if len(kernels) != 1:
        raise Unsupported(f"a module of {len(kernels)} kernels: the counts are those of one")
    names, functions = Names(), {f.name: f"function_{k}" for k, f in enumerate(module.functions)}
    variables = [v for v in module.variables if v.space != "shared"]
    for k, variable in enumerate(variables):
        names.declare_address(variable, f"variables[{k}].address")
    shared = [v for v in module.variables if v.space == "shared"]
    pieces: list[Counts] = []
    writers = [FunctionWriter(f, functions, names, shared, pieces, run) for f in module.functions]
    bodies = [writer.write() for writer in writers]
    (kernel,) = (writer for writer in writers if writer.function.is_kernel)
    declarations = [f"{signature(f, functions[f.name])};" for f in module.functions]
    return "\n".join(
        [
            '#include "kernel.h"',
            "struct machine *machine;",
            *_variable_table(module),
            f"static u64 visits[{len(pieces)}];",
            *declarations,
            *bodies,
            _count_table(pieces),
            *_kernel_table(kernel, len(pieces)),
            "",
        ]
    )


def _check_target(module: Module) -> None:
    """Raise Unsupported for TF32 in a module for GPUs that have none."""
    statements = (s for function in module.functions for s in function.body)
    found = next((s for s in statements if ".tf32" in s.text), None)
    if found and module.target < _TF32_SINCE:
        name = found.text.split()[0]
        raise Unsupported(
            f"line {found.line}: {name} needs .target sm_{_TF32_SINCE} or later, "
            f"this is sm_{module.target}"
        )


def _variable_table(module: Module) -> list[str]:
    lines, rows = [], []
    for k, v in enumerate(v for v in module.variables if v.space != "shared"):
        lines.append(f"static const u8 content_{k}[] = {{{_listed(v.content)}}};")
        rows.append(f"{{content_{k}, {v.size}}}")
    lines.append(f"struct variable variables[] = {{{_listed(rows) or '{0}'}}};")
    return [*lines, f"int variable_count = {len(rows)};"]


def _count_table(pieces: list[Counts]) -> str:
    """What each straight piece of code has of each kind."""
    rows = [f"{{{_listed(piece.get(kind, 0) for kind in KINDS)}}}" for piece in pieces]
    return f"static const u32 counts[][{len(KINDS)}] = {{{_listed(rows)}}};"


def _kernel_table(kernel: FunctionWriter, pieces: int) -> list[str]:
    function: Function = kernel.function
    offsets, size = layout(function.parameters)
    sizes = [v.size for v in function.parameters]
    row = (
        f'"{function.name}", {kernel.name}, sizeof(struct registers_{kernel.name})',
        f"{kernel.shared_bytes}, {size}, {len(sizes)}, sizes, offsets, {pieces}, visits, counts[0]",
    )
    return [
        f"static const u32 sizes[] = {{{_listed(sizes) or '0'}}};",
        f"static const u32 offsets[] = {{{_listed(offsets.values()) or '0'}}};",
        f"struct kernel kernels[] = {{{{{_listed(row)}}}}};",
        "int kernel_count = 1;",
    ]


def _listed(items: Iterable) -> str:
    return ", ".join(map(str, items))
