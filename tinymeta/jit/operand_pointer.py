"""The text of a pointer in a loop's kernel: how an element is reached, and what is read for that.

In: the name of an operand or a result, its dtype, its strides in the loop. Out: lines and
expressions of the kernel's source, for codegen.py. Invariant: only which strides are 0 or 1 is in
the text; the others are arguments, so arrays of other sizes run on the same kernel. Cost: O(axes).
"""

from typing import NamedTuple


class OperandPointer(NamedTuple):
    """The variables of an operand (x0, ..) or a result (y0, ..) in the source of a kernel.

    Of x0: `x0_0` points to its first element, `x0_d` to the one where the loops outside of axis d
    are, `x0_s1` is its stride along axis 1, and `x0` the element itself.
    """

    name: str
    dtype: str  # in memory
    strides: tuple[int, ...]  # one for each axis of the loop

    @property
    def axes_read(self) -> list[int]:
        """The axes whose stride is an argument: those that are not 0, nor 1 along the last."""
        last = len(self.strides) - 1
        return [axis for axis, s in enumerate(self.strides) if s and (axis < last or s != 1)]

    @property
    def is_still(self) -> bool:
        """Does the innermost loop stay at one element?"""
        return not self.strides[-1]

    @property
    def element(self) -> str:
        """The element in the innermost loop: "x0_1[i1]"."""
        last = len(self.strides) - 1
        if self.is_still:
            index = "0"
        elif self.strides[-1] == 1:
            index = f"i{last}"
        else:
            index = f"i{last} * {self.name}_s{last}"
        return f"{self.name}_{last}[{index}]"

    @property
    def value(self) -> str:
        """The element as a value: bytes of bools become bools."""
        return f"({self.element} != 0)" if self.dtype == "bool" else self.element

    def read_args(self, place: int) -> list[str]:
        """The lines that read its pointer and strides from the arguments, from args[place] on."""
        lines = [f"{self.name}_0 = {memory_dtype(self.dtype)}_at(arena, args[{place}])"]
        for k, axis in enumerate(self.axes_read, 1):
            lines.append(f"{self.name}_s{axis} = args[{place + k}]")
        return lines

    def advance(self, axis: int) -> str:
        """The line that sets its pointer inside of the loop over an axis."""
        here, inside = f"{self.name}_{axis}", f"{self.name}_{axis + 1}"
        if not self.strides[axis]:
            return f"{inside} = {here}"
        return f"{inside} = at({here}, i{axis} * {self.name}_s{axis})"


def memory_dtype(dtype: str) -> str:
    """In which dtype a kernel sees an array of the arena: bools are bytes there."""
    return "uint8" if dtype == "bool" else dtype
