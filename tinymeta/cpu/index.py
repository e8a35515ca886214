"""Gathering and scattering along the middle axis of (A, n, B).

Serial loops: the order of additions is fixed. They are compiled for arrays that lie densely, once
for each dtype; others are copied first.
"""

import numpy as np

from .native import native

dense = np.ascontiguousarray


def take(out, x, i):
    """for a, j, b:  out[a, j, b] = x[a, i[j], b]"""
    _take(out, dense(x), dense(i))


@native()
def _take(out, x, i):
    for a in range(out.shape[0]):
        for j in range(out.shape[1]):
            for b in range(out.shape[2]):
                out[a, j, b] = x[a, i[j], b]


@native()
def _scatter_add(out, g, i):
    out[:] = 0
    for a in range(g.shape[0]):
        for j in range(g.shape[1]):
            for b in range(g.shape[2]):
                out[a, i[j], b] += g[a, j, b]


def scatter_add(out, g, i, *, size):
    """out = 0;  for a, j, b:  out[a, i[j], b] += g[a, j, b]"""
    _scatter_add(out, dense(g), dense(i))


def take_along(out, x, i):
    """for a, j, b:  out[a, j, b] = x[a, i[a, j, b], b]"""
    _take_along(out, dense(x), dense(i))


@native()
def _take_along(out, x, i):
    for a in range(out.shape[0]):
        for j in range(out.shape[1]):
            for b in range(out.shape[2]):
                out[a, j, b] = x[a, i[a, j, b], b]


@native()
def _scatter_add_along(out, g, i):
    out[:] = 0
    for a in range(g.shape[0]):
        for j in range(g.shape[1]):
            for b in range(g.shape[2]):
                out[a, i[a, j, b], b] += g[a, j, b]


def scatter_add_along(out, g, i, *, size):
    """out = 0;  for a, j, b:  out[a, i[a, j, b], b] += g[a, j, b]"""
    _scatter_add_along(out, dense(g), dense(i))
