"""sin and cos of a float32 of any size, in a vector: the reduction is exact, so no range is barred.

x 2/pi modulo 4 needs the bits of 2/pi from the place where x ends (Payne & Hanek, Radian reduction
for trigonometric functions, 1983). Here 2/pi is cut into seven pieces of 29 bits; x has 24, so
each product is exact in float64, and so is what is left of it modulo 4. This reduction is the one
place where float32 kernels compute in float64.
"""

import numpy as np
from numba import njit

# Always inlined, as a call, which LLVM prefers for a long function, would end the vector loop.
INLINE = {"error_model": "numpy", "forceinline": True}
inlined = njit(**INLINE)

F, D, I = np.float32, np.float64, np.int32
# floor(2/pi 2^203), from pi by Machin's formula
PIECES = (341782637, 423170132, 352195499, 488592205, 461485765, 90590992, 478285810)
P0, P1, P2, P3, P4, P5, P6 = (D(p * 2.0 ** (-29 * (j + 1))) for j, p in enumerate(PIECES))
FOUR, QUARTER, HALF_PI, ONE, HALF = D(4), D(0.25), D(np.pi / 2), F(1), F(0.5)
MAGIC, SMALL = F(1.5 * 2**23), F(2.0**-13)
# (sin(r)/r - 1) / r^2 and (cos(r) - 1 + r^2/2) / r^4 in r^2 on |r| < 0.79, minimax:
# sin to 4.1e-9, cos to 1.3e-10
S0, S1, S2 = map(F, (-0.166666539, 0.00833211304, -0.000195087409))
C0, C1, C2 = map(F, (0.0416666444, -0.00138872515, 2.44256812e-05))


@inlined
def modulo_4(t):
    return t - FOUR * np.rint(t * QUARTER)


@inlined
def sin_from(x, quarters):
    """sin(x + quarters pi/2) = +-sin r or +-cos r, x = (4 n + k) pi/2 + r and |r| <= pi/4."""
    x = D(x)
    t = modulo_4(x * P0) + modulo_4(x * P1)
    t = modulo_4(t) + modulo_4(x * P2)
    t = modulo_4(t) + modulo_4(x * P3)
    t = modulo_4(t + modulo_4(x * P4) + modulo_4(x * P5) + modulo_4(x * P6))
    k = np.rint(t)
    r = F((t - k) * HALF_PI)
    k = I(F(F(k) + MAGIC).view(I) + quarters)  # its last two bits are k modulo 4
    z = r * r
    sine = r + r * z * (S0 + z * (S1 + z * S2))
    cosine = ONE - HALF * z + z * z * (C0 + z * (C1 + z * C2))
    y = cosine if k & I(1) else sine
    return -y if k & I(2) else y


def sin(x):
    """sin(x) within 2 ulp for every finite x; NaN at infinity."""
    y = sin_from(x, I(0))
    return x if abs(x) < SMALL else y


def cos(x):
    """cos(x) within 2 ulp for every finite x; NaN at infinity."""
    return sin_from(x, I(1))
