"""PTX as text in, its variables, functions and statements out. Nothing is understood yet but names.

Only what a compiler writes is read: no macros, no nested comments, one module a text. Others
raise Unsupported. (NVIDIA, Parallel Thread Execution ISA, chapters 4 and 5.)
"""

import re
from typing import NamedTuple

SIZES = {
    **{f"{letter}{bits}": bits // 8 for letter in "bus" for bits in (8, 16, 32, 64)},
    "f32": 4,
    "f64": 8,
    "tf32": 4,
}  # bytes of each type
_VARIABLE = re.compile(
    r"\.(?P<space>global|const|shared|local|param)\s+(?:\.align\s+(?P<align>\d+)\s+)?\.(?P<type>\w+)\s+"
    r"(?:\.ptr\s+(?:\.\w+\s+)?(?:\.align\s+\d+\s+)?)?"
    r"(?P<name>[\w$]+)\s*(?:\[(?P<count>\d+)\])?\s*(?:=\s*\{?(?P<values>[^;}]*)\}?)?"
)
# A label, a brace that opens or closes a scope, or what ends in a semicolon, vectors included.
_STATEMENT = re.compile(r"(\s*)(?:([$%\w]+:(?!:))|([{}])|([^;]+);)")
_TARGET = re.compile(r"\.target\s+sm_(\d+)")
_FUNCTION = re.compile(r"\.(entry|func)\b")
_HEAD = re.compile(r"\s*(\(.*?\))?\s*([\w$]+)\s*(\(.*?\))?.*", re.DOTALL)


class Unsupported(Exception):
    """PTX that the translator does not know."""


class Variable(NamedTuple):
    """Named memory; size, align in bytes. A parameter is one, too."""

    space: str
    name: str
    size: int
    align: int
    content: bytes


class Statement(NamedTuple):
    """A label "name:", a brace, a directive or an instruction; line: in the module's text."""

    line: int
    text: str


class Function(NamedTuple):
    """A kernel, or a function that kernels call. results, parameters: where values are passed."""

    is_kernel: bool
    name: str
    results: list[Variable]
    parameters: list[Variable]
    body: list[Statement]


class Module(NamedTuple):
    """variables: those outside of functions. target: the GPUs it is for, 90 for sm_90 and later."""

    variables: list[Variable]
    functions: list[Function]
    target: int


def parse_module(text: str) -> Module:
    """A module's variables and functions, in the order of the text."""
    text = re.sub(r"//[^\n]*", "", text)  # NVVM writes comments of no other kind
    outside, functions, place = [], [], 0
    for match in _FUNCTION.finditer(text):
        begin = min(_find(text, "{", match.end()), _find(text, ";", match.end()))
        if text[begin] == "{":
            end = _closing_brace(text, begin)
            functions.append(_function(text, match, begin, end))
            outside.append(text[place : match.start()])
            place = end
    rest = "".join([*outside, text[place:]])
    target = _TARGET.search(text)
    variables = [v for v in variables_of(rest) if v.space != "param"]
    return Module(variables, functions, int(target[1]) if target else 0)


def variables_of(text: str) -> list[Variable]:
    """The variables that some text declares."""
    return [_variable(match) for match in _VARIABLE.finditer(text)]


def _variable(match: re.Match) -> Variable:
    element = SIZES[match["type"]]
    size = element * int(match["count"] or 1)
    values = [
        int(v, 0) % 2 ** (8 * element) for v in (match["values"] or "").split(",") if v.strip()
    ]
    content = b"".join(v.to_bytes(element, "little") for v in values).ljust(size, b"\0")
    return Variable(match["space"], match["name"], size, int(match["align"] or element), content)


def _function(text: str, match: re.Match, begin: int, end: int) -> Function:
    """A function whose body is text[begin:end], in its braces."""
    is_kernel, head = match[1] == "entry", text[match.end() : begin]
    found = _HEAD.fullmatch(head)
    if not found:
        raise Unsupported(f"the head of a function: {head}")
    results, name, parameters = found.groups()
    first_line = text.count("\n", 0, begin + 1) + 1
    body = _statements(text[begin + 1 : end - 1], first_line)
    return Function(
        is_kernel, name, variables_of(results or ""), variables_of(parameters or ""), body
    )


def _statements(text: str, line: int) -> list[Statement]:
    """The statements of a body whose first line has this number."""
    found = []
    for match in _STATEMENT.finditer(text):
        space, statement = match[1], match[2] or match[3] or match[4]
        line += space.count("\n")
        found.append(Statement(line, " ".join(statement.split())))
        line += statement.count("\n")
    return found


def _find(text: str, wanted: str, begin: int) -> int:
    place = text.find(wanted, begin)
    return len(text) if place < 0 else place


def _closing_brace(text: str, begin: int) -> int:
    """The place behind the brace that closes the one at `begin`."""
    depth = 0
    for match in re.compile("[{}]").finditer(text, begin):
        depth += 1 if match[0] == "{" else -1
        if not depth:
            return match.end()
    raise Unsupported("PTX whose braces do not close")


def layout(variables: list[Variable], begin: int = 0) -> tuple[dict[str, int], int]:
    """(the offset of each by name, bytes in all) of variables one after another, aligned."""
    offsets = {}
    for v in variables:
        offsets[v.name] = -(-begin // v.align) * v.align
        begin = offsets[v.name] + v.size
    return offsets, begin
