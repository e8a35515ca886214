import numpy as np


def conv(x, w):
    return np.array([x[i : i + len(w)] @ w for i in range(len(x) - len(w) + 1)])


def conv_weight(x, g):
    return conv(x, g)


def conv_input(g, w):
    return conv(np.pad(g, len(w) - 1), w[::-1])


def conv_input_rule(u, g, w):
    return conv(u, w), conv_weight(u, g)
