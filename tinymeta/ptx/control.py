"""Which instructions decide where a thread goes: the others are counted without being run.

A thread goes where predicates say. In a loop over rows, or where an element may be outside, they
follow from the thread's place in the grid and from the arguments of the launch, and what lies in
memory has no say. Then the instructions that predicates follow from are enough to know how often
every piece of code is visited, by each thread of each block; products and sums, loads and stores
are between them, and most of the work. What is left is a slice of the kernel (Weiser, Program
slicing, 1984): from its predicates backwards, whoever writes what is needed, and what he reads.
"""

from .instruction import Instruction
from .parse import Function, Statement, parse_module


def deciding(function: Function) -> set[Statement] | None:
    """The statements of a kernel that its predicates follow from.

    None if one of them reads memory, so that only a run of all says where threads go. Jumps and
    barriers are not among them: they are always run.
    """
    rest = [
        (s, *Instruction(s.line, s.text).registers)
        for s in function.body
        if not s.text.endswith(":") and s.text[0] not in "{}."
    ]
    needed = {i.predicate.lstrip("!") for s, *_ in rest if (i := Instruction(*s)).predicate}
    found: set[Statement] = set()
    is_changed = True
    while is_changed:
        kept = [(s, read) for s, written, read in rest if written & needed and s not in found]
        for statement, read in kept:
            found.add(statement)
            needed |= read
        is_changed = bool(kept)
    return None if any(_reads_memory(Instruction(*s)) for s in found) else found


def _reads_memory(i: Instruction) -> bool:
    """Whether more than the launch's arguments and the thread's place are in what it computes."""
    return i.base == "ld" and i.space != "param"


def needs_no_numbers(text: str) -> bool:
    """Whether the threads of a PTX's kernel go where they go, whatever lies in memory."""
    (kernel, *others) = parse_module(text).functions
    return not others and deciding(kernel) is not None
