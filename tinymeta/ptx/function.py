"""One function of PTX as C, an instruction a statement: `fma.rn.f32 %f3, %f1, %f2, %f3;` becomes

    r->_f3 = fma_f32(r->_f1, r->_f2, r->_f3);

What an instruction computes is said in C, by a function of its name (integers.h, floats.h,
approximate.h); here is only which operand has which type, and what jumps, calls and barriers are.

A kernel becomes a function that runs one thread to its next barrier, or to a product that its warp
computes together. There it says where it stopped; called again, it goes on behind it (grid.c does
so for all threads of a block in turn). So a thread's registers are memory that is its own; to make
C's variables of them takes gcc five times as long, and their code is not faster. Straight pieces of
code count how often they are visited: as it is known what is in each, that counts every instruction
at the price of one addition a piece.
"""

from .computing import computed
from .instruction import Instruction, address, elements
from .kinds import bytes_of, kind_of
from .operands import Names, Register, c_name, c_type
from .parse import SIZES, Function, Statement, Unsupported, Variable, layout, variables_of

_SHARED_BASE = 1024  # where shared memory begins, as in grid.c
_IGNORED = (".pragma", ".loc ", ".file", ".section")
_MMA = ("sync", "aligned", "m16n8k8", "row", "col", "f32", "tf32", "tf32", "f32")
_ENDS_PIECE = {"bra", "ret", "exit", "bar", "barrier"}


def signature(function: Function, name: str) -> str:
    """A kernel is given a thread's registers, another function the memory of what is passed."""
    if function.is_kernel:
        return f"static int {name}(struct thread *t, void *saved)"
    passed = [f", u8 *{c_name(v.name)}" for v in (*function.results, *function.parameters)]
    return f"static void {name}(struct thread *t{''.join(passed)})"


