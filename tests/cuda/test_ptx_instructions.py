"""What the emulated GPU makes of an instruction, beside NumPy: at the range's ends, of NaN, by 0.

Each is a kernel of a few lines of PTX. The instructions that NVVM writes for our kernels are met in
all the other tests; here are those whose C is not what first comes to mind.
"""

import math
from fractions import Fraction

import numpy as np
import pytest

from tinymeta.cuda import allocate, driver, move
from tinymeta.cuda.launch import GpuKernel
from tinymeta.ptx import parse, translate

pytestmark = pytest.mark.ptx_run
KERNEL = """
.version 8.0
.target sm_90
.address_size 64
.visible .entry written(.param .u64 out, .param .u64 x, .param .u64 y)
{{
    .reg .pred %p<3>; .reg .b32 %r<9>; .reg .b64 %rd<9>; .reg .{kind} %a<2>; .reg .{result} %c0;
    mov.u32 %r0, %tid.x;
    ld.param.u64 %rd0, [x]; ld.param.u64 %rd1, [y]; ld.param.u64 %rd2, [out];
    mad.wide.u32 %rd0, %r0, {size}, %rd0; mad.wide.u32 %rd1, %r0, {size}, %rd1;
    mad.wide.u32 %rd2, %r0, {out_size}, %rd2;
    ld.global.{kind} %a0, [%rd0]; ld.global.{kind} %a1, [%rd1];
    {code}
    st.global.{result} [%rd2], %c0;
    ret;
}}
"""
NAMES = {"f32": np.float32, "f64": np.float64}
NAMES |= {f"{s}{b}": np.dtype(f"{'u' * (s == 'u')}int{b}") for s in "su" for b in (16, 32, 64)}
F32, F64 = np.float32, np.float64
EDGES = {
    "s32": [0, 1, -1, 2, -7, 31, 32, 33, 2**31 - 1, -(2**31)],
    "u32": [0, 1, 2, 7, 31, 32, 33, 2**31, 2**32 - 1, 12345],
    "s64": [0, 1, -1, 2, -7, 63, 64, 2**63 - 1, -(2**63), 2**40],
    "u64": [0, 1, 2, 63, 64, 65, 2**63, 2**64 - 1, 2**40, 7],
    "f32": [0.0, -0.0, 1.5, -2.5, np.nan, np.inf, -np.inf, 3e9, -1e30, 1e-40],
}
EDGES["f64"] = EDGES["f32"]


class Written(GpuKernel):
    """A kernel that is given as PTX."""

    def __init__(self, text: str):
        super().__init__(None)
        self.text = text

    def ptx(self, kinds, capability):
        return self.text


def computed(code: str, kind: str, result: str, x, y):
    """What some PTX makes in %c0 of %a0 and %a1."""
    x, y = (np.array(v, NAMES[kind]) for v in (x, y))
    sizes = {"size": parse.SIZES[kind], "out_size": parse.SIZES[result]}
    out = allocate(x.shape, NAMES[result])
    kernel = Written(KERNEL.format(code=code, kind=kind, result=result, **sizes))
    kernel(1, len(x), out, move(x, "cuda"), move(y, "cuda"))
    return move(out, "cpu")


def wrapped(value: int, kind: str) -> int:
    """An integer as many bits hold it."""
    bits = int(kind[1:])
    value %= 2**bits
    return value - 2**bits if kind[0] == "s" and value >= 2 ** (bits - 1) else value


def truncated(a: int, b: int, kind: str) -> int:
    """The quotient towards zero; by 0 all bits are ones."""
    return wrapped(-1 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1), kind)


def shifted(a: int, n: int, kind: str) -> int:
    """To the right by the last 32 bits of n."""
    return a >> min(n % 2**32, 64)


INTEGERS = {
    "mul.lo": lambda a, b, k: a * b,
    "mul.hi": lambda a, b, k: a * b >> int(k[1:]),
    "div": truncated,
    "rem": lambda a, b, k: a - truncated(a, b, k) * b if b else a,
    "sub": lambda a, b, k: a - b,
    "min": lambda a, b, k: min(a, b),
}


@pytest.mark.parametrize("kind", ["s32", "u32", "s64", "u64"])
@pytest.mark.parametrize("name", INTEGERS)
def test_integers(name, kind):
    pairs = [(a, b) for a in EDGES[kind] for b in EDGES[kind]]
    x, y = zip(*pairs)
    expected = [wrapped(INTEGERS[name](a, b, kind), kind) for a, b in pairs]
    assert computed(f"{name}.{kind} %c0, %a0, %a1;", kind, kind, x, y).tolist() == expected


