"""sin and cos of a float32 of any size, in a vector: the reduction is exact, so no range is barred.

x 2/pi modulo 4, in quarters of a turn, needs the bits of 2/pi from the place where x ends (Payne &
Hanek, Radian reduction for trigonometric functions, 1983). Here 2/pi is cut into seven pieces of 29
bits; x has 24, so each product has 53 and is exact in float64, and so is what is left of it modulo
4. This reduction is the one place where float32 kernels compute in float64.

The error of the reduction, in quarters of a turn: what follows the seven pieces is below 2^-203, so
2^-75 of the largest x; the sums, of numbers that are below 4, round by about 2^-51. The float32
that comes nearest to a multiple of a quarter turn, 7.729179e28, is 2^-29.9 away from it (all were
tried). So the relative error of r is below 2^-21 everywhere, 2^-22.3 at that x, and about 2^-50 as
a rule. With two polynomials of degree 7 and 8, which are off by 4.1e-9, the results are within 2
ulp; the tests compare every 997th float32 with NumPy's float64 functions.

Why not Cody & Waite's subtraction of k pi/2 in parts, as in exp: k would need more bits than the
first part leaves free as soon as |x| is beyond some thousands.
"""

import numpy as np

from .inlining import inlined

F, D, I = np.float32, np.float64, np.int32
# floor(2/pi 2^203), from pi by Machin's formula, 29 bits each
_TWO_OVER_PI = (341782637, 423170132, 352195499, 488592205, 461485765, 90590992, 478285810)
_P0, _P1, _P2, _P3, _P4, _P5, _P6 = (
    D(p * 2.0 ** (-29 * (j + 1))) for j, p in enumerate(_TWO_OVER_PI)
)
_FOUR, QUARTER, _HALF_PI, ONE, HALF = D(4), D(0.25), D(np.pi / 2), F(1), F(0.5)
ROUNDER = F(1.5 * 2**23)  # k + ROUNDER has the bits of the integer k at its end
SMALL = F(2.0**-13)  # below it x is within x^3/6 of sin: x itself
# (sin(r)/r - 1) / r^2 and (cos(r) - 1 + r^2/2) / r^4 in r^2 on |r| < 0.79, minimax:
# sin to 4.1e-9, cos to 1.3e-10
_S0, _S1, _S2 = map(F, (-0.166666539, 0.00833211304, -0.000195087409))
_C0, _C1, _C2 = map(F, (0.0416666444, -0.00138872515, 2.44256812e-05))


@inlined
def _modulo_4(t):
    """t - 4 n in [-2, 2], exact."""
    return t - _FOUR * np.rint(t * QUARTER)


@inlined
def _sin_of_quarters(x, quarters):
    """sin(x + quarters pi/2) = +-sin r or +-cos r, x = (4 n + k) pi/2 + r and |r| <= pi/4.

    x: float32. quarters: int32. Both polynomials are computed and one is taken, as lanes cannot
    jump.
    """
    x = D(x)
    t = _modulo_4(x * _P0) + _modulo_4(x * _P1)
    t = _modulo_4(t) + _modulo_4(x * _P2)
    t = _modulo_4(t) + _modulo_4(x * _P3)
    t = _modulo_4(t + _modulo_4(x * _P4) + _modulo_4(x * _P5) + _modulo_4(x * _P6))
    k = np.rint(t)
    r = F((t - k) * _HALF_PI)
    k = I(F(F(k) + ROUNDER).view(I) + quarters)  # its last two bits are k modulo 4
    z = r * r
    sine = r + r * z * (_S0 + z * (_S1 + z * _S2))
    cosine = ONE - HALF * z + z * z * (_C0 + z * (_C1 + z * _C2))
    y = cosine if k & I(1) else sine
    return -y if k & I(2) else y


def sin(x):
    """sin(x) within 2 ulp for every finite float32 x; NaN at infinity."""
    y = _sin_of_quarters(x, I(0))
    return x if abs(x) < SMALL else y


def cos(x):
    """cos(x) within 2 ulp for every finite float32 x; NaN at infinity."""
    return _sin_of_quarters(x, I(1))
