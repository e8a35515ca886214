"""exp, expm1, log, log1p and tanh of a float32, in a vector: a short polynomial on a small range.

Each reduces its argument to that range, with selects instead of jumps, so that LLVM computes a
whole vector at once. Arguments and results are float32; no step passes through float64. They follow
NumPy at 0, infinity, NaN and overflow; none needs a fastmath flag, and they bear 'contract' (but no
flag that reassociates or denies NaN). The bounds are those of tests/cpu/test_scalar.py, on every
997th float32.

Coefficients are minimax fits of this project (Lawson's reweighted least squares on 4001 Chebyshev
nodes, the weight making the error relative), rounded to float32; the error named is before that.
"""

import math

import numpy as np

from .inlining import inlined

F, I = np.float32, np.int32
ZERO, HALF, ONE, _TWO, INF, NAN = F(0), F(0.5), F(1), F(2), F(np.inf), F(np.nan)
SMALL = F(2.0**-13)  # below it x is within x^3/3 of tanh: x itself
TINY = F(2.0**-25)  # below it x is within x^2/2 of expm1 and log1p
_LOG2_E = F(1.4426950408889634)
_LN2_HI, _LN2_LO = F(0.693145751953125), F(1.42860677e-6)  # HI has 15 bits: k HI is exact
# x + ROUNDER is x rounded to an integer, which its bits then hold, beside those of ROUNDER.
ROUNDER, _ROUNDER_BITS = F(1.5 * 2**23), I(0x4B400000)
# A float32 is a sign bit, 8 bits of exponent + _BIAS, and _MANTISSA bits.
_BIAS, _MANTISSA, _SIGN_BIT = I(127), I(23), I(-(2**31))
_SQRT_HALF_BITS, _LEAST_NORMAL, _TWO_23 = I(0x3F3504F3), F(2.0**-126), F(2.0**23)
# (exp(r) - 1 - r) / r^2 on |r| < 0.35: exp to 1.4e-8
_E0, _E1, _E2, _E3, _E4 = map(
    F, (0.49999998, 0.166665387, 0.0416672213, 0.00836718096, 0.00138823959)
)
# (2 atanh(s) - 2 s) / s^3 in s^2 on |s| < 0.173: log(1+f) to 8.4e-10
_L0, _L1, L2 = map(F, (0.666667798, 0.399770794, 0.298851884))


@inlined
def _clamp(x, low, high):
    """x limited to [low, high]; NaN stays."""
    x = low if x < low else x
    return high if x > high else x


@inlined
def _itself_below(limit, x, y):
    """x where |x| < limit (denormals and -0 stay themselves), else y."""
    return x if abs(x) < limit else y


# ---- exp ----------------------------------------------------------------------------------------


@inlined
def _power_of_two(k):
    """2^k for -126 <= k <= 127, put together from its bits."""
    return I((k + _BIAS) << _MANTISSA).view(F)


@inlined
def _exp_parts(x):
    """(k, q = exp(r) - 1) where x = k ln 2 + r and |r| <= ln(2) / 2: exp(x) = 2^k (1 + q).

    k ln 2 is taken away in two parts (Cody & Waite, Software Manual, 1980).
    """
    shifted = x * _LOG2_E + ROUNDER
    k = shifted - ROUNDER
    r = (x - k * _LN2_HI) - k * _LN2_LO
    q = r + r * r * (_E0 + r * (_E1 + r * (_E2 + r * (_E3 + r * _E4))))
    return I(F(shifted).view(I) - _ROUNDER_BITS), q


def exp32(x):
    """exp(x) = 2^k exp(r), within 1 ulp; to denormals, then 0, below -87.3; inf above 88.73.

    2^k in two factors, as 2^128 and 2^-149 have no exponent field of their own.
    """
    k, q = _exp_parts(_clamp(x, F(-104), F(89)))
    half = k >> I(1)
    return (ONE + q) * _power_of_two(half) * _power_of_two(I(k - half))


@inlined
def _expm1_reduced(x):
    """exp(x) - 1 where |x| is not tiny."""
    k, q = _exp_parts(_clamp(x, F(-18), F(89)))
    scale = _power_of_two(I(k - I(1)))
    return _TWO * (scale * q + (scale - HALF))


def expm1_32(x):
    """exp(x) - 1 = 2 (2^(k-1) q + (2^(k-1) - 1/2)), within 2 ulp; near 0, k = 0 leaves q.

    (Muller, Elementary Functions, 2016, on the reduction.)
    """
    return _itself_below(TINY, x, _expm1_reduced(x))


def tanh32(x):
    """tanh|x| = t / (t + 2) with t = expm1(2|x|), within 2 ulp, then the sign of x; 1 beyond 10."""
    t = _expm1_reduced(_TWO * _clamp(abs(x), ZERO, F(10)))
    magnitude = F(t / (t + _TWO)).view(I)
    y = I(magnitude | (F(x).view(I) & _SIGN_BIT)).view(F)
    return _itself_below(SMALL, x, y)


# ---- log ----------------------------------------------------------------------------------------


@inlined
def _log_of_sum(u, c):
    """log(u + c) for normal u and |c| <= ulp(u): log(2^k m) = k ln 2 + log m, m near 1.

    log(1 + f) = 2 atanh(s), s = f / (2 + f), summed as f - (f^2/2 - s (f^2/2 + R(s^2))), so that
    f, by far the largest term, comes last (Muller, Elementary Functions, 2016).
    """
    bits = F(u).view(I)
    k = I((bits - _SQRT_HALF_BITS) >> _MANTISSA)
    m = I(bits - (k << _MANTISSA)).view(F)
    f = (m - ONE) + c * _power_of_two(I(-min(k, I(126))))
    s = f / (_TWO + f)
    z, half = s * s, HALF * f * f
    r = z * (_L0 + z * (_L1 + z * L2))
    return F(k) * _LN2_HI + (f - (half - (s * (half + r) + F(k) * _LN2_LO)))


@inlined
def _with_log_edges(x, y):
    """y for x in (0, inf); log's own values elsewhere: -inf at 0, NaN below, inf and NaN kept."""
    y = y if x > ZERO else NAN
    y = -INF if x == ZERO else y
    return y if x < INF else x


def log32(x):
    """log(x) within 1 ulp, denormal x included: it is scaled by 2^23 first."""
    denormal = x < _LEAST_NORMAL
    y = _log_of_sum(x * _TWO_23 if denormal else x, ZERO)
    return _with_log_edges(x, y - (F(23 * math.log(2)) if denormal else ZERO))


def log1p32(x):
    """log(1 + x) within 2 ulp: u = 1 + x is rounded, and what it lost, c, is added to m - 1.

    c is exact (the two-sum of Knuth, The Art of Computer Programming 2, 4.2.2).
    """
    u = ONE + x
    part = u - ONE
    c = (ONE - (u - part)) + (x - part)
    return _itself_below(TINY, x, _with_log_edges(u, _log_of_sum(u, c)))