@pytest.mark.parametrize("kind", ["s32", "u32", "s64", "u64"])
def test_shifts_by_any_amount(kind):
    pairs = [(a, n) for a in EDGES[kind] for n in (0, 1, 31, 32, 63, 64, 1000)]
    x, y = zip(*pairs)
    cut = "" if kind[1:] == "32" else "cvt.u32.u64 %r1, %a1;"
    amount = "%a1" if kind[1:] == "32" else "%r1"
    right = computed(f"{cut} shr.{kind} %c0, %a0, {amount};", kind, kind, x, y)
    assert right.tolist() == [shifted(a, n, kind) for a, n in pairs]
    left = computed(f"{cut} shl.b{kind[1:]} %c0, %a0, {amount};", kind, kind, x, y)
    assert left.tolist() == [wrapped(a << n, kind) for a, n in pairs]


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize("result", ["s32", "u32", "s64"])
def test_floats_become_integers(kind, result):
    """Beyond the range its end, NaN to 0, halves to the even one."""
    least, most = np.iinfo(NAMES[result]).min, np.iinfo(NAMES[result]).max
    x = EDGES[kind]

    def expected(rounding):
        return [
            0 if math.isnan(v) else min(max(rounding(v), least), most) if abs(v) < 1e25 else None
            for v in map(float, np.array(x, NAMES[kind]))
        ]

    for name, rounding in (("rzi", math.trunc), ("rni", round), ("rmi", math.floor)):
        found = computed(f"cvt.{name}.{result}.{kind} %c0, %a0;", kind, result, x, x).tolist()
        for v, a, b in zip(x, found, expected(rounding)):
            assert a == (b if b is not None else most if v > 0 else least), (name, v)


@pytest.mark.parametrize("kind", ["f32", "f64"])
def test_comparisons_with_nan(kind):
    pairs = [(a, b) for a in EDGES[kind] for b in EDGES[kind]]
    x, y = (np.array(v, NAMES[kind]) for v in zip(*pairs))
    nan = np.isnan(x) | np.isnan(y)
    with np.errstate(invalid="ignore"):
        cases = {"lt": x < y, "leu": (x <= y) | nan, "neu": x != y, "ne": (x != y) & ~nan}
        cases |= {"num": ~nan, "nan": nan, "geu": (x >= y) | nan}
    for name, expected in cases.items():
        code = f"setp.{name}.{kind} %p0, %a0, %a1; selp.u32 %c0, 1, 0, %p0;"
        assert (computed(code, kind, "u32", x, y) == expected).all(), name


def test_the_smaller_of_a_number_and_nan_is_the_number():
    found = computed(
        "min.f32 %c0, %a0, %a1;", "f32", "f32", [np.nan, 1, np.nan], [2, np.nan, np.nan]
    )
    np.testing.assert_array_equal(found, np.array([2, 1, np.nan], F32))


@pytest.mark.parametrize("mode", ["rz", "rm", "rp", "rn"])
def test_a_fused_product_is_rounded_once_and_as_it_says(mode):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 200)).astype(F32)
    found = computed(f"fma.{mode}.f32 %c0, %a0, %a1, %a0;", "f32", "f32", x, y)
    for a, b, c in zip(x, y, found):
        exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(a))
        near = F32(float(exact))
        error = Fraction(float(c)) - exact
        ulp = Fraction(float(np.spacing(abs(near))))
        assert abs(error) <= (ulp / 2 if mode == "rn" else ulp)
        assert {"rm": error <= 0, "rp": error >= 0, "rz": error * exact <= 0, "rn": True}[mode]


def test_a_sum_of_two_words_carries():
    code = """mov.b64 {%r1, %r2}, %a0; mov.b64 {%r3, %r4}, %a1;
        add.cc.u32 %r5, %r1, %r3; addc.u32 %r6, %r2, %r4; mov.b64 %c0, {%r5, %r6};"""
    pairs = [(a, b) for a in EDGES["u64"] for b in EDGES["u64"]]
    x, y = zip(*pairs)
    assert computed(code, "u64", "u64", x, y).tolist() == [wrapped(a + b, "u64") for a, b in pairs]
    code = """mov.b64 {%r1, %r2}, %a0; mov.b64 {%r3, %r4}, %a1; mul.lo.u32 %r5, %r1, %r3;
        mul.hi.u32 %r6, %r1, %r3; mad.lo.cc.u32 %r5, %r1, %r3, %r1; madc.hi.u32 %r6, %r1, %r3, %r2;
        mov.b64 %c0, {%r5, %r6};"""
    expected = [wrapped((a % 2**32) * (b % 2**32) + a, "u64") for a, b in pairs]
    assert computed(code, "u64", "u64", x, y).tolist() == expected


def test_bits_are_put_in_a_place():
    x, y = [0b1011, 0xFFFF, 5], [0, 0xFFFFFFFF, 0xF0F0]
    found = computed("bfi.b32 %c0, %a0, %a1, 4, 3;", "u32", "u32", x, y)
    assert found.tolist() == [(b & ~0x70) | (a & 7) << 4 for a, b in zip(x, y)]
    found = computed("clz.b32 %c0, %a0;", "u32", "u32", [0, 1, 2**31], [0, 0, 0])
    assert found.tolist() == [32, 31, 0]


def test_an_approximation_is_off_by_two_units_at_most_and_only_if_asked(gpu):
    x = np.linspace(0.1, 9, 500, dtype=F32)
    exact = (1 / x.astype(F64)).astype(F32)
    units = {}
    for off in (0, 1):
        gpu.configure(approximate_off=off)
        found = computed("rcp.approx.ftz.f32 %c0, %a0;", "f32", "f32", x, x)
        units[off] = np.abs(found.view(np.int32) - exact.view(np.int32)).max()
    assert units[0] == 0 and units[1] == 2


def test_an_instruction_that_is_not_known_is_refused_by_its_name():
    with pytest.raises(driver.DriverError, match="PTX JIT compilation failed"):
        computed("vadd4.u32.u32.u32 %c0, %a0, %a1, %a0;", "u32", "u32", [1], [1])
    with pytest.raises(parse.Unsupported, match="a module of 0 kernels"):
        translate.translate(".version 8.0")
