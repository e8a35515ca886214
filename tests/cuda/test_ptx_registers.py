"""Registers of a kernel: what ptxas says, and the estimate from PTX alone."""

import pytest
from test_ptx_instructions import KERNEL

from tinymeta.ptx import registers
from tinymeta.ptx.pressure import registers_live
from tinymeta.ptx.registers import Registers

BODY = """.version 8.0
.target sm_90
.address_size 64
.visible .entry kernel(.param .u64 a) {{
.reg .pred %p<2>; .reg .f32 %f<9>; .reg .f64 %fd<3>; .reg .b32 %r<3>; .reg .b64 %rd<3>;
ld.param.u64 %rd1, [a];
{code}
ret;
}}
"""
# One address is two words. In a row each number dies as the next is made; a sum of three keeps two.
IN_A_ROW = """ld.global.f32 %f1, [%rd1]; add.f32 %f2, %f1, %f1; add.f32 %f3, %f2, %f2;
st.global.f32 [%rd1], %f3;"""
THREE_AT_ONCE = """ld.global.f32 %f1, [%rd1]; ld.global.f32 %f2, [%rd1+4];
ld.global.f32 %f3, [%rd1+8];
fma.rn.f32 %f4, %f1, %f2, %f3; st.global.f32 [%rd1], %f4;"""
WIDE = "ld.global.f64 %fd1, [%rd1]; add.f64 %fd2, %fd1, %fd1; st.global.f64 [%rd1], %fd2;"
AROUND = """mov.u32 %r1, 0; mov.f32 %f1, 0f00000000; ld.global.f32 %f2, [%rd1];
again: add.f32 %f1, %f1, %f2; add.u32 %r1, %r1, 1; setp.lt.u32 %p1, %r1, 5;
@%p1 bra again;
st.global.f32 [%rd1], %f1;"""
AT_TIMES = """ld.global.f32 %f1, [%rd1]; setp.lt.f32 %p1, %f1, 0f00000000; mov.f32 %f2, %f1;
@%p1 neg.f32 %f2, %f1; st.global.f32 [%rd1], %f2;"""


@pytest.mark.parametrize(
    "code, words",
    [(IN_A_ROW, 3), (THREE_AT_ONCE, 5), (WIDE, 4), (AROUND, 5), (AT_TIMES, 4)],
    ids=["in a row", "three at once", "wide", "around", "at times"],
)
def test_what_is_kept_is_counted(code, words):
    """AROUND keeps what every turn reads; AT_TIMES what a predicate may leave as it was."""
    assert registers_live(BODY.format(code=code)) == words


def test_registers_are_the_assemblers_words_and_estimated_without_it(monkeypatch):
    text = BODY.format(code=WIDE)
    said = "ptxas info    : 0 bytes spill stores\nptxas info    : Used 40 registers, 8 bytes smem"
    monkeypatch.setattr(registers, "assembler", lambda: "ptxas")
    monkeypatch.setattr(registers, "_assembled", lambda path, text, capability: said)
    (found,) = registers.registers([text, text]).values()
    assert found == Registers(40) and str(found) == "40"
    spilling = said.replace("0 bytes spill", "12 bytes spill", 1)
    monkeypatch.setattr(registers, "_assembled", lambda path, text, capability: spilling)
    assert str(registers.registers([text])[text]) == "40+12B"
    assert registers.how_registers_are_known() == "those of ptxas"
    monkeypatch.setattr(registers, "_assembled", lambda path, text, capability: "refused")
    assert str(registers.registers([text])[text]) == "~4"
    monkeypatch.setattr(registers, "assembler", lambda: None)
    assert str(registers.registers([text])[text]) == "~4"
    assert "no ptxas here" in registers.how_registers_are_known()


@pytest.mark.skipif(registers.assembler() is None, reason="ptxas is not installed")
def test_registers_of_a_kernel():
    add = KERNEL.format(kind="f32", result="f32", size=4, out_size=4, code="add.f32 %c0, %a0, %a1;")
    (found,) = registers.registers([add]).values()
    assert 2 < found.number < 20 and not found.is_estimate
