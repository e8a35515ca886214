"""erf, the integral of 2 exp(-t^2) / sqrt(pi) from 0 to x, in a vector: two polynomials.

    |x| < 1     x P(x^2)
    elsewhere   1 - exp(-x^2) Q(1 / (1 + 0.3 |x|)), with the sign of x; from 6 on it is 1

Q is smooth and short because exp(x^2) (1 - erf(x)) is nearly a power of 1 / (1 + 0.3 x). The result
is within 2 ulp, in float64 and in float32 (tests/cpu/test_erf.py, beside libm's). The polynomials
serve whole arrays, here, and compiled loops (erf_in_loops.py): they are sums and products.

Coefficients are this project's: interpolation in Chebyshev nodes with 40 digits, then rounded. The
error of P is below 1e-17 relative, that of exp(-x^2) Q below 1e-16 absolute; in float32 2e-9.
"""

import numpy as np

# fmt: off
_P0, _P1, _P2, _P3, _P4, _P5, _P6, _P7, _P8, _P9, _P10, _P11 = (
    1.1283791670955126, -0.3761263890318354, 0.11283791670945006, -0.02686617064323777,
    0.0052239776071164227, -0.00085483259753896921, 0.00012055294904839708,
    -1.492473690741966e-5, 1.6447424703317362e-6, -1.6208483801871706e-7,
    1.3720064546777686e-8, -7.7958988270021422e-10)
_Q0, _Q1, _Q2, _Q3, _Q4, _Q5, _Q6, _Q7, _Q8, _Q9, _Q10, _Q11, _Q12, _Q13, _Q14 = (
    1.2671342003628544e-6, 0.16922178644279474, 0.16970497065643912, 0.15814618581541118,
    0.16496407675522325, 0.05375569823802066, 0.29781041040778182, -0.34870886854147062,
    0.69400172526347015, -0.70398504797088505, 0.54747257059638842, -0.22154194292237849,
    -0.0093526430766168493, 0.03716058432415943, -0.0086507999911008799)
# The same, shorter, for float32.
_R0, _R1, _R2, _R3, _R4, _R5, _R6 = map(np.float32, (
    1.12837917, -0.376126267, 0.112835947, -0.026854212, 0.00518908742, -0.000801686429,
    7.87587506e-5))
_S0, _S1, _S2, _S3, _S4, _S5, _S6, _S7 = map(np.float32, (
    0.000719448893, 0.159169984, 0.228572152, -0.0255349293, 0.477554178, -0.168720439,
    0.140013584, 0.188417278))
# fmt: on

_BLOCK = 4096  # elements: with the values between, they fit a core's second cache


def near64(s):
    """P, of s = x^2 below 1."""
    high = _P6 + s * (_P7 + s * (_P8 + s * (_P9 + s * (_P10 + s * _P11))))
    return _P0 + s * (_P1 + s * (_P2 + s * (_P3 + s * (_P4 + s * (_P5 + s * high)))))


def far64(t):
    """Q, of t = 1 / (1 + 0.3 |x|)."""
    high = _Q9 + t * (_Q10 + t * (_Q11 + t * (_Q12 + t * (_Q13 + t * _Q14))))
    middle = _Q4 + t * (_Q5 + t * (_Q6 + t * (_Q7 + t * (_Q8 + t * high))))
    return _Q0 + t * (_Q1 + t * (_Q2 + t * (_Q3 + t * middle)))


def near32(s):
    return _R0 + s * (_R1 + s * (_R2 + s * (_R3 + s * (_R4 + s * (_R5 + s * _R6)))))


def far32(t):
    high = _S4 + t * (_S5 + t * (_S6 + t * _S7))
    return _S0 + t * (_S1 + t * (_S2 + t * (_S3 + t * high)))


def erf_of_array(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """erf of each element, into `out` if it is given; in float32 for what is no longer than that.

    Cost: three passes over memory. The some 60 of the polynomials are over a block at a time, which
    stays in the cache.
    """
    x = np.asarray(x)
    single = x.dtype.kind == "f" and x.dtype.itemsize <= 4
    real = np.float32 if single else np.float64
    flat = np.ascontiguousarray(x).reshape(-1)
    found = np.empty(flat.shape, real)
    for start in range(0, flat.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        found[part] = _erf_of_block(flat[part].astype(real, copy=False), real)
    shaped = found.reshape(x.shape)
    if out is None:
        return shaped
    np.copyto(out, shaped, casting="same_kind")
    return out


def _erf_of_block(x: np.ndarray, real: type) -> np.ndarray:
    near, far = (near32, far32) if real is np.float32 else (near64, far64)
    m = np.minimum(np.abs(x), real(6))
    s = m * m
    t = real(1) / (real(1) + real(0.3) * m)
    of_size = np.where(m < 1, m * near(s), real(1) - np.exp(-s) * far(t))
    return np.copysign(of_size, x)
