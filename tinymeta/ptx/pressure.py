"""How many registers a kernel needs at least, from its PTX alone, where no assembler is at hand.

PTX names a new register for each result. Of these only those must be kept at a place that are read
behind it before they are written again: they are live there. The most words of 32 bits that are
live at one place are an estimate of what a thread takes. NVIDIA's assembler moves instructions to
hide their latency, for which it takes more registers, and computes some numbers anew, for which it
takes fewer. (Backward data flow: Aho, Lam, Sethi, Ullman, Compilers, section 9.2.5.)
"""

import re
from typing import NamedTuple

from .instruction import Instruction
from .parse import Function, Statement, parse_module

_DECLARED = re.compile(r"\.reg \.(\w+) (%[a-z]+)<(\d+)>")


class _Piece(NamedTuple):
    """Instructions that run one after another, and the labels or places that may come next."""

    instructions: list[Instruction]
    followers: list[str | int]


def registers_live(text: str) -> int:
    """The most 32-bit words that are live at one place of the kernels in a PTX."""
    return max(_most_live(f) for f in parse_module(text).functions if f.is_kernel)


def _most_live(function: Function) -> int:
    words = _words(function.body)
    pieces, labels = _pieces(function.body)
    live_before: list[set[str]] = [set() for _ in pieces]
    most, is_changed = 0, True
    while is_changed:
        is_changed = False
        for k in reversed(range(len(pieces))):
            live: set[str] = set()
            for place in pieces[k].followers:
                follower = labels[place] if isinstance(place, str) else place
                live |= live_before[follower] if follower < len(pieces) else set()
            for instruction in reversed(pieces[k].instructions):
                written, read = instruction.registers
                most = max(most, sum(words.get(name, 0) for name in live | written))
                live = (live - written) | read
            if live != live_before[k]:
                live_before[k], is_changed = live, True
    return most


def _words(body: list[Statement]) -> dict[str, int]:
    """Of each register; predicates have their own."""
    found = {}
    for statement in body:
        for kind, name, count in _DECLARED.findall(statement.text):
            size = 0 if kind == "pred" else 2 if kind.endswith("64") else 1
            found.update({f"{name}{k}": size for k in range(int(count))})
    return found


def _pieces(body: list[Statement]) -> tuple[list[_Piece], dict[str, int]]:
    """The straight pieces of a function, and which of them begins at each label."""
    pieces, labels = [_Piece([], [])], {}
    for statement in body:
        text = statement.text
        if text.endswith(":"):
            pieces[-1].followers.append(len(pieces))
            labels[text[:-1]] = len(pieces)
            pieces.append(_Piece([], []))
        elif text[0] not in "{}.":
            instruction = Instruction(statement.line, text)
            pieces[-1].instructions.append(instruction)
            if instruction.base in ("bra", "ret", "exit"):
                if instruction.base == "bra":
                    pieces[-1].followers.append(instruction.operands[0])
                if instruction.predicate:
                    pieces[-1].followers.append(len(pieces))
                pieces.append(_Piece([], []))
    return pieces, labels
