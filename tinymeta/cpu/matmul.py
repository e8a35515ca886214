"""Matrix products: BLAS, called by NumPy for each index of the leading axes."""

import numpy as np


def matmul(out, x, w):
    """for t, n, m:  out[t, n, m] = sum_k x[t, n, k] * w[t, k, m]"""
    np.matmul(x, w, out=out)
