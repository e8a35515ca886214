"""What the names of a scalar text mean inside a compiled loop: `FUNCTIONS`, name -> function.

Here are those that training needs; libm.py has the others. On float64 a name is libm's function, one call an element. On float32 it is a short polynomial
after a reduction of the range, with selects instead of jumps, so that LLVM computes a whole
vector at once. All follow NumPy at 0, infinity, NaN and overflow; none needs a fastmath flag, and
they bear 'contract' (but no flag that reassociates or denies NaN). A kernel casts the text's
numbers, `inf` included, to its dtype: a bare literal would carry float32 to float64.

Coefficients are minimax fits of this project (Lawson's reweighted least squares on 4001 Chebyshev
nodes, the weight making the error relative), rounded to float32; the error named is before that.
"""

import math

import numpy as np
from numba import types
from numba.extending import overload

from . import libm
from .trig import INLINE, cos, inlined, sin

F, I = np.float32, np.int32
ONE, TWO, HALF, INF, NAN = F(1), F(2), F(0.5), F(np.inf), F(np.nan)
SMALL = F(2.0**-13)  # below it x is within x^3/3 of sin and tanh: x itself
TINY = F(2.0**-25)  # below it x is within x^2/2 of expm1 and log1p
LOG2_E = F(1.4426950408889634)
LN2_HI, LN2_LO = F(0.693145751953125), F(1.42860677e-6)  # HI has 15 bits: k HI is exact
MAGIC, MAGIC_BITS = F(1.5 * 2**23), I(0x4B400000)  # x + MAGIC rounds x to an integer
BIAS, MANTISSA = I(127), I(23)
# (exp(r) - 1 - r) / r^2 on |r| < 0.35: exp to 1.4e-8
E0, E1, E2, E3, E4 = map(F, (0.49999998, 0.166665387, 0.0416672213, 0.00836718096, 0.00138823959))
# (2 atanh(s) - 2 s) / s^3 in s^2 on |s| < 0.173: log(1+f) to 8.4e-10
L0, L1, L2 = map(F, (0.666667798, 0.399770794, 0.298851884))
SQRT_HALF_BITS, LEAST_NORMAL = I(0x3F3504F3), F(2.0**-126)
TWO_23, ZERO, SIGN_BIT = F(2.0**23), F(0), I(-(2**31))

# ---- float32 ------------------------------------------------------------------------------------


@inlined
def power_of_two(k):
    """2^k for -126 <= k <= 127, put together from its bits."""
    return I((k + BIAS) << MANTISSA).view(F)


@inlined
def reduced(x):
    """k and q = exp(r) - 1, where x = k ln 2 + r and |r| <= ln(2) / 2.

    k ln 2 is taken away in two parts (Cody & Waite, Software Manual, 1980).
    """
    shifted = x * LOG2_E + MAGIC
    k = shifted - MAGIC
    r = (x - k * LN2_HI) - k * LN2_LO
    q = r + r * r * (E0 + r * (E1 + r * (E2 + r * (E3 + r * E4))))
    return I(F(shifted).view(I) - MAGIC_BITS), q


@inlined
def clamped(x, low, high):
    """x limited to [low, high]; NaN stays."""
    x = low if x < low else x
    return high if x > high else x


def exp32(x):
    """exp(x) = 2^k exp(r), within 1 ulp; to denormals, then 0, below -87.3; inf above 88.73.

    2^k in two factors, as 2^128 and 2^-149 have no exponent field of their own.
    """
    k, q = reduced(clamped(x, F(-104), F(89)))
    half = k >> I(1)
    return (ONE + q) * power_of_two(half) * power_of_two(I(k - half))


def expm1_32(x):
    """exp(x) - 1 = 2 (2^(k-1) q + (2^(k-1) - 1/2)), within 2 ulp; near 0, k = 0 leaves q.

    (Muller, Elementary Functions, 2016, on the reduction.)
    """
    return small_or(x, expm1_reduced(x), TINY)


@inlined
def expm1_reduced(x):
    k, q = reduced(clamped(x, F(-18), F(89)))
    scale = power_of_two(I(k - I(1)))
    return TWO * (scale * q + (scale - HALF))


@inlined
def small_or(x, y, limit):
    """x where |x| < limit (denormals and -0 stay themselves), else y."""
    return x if abs(x) < limit else y


@inlined
def log_of(u, c):
    """log(u + c) for normal u and |c| <= ulp(u): log(2^k m) = k ln 2 + log m, m near 1.

    log(1 + f) = 2 atanh(s), s = f / (2 + f), summed as f - (f^2/2 - s (f^2/2 + R(s^2))), so that
    f, by far the largest term, comes last (Muller, Elementary Functions, 2016).
    """
    bits = F(u).view(I)
    k = I((bits - SQRT_HALF_BITS) >> MANTISSA)
    f = (I(bits - (k << MANTISSA)).view(F) - ONE) + c * power_of_two(I(-min(k, I(126))))
    s = f / (TWO + f)
    z, half = s * s, HALF * f * f
    r = z * (L0 + z * (L1 + z * L2))
    return F(k) * LN2_HI + (f - (half - (s * (half + r) + F(k) * LN2_LO)))


