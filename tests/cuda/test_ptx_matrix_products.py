"""A warp's matrix product in TF32 on the emulated GPU, beside NumPy: who holds what, how it rounds.

The layout is written down here a second time, from the PTX ISA (Matrix Fragments for mma.m16n8k8),
as rows and columns of each thread's numbers.
"""

import numpy as np
import pytest
from test_ptx_instructions import F32, F64, Written, computed

from tinymeta.cuda import allocate, driver, move
from tinymeta.ptx import kinds, translate
from tinymeta.ptx.parse import Unsupported

pytestmark = pytest.mark.ptx_run
LANES = np.arange(32)
GROUP, PLACE = LANES // 4, LANES % 4
A_AT = [(GROUP + row, PLACE + column) for column in (0, 4) for row in (0, 8)]
B_AT = [(PLACE + row, GROUP) for row in (0, 4)]
C_AT = [(GROUP + row, 2 * PLACE + column) for row in (0, 8) for column in (0, 1)]
ROUNDED = "".join(f"cvt.rna.tf32.f32 %r{k}, %f{k};" for k in range(1, 7))
AS_IT_IS = "".join(f"mov.b32 %r{k}, %f{k};" for k in range(1, 7))
MMA = """mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32
    {%f11, %f12, %f13, %f14}, {%r1, %r2, %r3, %r4}, {%r5, %r6}, {%f7, %f8, %f9, %f10};"""
# Thread k of a warp has its ten numbers of A, B and C at x + 40 k, and writes four of D.
PRODUCT = """
.version 7.8
.target sm_80
.address_size 64
.visible .entry product(.param .u64 out, .param .u64 x)
{{
    .reg .pred %p<2>; .reg .f32 %f<15>; .reg .b32 %r<8>; .reg .b64 %rd<3>;
    mov.u32 %r7, %tid.x;
    ld.param.u64 %rd1, [x]; ld.param.u64 %rd2, [out];
    mad.wide.u32 %rd1, %r7, 40, %rd1; mad.wide.u32 %rd2, %r7, 16, %rd2;
    {loads}
    {code}
    st.global.v4.f32 [%rd2], {{%f11, %f12, %f13, %f14}};
    ret;
}}
"""
LOADS = "".join(f"ld.global.f32 %f{k + 1}, [%rd1+{4 * k}];" for k in range(10))


def rounded(x):
    """The nearest floats of 10 bits behind the point, halves away from 0."""
    exponent = np.maximum(np.frexp(x.astype(F64))[1], -125)  # below, floats lie as far apart
    step = 2.0 ** (exponent - 11.0)
    return np.copysign(np.floor(np.abs(x) / step + 0.5) * step, x).astype(F32)


def product(a, b, c, code=ROUNDED + MMA, threads=32):
    """D, by a kernel of one warp."""
    held = [m[at] for m, places in ((a, A_AT), (b, B_AT), (c, C_AT)) for at in places]
    out = allocate((32, 4), F32)
    x = move(np.ascontiguousarray(np.stack(held, 1), F32), "cuda")
    Written(PRODUCT.format(loads=LOADS, code=code))(1, threads, out, x)
    d, given = np.empty((16, 8), F32), move(out, "cpu")
    for k, at in enumerate(C_AT):
        d[at] = given[:, k]
    return d


@pytest.fixture
def matrices():
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=shape).astype(F32) for shape in ((16, 8), (8, 8), (16, 8)))


def test_a_number_is_rounded_to_ten_bits_halves_away_from_zero():
    one, step = 1.0, 2.0**-10
    x = [
        one + step / 2,
        -one - step / 2,
        one + step * 0.499,
        2 - step / 4,
        3e-39,
        0.0,
        -0.0,
        3.3e38,
    ]
    x = np.array([*x, *np.random.default_rng(0).normal(size=200)], F32)
    found = computed("cvt.rna.tf32.f32 %r1, %a0; mov.b32 %c0, %r1;", "f32", "f32", x, x)
    np.testing.assert_array_equal(found[:4], np.array([1 + step, -1 - step, 1, 2], F32))
    np.testing.assert_array_equal(found, rounded(x))
    assert (np.signbit(found) == np.signbit(x)).all()
    assert not (found.view(np.uint32) & 0x1FFF).any()


