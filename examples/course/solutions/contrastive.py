import numpy as np


def distance_rule(g, a, b):
    d = np.sqrt(((a - b) ** 2).sum(1))
    share = (g / np.where(d == 0.0, 1.0, d))[:, None] * (a - b)
    return share, -share


def contrastive_rule(g, a, b, different, margin):
    d = np.sqrt(((a - b) ** 2).sum(1))
    slope = (1 - different) * 2 * d - different * 2 * np.maximum(0.0, margin - d)
    return distance_rule(g * slope / len(a), a, b)