@inlined
def log_edges(x, y):
    """y for x in (0, inf); log's own values elsewhere: -inf at 0, NaN below, inf and NaN kept."""
    y = y if x > ZERO else NAN
    y = -INF if x == ZERO else y
    return y if x < INF else x


def log32(x):
    """log(x) within 1 ulp, denormal x included: it is scaled by 2^23 first."""
    denormal = x < LEAST_NORMAL
    y = log_of(x * TWO_23 if denormal else x, ZERO)
    return log_edges(x, y - (F(23 * math.log(2)) if denormal else ZERO))


def log1p32(x):
    """log(1 + x) within 2 ulp: u = 1 + x is rounded, and what it lost, c, is added to m - 1.

    c is exact (the two-sum of Knuth, The Art of Computer Programming 2, 4.2.2).
    """
    u = ONE + x
    part = u - ONE
    c = (ONE - (u - part)) + (x - part)
    return small_or(x, log_edges(u, log_of(u, c)), TINY)


def tanh32(x):
    """tanh|x| = t / (t + 2) with t = expm1(2|x|), within 2 ulp, then the sign of x; 1 beyond 10."""
    t = expm1_reduced(TWO * clamped(abs(x), ZERO, F(10)))
    y = I(F(t / (t + TWO)).view(I) | (F(x).view(I) & SIGN_BIT)).view(F)
    return small_or(x, y, SMALL)


# ---- a name for both widths ---------------------------------------------------------------------


def by_dtype(name, single, double):
    """The name in a kernel: `single` compiled for a float32 x, `double` for every other."""

    def stub(x):
        raise TypeError(f"{name} of cpu.scalar works inside compiled kernels alone")

    overload(stub, jit_options=INLINE)(lambda x: single if x == types.float32 else double)
    return stub


@inlined
def maximum(x, y):
    """The larger, or the NaN if there is one; of two zeros the second, as NumPy's instruction."""
    return x if (x > y) | (x != x) else y


@inlined
def minimum(x, y):
    """The smaller, or the NaN if there is one; of two zeros the second."""
    return x if (x < y) | (x != x) else y


@inlined
def where(condition, x, y):
    """A select: both sides are computed."""
    return x if condition else y


@inlined
def absolute(x):
    return abs(x)


@inlined
def sqrt(x):
    return math.sqrt(x)


def sign(x):
    raise TypeError("sign of cpu.scalar works inside compiled kernels alone")


@overload(sign, jit_options=INLINE)
def typed_sign(x):
    """-1, 0 or 1 in x's own dtype; NaN stays."""
    one, zero = (getattr(np, str(x))(v) for v in (1, 0))
    return lambda x: one if x > zero else (-one if x < zero else (zero if x == zero else x))


def power(x, y):
    raise TypeError("power of cpu.scalar works inside compiled kernels alone")


@overload(power, jit_options=INLINE)
def typed_power(x, y):
    """libm's pow, one call an element; of integers, products that wrap around.

    Numba's own power of integers goes through float64 in its older versions.
    """
    if not isinstance(x, types.Integer):
        return lambda x, y: x**y
    X, Y = (getattr(np, str(t)) for t in (x, y))
    one = Y(1)

    def squared_and_multiplied(x, y):
        product = X(1)
        while y > 0:
            if y & one:
                product = X(product * x)
            x, y = X(x * x), Y(y >> one)
        return product

    return squared_and_multiplied


# inf and nan are names because no number is written so.
# fmt: off
FUNCTIONS = libm.FUNCTIONS | {
    "exp":   by_dtype("exp",   exp32,    lambda x: math.exp(x)),
    "expm1": by_dtype("expm1", expm1_32, lambda x: math.expm1(x)),
    "log":   by_dtype("log",   log32,    lambda x: math.log(x)),
    "log1p": by_dtype("log1p", log1p32,  lambda x: math.log1p(x)),
    "tanh":  by_dtype("tanh",  tanh32,   lambda x: math.tanh(x)),
    "sin":   by_dtype("sin",   sin,      lambda x: math.sin(x)),
    "cos":   by_dtype("cos",   cos,      lambda x: math.cos(x)),
    "sqrt": sqrt, "absolute": absolute, "sign": sign, "power": power,
    "maximum": maximum, "minimum": minimum, "where": where, "inf": math.inf, "nan": math.nan,
}
# fmt: on
