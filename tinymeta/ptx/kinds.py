"""What is counted: kinds of instructions, and the bytes that a kernel loads and stores.

PTX is not yet what a GPU runs; its assembler takes two instructions together here and makes three
of one there. But of loops of arithmetic it leaves what they are. A matrix product of a warp is an
instruction of each of its 32 threads.
"""

from .instruction import Instruction

INSTRUCTIONS = (
    *("ffma", "float32", "dfma", "float64", "special", "integer", "division", "select", "convert"),
    *("move", "branch", "barrier", "parameter", "global load", "global store"),
    *("shared load", "shared store", "local", "matrix product", "round to tf32"),
)
KINDS = (*INSTRUCTIONS, "bytes loaded", "bytes stored", "bytes shared")
_SPECIAL = {"ex2", "lg2", "rcp", "rsqrt", "sin", "cos", "tanh"}
_BASES = {
    **dict.fromkeys(("bra", "ret", "exit", "call", "trap"), "branch"),
    **dict.fromkeys(("mov", "cvta"), "move"),
    **dict.fromkeys(("setp", "selp"), "select"),
    **dict.fromkeys(("bar", "barrier", "membar", "fence"), "barrier"),
    "cvt": "convert",
    "mma": "matrix product",
}


def kind_of(instruction: Instruction) -> str:
    """One of INSTRUCTIONS."""
    base, modifiers = instruction.base, instruction.modifiers
    if base in ("ld", "st"):
        space = instruction.space
        if space in ("local", "param"):
            return "local" if space == "local" else "parameter"
        return f"{space} {'load' if base == 'ld' else 'store'}"
    if base == "cvt" and "tf32" in modifiers:
        return "round to tf32"
    if base in _BASES:
        return _BASES[base]
    if "approx" in modifiers or base in _SPECIAL:
        return "special"
    if base in ("div", "rem", "sqrt"):
        return "division"
    bits = {"f32": "32", "f64": "64"}.get(instruction.type)
    if not bits:
        return "integer"
    if base == "fma":
        return "ffma" if bits == "32" else "dfma"
    return f"float{bits}"


def bytes_of(instruction: Instruction) -> dict[str, int]:
    """The bytes of global and of shared memory that it moves, by kind."""
    kind = kind_of(instruction)
    if kind.startswith("shared"):
        return {"bytes shared": instruction.bytes}
    if not kind.startswith("global"):
        return {}
    return {f"bytes {'loaded' if kind == 'global load' else 'stored'}": instruction.bytes}
