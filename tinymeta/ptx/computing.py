"""Instructions that compute: a register becomes a function of registers and numbers.

Most are functions of C by their own name, mad.lo.s32 is mad_lo_s32; their operands have the type
that they name. Here are the others, and which operands have another type.
"""

from collections.abc import Callable

from .instruction import Instruction, elements
from .operands import Names, c_type
from .parse import SIZES, Unsupported

_UNSAID = {"rn", "uni"}  # C rounds to the nearest; a uniform jump is a jump
# The types of operands that are not the instruction's own; T: its own, 2T: of twice its width.
_OPERANDS = {
    "shl": ("T", "u32"),
    "shr": ("T", "u32"),
    "bfi": ("T", "T", "u32", "u32"),
    "selp": ("T", "T", "pred"),
    "mad.wide": ("T", "T", "2T"),
}
_RESULTS = {"setp": "pred", "clz": "u32", "popc": "u32", "mul.wide": "2T", "mad.wide": "2T"}


def computed(names: Names, i: Instruction) -> str:
    """The C statement of an instruction."""
    return _SPECIAL.get(i.base, _by_name)(names, i)


def _by_name(names: Names, i: Instruction) -> str:
    own = c_type(i.type)
    form = f"{i.base}.wide" if "wide" in i.modifiers else i.base
    widths = {"T": own, "2T": f"{own[0]}{2 * 8 * SIZES.get(i.type, 0)}"}
    result, *operands = i.operands
    kinds = _OPERANDS.get(form, ("T",) * len(operands))
    values = [names.read(o, widths.get(k, k)) for o, k in zip(operands, kinds)]
    if i.base == "setp" and len(operands) == 3:
        return _combined(names, i, values)
    if "cc" in i.modifiers or i.base in ("addc", "subc", "madc"):
        values.append("&carry")
    kind = _RESULTS.get(form, "T")
    return names.write(result, f"{_name_in_c(i)}({', '.join(values)})", widths.get(kind, kind))


def _name_in_c(i: Instruction) -> str:
    """mul.rn.f32 is mul_f32, add.cc.u32 add_cc_u32, selp.b64 selp_u64."""
    said = [c_type(m) if m in SIZES else m for m in i.modifiers if m not in _UNSAID]
    return "_".join((i.base, *said))


def _combined(names: Names, i: Instruction, values: list[str]) -> str:
    """setp.lt.and.f32: a comparison, and a predicate."""
    (how,) = {"and", "or", "xor"} & {*i.modifiers}
    compared = f"{_name_in_c(i).replace(f'_{how}', '')}({', '.join(values[:2])})"
    other = i.operands[3]
    value = names.read(other.lstrip("!"), "pred")
    value = f"!{value}" if other[0] == "!" else value
    return names.write(i.operands[0], f"{how}_pred({compared}, {value})", "pred")


def _mov(names: Names, i: Instruction) -> str:
    """A value, or several that become the parts of one, or one that is taken apart."""
    to, source = i.operands
    kind = c_type(i.type)
    if to[0] != "{" and source[0] != "{":
        return names.write(to, names.read(source, kind), kind)
    parts = elements(to if to[0] == "{" else source)
    bits = 8 * SIZES[i.type] // len(parts)
    part = f"u{bits}"
    if source[0] == "{":  # the first is the lowest
        values = [f"({kind}){names.read(p, part)} << {k * bits}" for k, p in enumerate(parts)]
        return names.write(to, " | ".join(values), kind)
    values = [f"({part})(whole >> {k * bits})" for k in range(len(parts))]
    writes = [names.write(p, value, part) for p, value in zip(parts, values)]
    return f"{{ {kind} whole = {names.read(source, kind)}; {' '.join(writes)} }}"


def _cvta(names: Names, i: Instruction) -> str:
    """Between a space's addresses and generic ones, which are the same numbers here.

    Not where somebody could read another space by a generic one.
    """
    if "shared" in i.modifiers or "local" in i.modifiers and "to" in i.modifiers:
        raise Unsupported(f"line {i.line}: a generic address of {i.modifiers}")
    return names.write(i.operands[0], names.read(i.operands[1], "u64"), "u64")


def _cvt(names: Names, i: Instruction) -> str:
    """Between integers it cuts or extends; with floats it is a function by its whole name."""
    to, source = map(c_type, i.types)
    value = names.read(i.operands[1], source)
    if "f" in to + source:
        name = "_".join(("cvt", *i.modifiers))
        return names.write(i.operands[0], f"{name}({value})", to)
    if len(i.modifiers) > 2:
        raise Unsupported(f"line {i.line}: cvt.{'.'.join(i.modifiers)}")
    return names.write(i.operands[0], f"({to})({value})", to)


_SPECIAL: dict[str, Callable[[Names, Instruction], str]] = {"mov": _mov, "cvta": _cvta, "cvt": _cvt}
