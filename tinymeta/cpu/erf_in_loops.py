"""erf of a number, for compiled loops: the polynomials of erf.py, and Numba's exp."""

import math

import numpy as np

from .erf import far32, far64, near32, near64
from .exp_log import exp32
from .inlining import inlined

_ONE, _END, _SLOPE = np.float32(1), np.float32(6), np.float32(0.3)
_near64, _far64 = inlined(near64), inlined(far64)
_near32, _far32 = inlined(near32), inlined(far32)
_exp32 = inlined(exp32)


def erf64(x):
    """erf of a float64, or of what becomes one."""
    size = abs(x)
    m = 6.0 if size > 6.0 else size  # a NaN stays
    s = m * m
    far = 1.0 - math.exp(-s) * _far64(1.0 / (1.0 + 0.3 * m))
    return math.copysign(m * _near64(s) if m < 1.0 else far, x)


def erf32(x):
    """erf of a float32; no step passes through float64."""
    size = abs(x)
    m = _END if size > _END else size
    s = m * m
    far = _ONE - _exp32(-s) * _far32(_ONE / (_ONE + _SLOPE * m))
    return np.copysign(m * _near32(s) if m < _ONE else far, x)
