import numpy as np


def unbroadcast(g, shape):
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    repeated = tuple(k for k, size in enumerate(shape) if size == 1)
    return g.sum(axis=repeated, keepdims=True)


def mean_rule(g, x):
    return np.broadcast_to(g, x.shape) / len(x)
