"""The names of a kernel, as C: registers, special registers, numbers, variables.

A register has a type, or is only bits (.b32); an instruction may read it as any type of its size,
and some read a wider one. `read` and `write` put the conversion around it that PTX means.
"""

import re
from typing import NamedTuple

from .parse import Unsupported, Variable

_SPECIAL = {
    **{
        f"%{name}.{axis}": f"t->{name}.{axis}"
        for name in ("tid", "ntid", "ctaid", "nctaid")
        for axis in "xyz"
    },
    "%laneid": "t->identity.thread % 32",
    "%warpid": "t->identity.thread / 32",
    "WARP_SZ": "32",
}
_INTEGER = re.compile(r"-?(0[xX][0-9a-fA-F]+|\d+)U?")
_REGISTERS = re.compile(r"(?P<name>[%\w$]+?)(?:<(?P<count>\d+)>)?$")


class Register(NamedTuple):
    """type: C's; code: how the C text names it."""

    type: str
    code: str


def c_type(ptx_type: str) -> str:
    """C's name of a type: bits are integers without a sign."""
    return "u" + ptx_type[1:] if ptx_type[0] == "b" else ptx_type


def c_name(name: str) -> str:
    """A name of PTX as an identifier of C; different names stay different."""
    return re.sub(r"\W", lambda m: {"%": "_", "$": "__"}.get(m[0], "___"), name)


class Names:
    """What names mean at a place of a function: the innermost scope that declares one counts."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Register | str]] = [{}]  # a str: C of an address

    def declare_registers(self, statement: str, prefix: str) -> list[Register]:
        """Those of a `.reg`, in the innermost scope; prefix: before each name in C."""
        _, kind, names = statement.split(maxsplit=2)
        declared = []
        for name in names.split(","):
            found = _REGISTERS.match(name.strip())
            if not found:
                raise Unsupported(statement)
            count = found["count"]
            for k in range(int(count)) if count else [""]:
                full = f"{found['name']}{k}"
                register = Register(c_type(kind[1:]), prefix + c_name(full))
                self.scopes[-1][full] = register
                declared.append(register)
        return declared

    def declare_address(self, variable: Variable, code: str) -> None:
        """A variable, whose name is its address."""
        self.scopes[-1][variable.name] = code

    def find(self, name: str) -> Register | str | None:
        """A register, the C of an address, or None."""
        return next((scope[name] for scope in reversed(self.scopes) if name in scope), None)

    def read(self, operand: str, kind: str) -> str:
        """C of an operand, of the C type `kind`."""
        found = self.find(operand)
        if isinstance(found, Register):
            return _converted(found.code, found.type, kind)
        if found or operand in _SPECIAL:
            return f"({kind})({found or _SPECIAL[operand]})"
        return _number(operand, kind)

    def write(self, operand: str, value: str, kind: str) -> str:
        """A C statement: the register becomes a value of type `kind`."""
        found = self.find(operand)
        if operand == "_":
            return f"(void)({value});"
        if not isinstance(found, Register):
            raise Unsupported(f"{operand} is no register")
        return f"{found.code} = {_converted(value, kind, found.type)};"


def _converted(code: str, has: str, wanted: str) -> str:
    """Integers are cut or extended by their sign; what is a float on one side keeps its bits."""
    if has == wanted:
        return code
    if has[0] == "f":
        return f"({wanted})bits_of_{has}({code})"
    if wanted[0] == "f":
        return f"{wanted}_of_bits({code})"
    return f"({wanted})({code})"


def _number(text: str, kind: str) -> str:
    """An immediate: an integer, or a float as its bits, 0f3F800000 and 0d3FF0000000000000."""
    if text[:2].lower() in ("0f", "0d"):
        of = "f32" if text[1] in "fF" else "f64"
        return _converted(f"{of}_of_bits(0x{text[2:]}u)", of, kind)
    if not _INTEGER.fullmatch(text):
        raise Unsupported(f"operand {text!r}")
    return f"({kind}){int(text.rstrip('U'), 0) % 2**64}u"
