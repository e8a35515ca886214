"""Matrix products: BLAS, called by NumPy once for each index of the leading axes.

The eager kernel leaves the blocking to BLAS, which also copies matrices whose strides it does not
take. Compiled programs have a product of their own, gemm.py, for the small ones.
"""

import numpy as np


def matmul(out: np.ndarray, x: np.ndarray, w: np.ndarray) -> None:
    """for t, n, m:  out[t, n, m] = sum_k x[t, n, k] * w[t, k, m]

    out (.., N, M), x (.., N, K), w (.., K, M), of one dtype and any strides. Cost: 2 T N K M
    operations.
    """
    np.matmul(x, w, out=out)
