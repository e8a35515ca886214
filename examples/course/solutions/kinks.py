import numpy as np


def absolute_rule(g, x):
    return g * np.sign(x)


def maximum_rule(g, a, b):
    of_a = (a > b) + 0.5 * (a == b)
    return g * of_a, g * (1.0 - of_a)


def away_from_zero(rng, size, distance):
    return rng.uniform(distance, distance + 1.0, size) * rng.choice([-1.0, 1.0], size)