def test_an_infinity_and_what_is_no_number_stay_that():
    x = np.array([np.inf, -np.inf, np.nan, 0, np.finfo(F32).max], F32)
    x.view(np.uint32)[3] = 0x7F800001  # NaN by a bit that is cut off
    found = computed("cvt.rna.tf32.f32 %r1, %a0; mov.b32 %c0, %r1;", "f32", "f32", x, x)
    np.testing.assert_array_equal(found, np.array([np.inf, -np.inf, np.nan, np.nan, np.inf], F32))


@pytest.mark.parametrize("approximate_off", [0, 1])
def test_a_product_of_whole_numbers_is_exact(approximate_off, gpu):
    gpu.configure(approximate_off=approximate_off)
    rng = np.random.default_rng(1)
    a, b, c = (rng.integers(-999, 999, shape).astype(F32) for shape in ((16, 8), (8, 8), (16, 8)))
    np.testing.assert_array_equal(product(a, b, c), a @ b + c)


def test_a_product_is_that_of_the_rounded_numbers(gpu, matrices):
    a, b, c = matrices
    gpu.configure(approximate_off=0)
    expected = c.astype(F64)
    for k in range(8):  # added one after another, each sum a float32
        expected = (expected + np.outer(rounded(a)[:, k], rounded(b)[k]).astype(F64)).astype(F32)
    np.testing.assert_array_equal(product(a, b, c), expected)
    assert not (product(a, b, c) == a @ b + c).all()


def test_sums_are_off_by_units_in_the_last_place_if_that_is_asked(gpu, matrices):
    a, b, c = matrices
    exact = rounded(a).astype(F64) @ rounded(b).astype(F64) + c
    sizes = np.abs(rounded(a)).astype(F64) @ np.abs(rounded(b)).astype(F64) + np.abs(c)
    found = {}
    for off in (0, 1):
        gpu.configure(approximate_off=off)
        found[off] = product(a, b, c)
        assert (np.abs(found[off] - exact) <= 8 * 2.0**-23 * sizes).all()
    assert (found[0] != found[1]).any()


def test_a_number_that_was_not_rounded_is_a_fault(gpu, matrices):
    product(*matrices, AS_IT_IS + MMA)
    (found,) = gpu.faults()
    assert "that cvt.rna.tf32 has not rounded" in found


@pytest.mark.parametrize(
    "code, threads",
    [(MMA, 16), ("setp.lt.u32 %p0, %r7, 9; @%p0 bra past;" + MMA + "past:", 32)],
    ids=["half a warp", "without some"],
)
def test_a_warp_that_does_not_come_together_is_a_fault(code, threads, gpu, matrices):
    kernel_code = "mov.f32 %f11, %f7; mov.f32 %f12, %f8; mov.f32 %f13, %f9; mov.f32 %f14, %f10;"
    held = np.ones((32, 10), F32)
    text = PRODUCT.format(loads=LOADS, code=kernel_code + ROUNDED + code)
    Written(text)(1, threads, allocate((32, 4), F32), move(held, "cuda"))
    driver.current().synchronize()
    assert any("do not come to its matrix product together" in found for found in gpu.faults())


def test_products_of_two_warps_between_barriers(gpu, matrices):
    """A second product on the first one's sums; the other warp goes its own way."""
    a, b, c = matrices
    again = MMA.replace("%f7, %f8, %f9, %f10", "%f11, %f12, %f13, %f14")
    code = ROUNDED + "bar.sync 0;" + MMA + again + "bar.sync 0;"
    gpu.configure(approximate_off=0)
    once = product(a, b, c)
    np.testing.assert_array_equal(product(a, b, c, code), product(a, b, once))


def test_products_are_counted(gpu, matrices):
    driver.current().synchronize()
    gpu.forget_statistics()
    product(*matrices)
    (found,) = gpu.statistics()
    assert found.counts["matrix product"] == 32 and found.counts["round to tf32"] == 6 * 32
    assert found.instructions == sum(found.counts[kind] for kind in kinds.INSTRUCTIONS)


def test_gpus_before_ampere_are_refused_by_name():
    text = PRODUCT.format(loads=LOADS, code=ROUNDED + MMA).replace("sm_80", "sm_75")
    wanted = "cvt.rna.tf32.f32 needs .target sm_80 or later, this is sm_75"
    with pytest.raises(Unsupported, match=wanted):
        translate.translate(text)
    translate.translate(text.replace("sm_75", "sm_90"))


def test_another_shape_is_refused_by_name():
    code = ROUNDED + MMA.replace("m16n8k8", "m16n8k4")
    with pytest.raises(Unsupported, match="only mma.sync.aligned.m16n8k8.row.col.f32"):
        translate.translate(PRODUCT.format(loads=LOADS, code=code))
