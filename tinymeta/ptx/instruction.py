"""One instruction of PTX, taken apart: `@!%p1 ld.global.v2.f32 {%f1, %f2}, [%rd1+8];`"""

import re
from functools import cached_property
from typing import NamedTuple

from .parse import SIZES, Unsupported

_WRITES_NOTHING = {"st", "bra", "ret", "exit", "bar", "barrier", "call", "trap", "red"}
_CARRY = "carry"  # of a sum of two words, from the lower to the higher: no register has it
_SPACES = ("global", "shared", "local", "param", "const")
_PARTS = re.compile(r"(?:@(!?[%\w$]+) )?([\w.:]+) ?(.*)")
_ADDRESS = re.compile(r"\[([%\w$]+)\s*(?:\+\s*(-?\w+))?\s*\]")
_NAME = re.compile(r"[%\w$]+")
_OPERANDS = re.compile(r"\{[^}]*\}|\[[^\]]*\]|\([^)]*\)|[^,\s]+")


class Address(NamedTuple):
    """A register or variable, and bytes behind it."""

    name: str
    offset: int


class Instruction:
    """predicate: "", "%p1" or "!%p1". base, modifiers: of its name, ld and (global, v2, f32)."""

    def __init__(self, line: int, text: str):
        match = _PARTS.fullmatch(text)
        if not match:
            raise Unsupported(f"PTX, line {line}: {text}")
        self.line, self.predicate = line, match[1] or ""
        name: list[str] = match[2].split(".")
        self.base, self.modifiers = name[0], tuple(name[1:])
        self.operands: list[str] = _OPERANDS.findall(match[3])

    @cached_property
    def types(self) -> list[str]:
        """Its types, as PTX writes them."""
        return [m for m in self.modifiers if m in SIZES or m == "pred"]

    @property
    def type(self) -> str:
        """The last of its types, "" if it has none."""
        return self.types[-1] if self.types else ""

    @property
    def space(self) -> str:
        """Which memory a load or store means; without a name it is the GPU's."""
        return next((m for m in self.modifiers if m in _SPACES), "global")

    @property
    def count(self) -> int:
        """How many elements it loads or stores at once."""
        return next((int(m[1]) for m in self.modifiers if m in ("v2", "v4")), 1)

    @property
    def bytes(self) -> int:
        """How many it loads or stores."""
        return SIZES[self.type] * self.count

    @property
    def registers(self) -> tuple[set[str], set[str]]:
        """Those that it writes, and those that it needs to have been written before."""
        results = 0 if self.base in _WRITES_NOTHING else 1
        written = set(_NAME.findall(" ".join(self.operands[:results])))
        read = set(_NAME.findall(" ".join(self.operands[results:])))
        if "cc" in self.modifiers:
            written.add(_CARRY)
        if self.base in ("addc", "subc", "madc"):
            read.add(_CARRY)
        if self.predicate:  # it may write nothing
            read |= written | {self.predicate.lstrip("!")}
        return written, read


def elements(operand: str) -> list[str]:
    """The registers of a vector {%f1, %f2}, or the one that it is."""
    return [part.strip() for part in operand.strip("{}()").split(",") if part.strip()]


def address(operand: str) -> Address:
    """What is in the brackets of [%rd1+8]."""
    match = _ADDRESS.fullmatch(operand)
    if not match:
        raise Unsupported(f"address {operand}")
    return Address(match[1], int(match[2] or "0", 0))