class FunctionWriter:
    """functions: the name in C of each. pieces: what is in each piece of code, of all functions.

    run: the statements that are; None: all. Jumps and barriers always are.
    """

    def __init__(
        self,
        function: Function,
        functions: dict,
        names: Names,
        shared: list,
        pieces: list[dict],
        run: set[Statement] | None = None,
    ):
        self.function, self.functions, self.pieces, self.run = function, functions, pieces, run
        self.name = functions[function.name]
        self.names = Names()
        self.names.scopes = [dict(names.scopes[0]), {}]
        self.registers: list[Register] = []
        self.local_bytes = self.shared_bytes = self.barriers = 0
        self.piece: dict | None = None  # that the next instruction is in
        self._declare(shared)
        if function.is_kernel:
            for name, offset in layout(function.parameters)[0].items():
                self.names.scopes[-1][name] = f"t->parameters + {offset}"
        else:
            for v in (*function.results, *function.parameters):
                self.names.declare_address(v, c_name(v.name))

    def write(self) -> str:
        """The whole function, and the struct of its registers."""
        body = [self._statement(s) for s in self.function.body]
        fields = [f"{r.type} {r.code[3:]};" for r in self.registers]
        fields.append(f"u8 local[{self.local_bytes or 1}] __attribute__((aligned(16)));")
        struct, kernel = f"struct registers_{self.name}", self.function.is_kernel
        begin = f"{struct} *r = saved;" if kernel else f"{struct} mine = {{0}}, *r = &mine;"
        cases = [f"case {k}: goto barrier_{k};" for k in range(1, self.barriers + 1)]
        jump = f"switch (t->resume) {{ {' '.join(cases)} }}" if cases else ""
        return "\n".join(
            [
                f"{struct} {{ {' '.join(fields)} }};",
                f"{signature(self.function, self.name)} {{",
                f"{begin} u32 carry = 0; {jump}",
                *body,
                "return DONE; }" if kernel else "return; }",
            ]
        )

    # ---- statements ------------------------------------------------------------------------------

    def _statement(self, statement: Statement) -> str:
        text = statement.text
        if text == "{":
            self.names.scopes.append({})
            return "{"
        if text == "}":
            self.names.scopes.pop()
            return "}"
        if text.endswith(":"):
            self.piece = None  # others come here, too
            return f"label{c_name(text[:-1])}:;"
        if text.startswith(_IGNORED):
            return ""
        if text.startswith(".reg"):
            return self._declare_registers(text)
        if text.startswith("."):
            return self._declare(variables_of(text))
        is_run = self.run is None or statement in self.run
        return self._instruction(Instruction(statement.line, text), is_run)

    def _declare_registers(self, text: str) -> str:
        """Those of the whole function are kept at a barrier; inner ones are C's variables."""
        if len(self.names.scopes) == 2:
            self.registers += self.names.declare_registers(text, "r->")
            return ""
        declared = self.names.declare_registers(text, "")
        return " ".join(f"{r.type} {r.code} = 0;" for r in declared)

    def _declare(self, variables: list[Variable]) -> str:
        code = ""
        for v in variables:
            if v.space == "shared":
                offsets, self.shared_bytes = layout([v], self.shared_bytes)
                self.names.declare_address(v, str(_SHARED_BASE + offsets[v.name]))
            elif v.space == "local":
                offsets, self.local_bytes = layout([v], self.local_bytes)
                self.names.declare_address(v, str(offsets[v.name]))
            elif v.space == "param":
                self.names.declare_address(v, c_name(v.name))
                code += f"u8 {c_name(v.name)}[{v.size}] __attribute__((aligned(16)));"
            else:
                raise Unsupported(f"a variable of {v.space} in a function: {v.name}")
        return code

    # ---- instructions ----------------------------------------------------------------------------

    def _instruction(self, i: Instruction, is_run: bool) -> str:
        jumps = i.base in _ENDS_PIECE
        is_run |= jumps or i.base == "trap"
        if i.predicate and not jumps:  # it may be skipped: a piece by itself
            outer, self.piece = self.piece, None
            code = f"if ({self._condition(i)}) {{ {self._counted(i, is_run)} }}"
            self.piece = outer
            return code
        code = self._counted(i, is_run)
        if jumps:
            self.piece = None
        return code

    def _condition(self, i: Instruction) -> str:
        code = self.names.read(i.predicate.lstrip("!"), "pred")
        return f"!{code}" if i.predicate[0] == "!" else code

    def _counted(self, i: Instruction, is_run: bool) -> str:
        """The code of an instruction, if it is run, and of the visit where a piece begins."""
        visit = ""
        if self.piece is None:
            visit = f"visits[{len(self.pieces)}]++; "
            self.piece = {}
            self.pieces.append(self.piece)
        for kind, amount in {kind_of(i): 1, **bytes_of(i)}.items():
            self.piece[kind] = self.piece.get(kind, 0) + amount
        if not is_run:
            return visit
        jumps = i.predicate and i.base in _ENDS_PIECE
        return visit + (
            f"if ({self._condition(i)}) {{ {self._code(i)} }}" if jumps else self._code(i)
        )

    def _code(self, i: Instruction) -> str:
        special = getattr(self, f"_{i.base}", None)
        return special(i) if special else computed(self.names, i)

    # ---- memory ----------------------------------------------------------------------------------

    def _ld(self, i: Instruction) -> str:
        kind, size = c_type(i.type), SIZES[i.type]
        writes = [
            self.names.write(name, f"get_{kind}(p, {k * size})", kind)
            for k, name in enumerate(elements(i.operands[0]))
        ]
        return f"{{ const u8 *p = {self._place(i, i.operands[1], 'loaded')}; {' '.join(writes)} }}"

    def _st(self, i: Instruction) -> str:
        kind, size = c_type(i.type), SIZES[i.type]
        writes = [
            f"put_{kind}(p, {k * size}, {self.names.read(name, kind)});"
            for k, name in enumerate(elements(i.operands[1]))
        ]
        return f"{{ u8 *p = {self._place(i, i.operands[0], 'stored')}; {' '.join(writes)} }}"

    def _place(self, i: Instruction, operand: str, how: str) -> str:
        """C of a pointer to what an instruction loads or stores."""
        name, offset = address(operand)
        if i.space == "param":
            found = self.names.find(name)
            if not isinstance(found, str):
                raise Unsupported(f"parameter {name}")
            return f"(u8 *)({found} + {offset})"
        place = f"{self.names.read(name, 'u64')} + {offset}"
        if i.space == "local":
            return f"local(t, r->local, {self.local_bytes}, {i.line}, {place}, {i.bytes})"
        memory = "t->shared" if i.space == "shared" else "&machine->global"
        return f"{how}(t, {memory}, {i.line}, {place}, {SIZES[i.type]}, {i.count})"

    # ---- control ---------------------------------------------------------------------------------

    def _bra(self, i: Instruction) -> str:
        return f"goto label{c_name(i.operands[0])};"

    def _ret(self, i: Instruction) -> str:
        return "return DONE;" if self.function.is_kernel else "return;"

    _exit = _ret

    def _bar(self, i: Instruction) -> str:
        if not self.function.is_kernel or "sync" not in i.modifiers or len(i.operands) > 1:
            raise Unsupported(f"line {i.line}: only bar.sync of all threads, in a kernel itself")
        self.barriers += 1
        return f"return {self.barriers}; barrier_{self.barriers}:;"

    _barrier = _bar

    def _mma(self, i: Instruction) -> str:
        """A product of the thread's whole warp, which meets there (warp.c)."""
        if i.modifiers != _MMA or i.predicate or not self.function.is_kernel:
            raise Unsupported(f"line {i.line}: only {'.'.join(('mma', *_MMA))}, in a kernel itself")
        result, *given = map(elements, i.operands)
        gives = [
            f"t->{matrix}[{k}] = {self.names.read(name, kind)};"
            for matrix, kind, names in zip("abc", ("tf32", "tf32", "f32"), given)
            for k, name in enumerate(names)
        ]
        takes = [self.names.write(name, f"t->c[{k}]", "f32") for k, name in enumerate(result)]
        self.barriers += 1
        stop = f"t->waits_for_warp = 1; return {self.barriers}; barrier_{self.barriers}:;"
        return " ".join([*gives, stop, *takes])

    def _trap(self, i: Instruction) -> str:
        return f"machine->fault(t, TRAP, {i.line}, 0, 0);"

    def _membar(self, i: Instruction) -> str:
        return ";"  # threads run in turn: all see what was written

    _fence = _membar

    def _call(self, i: Instruction) -> str:
        """call (results), name, (parameters): memory is passed, a declared .param each."""
        name = next(o for o in i.operands if o[0] != "(")
        passed = [c_name(v) for o in i.operands if o[0] == "(" for v in elements(o)]
        if name not in self.functions:
            raise Unsupported(f"a call of {name}")
        return f"{self.functions[name]}({', '.join(['t', *passed])});"
