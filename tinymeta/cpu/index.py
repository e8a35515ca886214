"""Gathering and scattering along the middle axis of (A, n, B).

The loops are serial and run over j in order, so that two runs add in the same order and agree to
the bit; atomic additions from several threads would not. b is innermost, as neighbours along it lie
side by side. Cost: one read and one write for each element that is moved.

They are compiled for arrays that are contiguous; others are copied first. What adds is compiled
once for each dtype, what only moves once for each size of an element. What is called `_contiguous`
copies none, and is what compiled programs call (jit/array_kernels.py). Indices are int64, are not
negative and are smaller than n.
"""

import numpy as np

from .native import as_bits, native


def take(out: np.ndarray, x: np.ndarray, i: np.ndarray) -> None:
    """for a, j, b:  out[a, j, b] = x[a, i[j], b]

    out (A, m, B), x (A, n, B), i (m).
    """
    take_contiguous(as_bits(out), as_bits(np.ascontiguousarray(x)), np.ascontiguousarray(i))


@native
def take_contiguous(out, x, i):
    for a in range(out.shape[0]):
        for j in range(out.shape[1]):
            for b in range(out.shape[2]):
                out[a, j, b] = x[a, i[j], b]


def scatter_add(out: np.ndarray, g: np.ndarray, i: np.ndarray, *, size: int) -> None:
    """out = 0;  for a, j, b:  out[a, i[j], b] += g[a, j, b]

    out (A, size, B), g (A, m, B), i (m).
    """
    scatter_add_contiguous(out, np.ascontiguousarray(g), np.ascontiguousarray(i))


@native
def scatter_add_contiguous(out, g, i):
    out[:] = 0
    for a in range(g.shape[0]):
        for j in range(g.shape[1]):
            for b in range(g.shape[2]):
                out[a, i[j], b] += g[a, j, b]


def take_along(out: np.ndarray, x: np.ndarray, i: np.ndarray) -> None:
    """for a, j, b:  out[a, j, b] = x[a, i[a, j, b], b]

    out and i (A, m, B), x (A, n, B).
    """
    x = as_bits(np.ascontiguousarray(x))
    take_along_contiguous(as_bits(out), x, np.ascontiguousarray(i))


@native
def take_along_contiguous(out, x, i):
    for a in range(out.shape[0]):
        for j in range(out.shape[1]):
            for b in range(out.shape[2]):
                out[a, j, b] = x[a, i[a, j, b], b]


def scatter_add_along(out: np.ndarray, g: np.ndarray, i: np.ndarray, *, size: int) -> None:
    """out = 0;  for a, j, b:  out[a, i[a, j, b], b] += g[a, j, b]

    out (A, size, B), g and i (A, m, B).
    """
    scatter_add_along_contiguous(out, np.ascontiguousarray(g), np.ascontiguousarray(i))


@native
def scatter_add_along_contiguous(out, g, i):
    out[:] = 0
    for a in range(g.shape[0]):
        for j in range(g.shape[1]):
            for b in range(g.shape[2]):
                out[a, i[a, j, b], b] += g[a, j, b]
