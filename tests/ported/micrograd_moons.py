"""A program in the manner of a micrograd notebook: scalars, a small MLP, and two moons."""

import numpy as np
from micrograd.engine import Value

SIZES = (2, 6, 1)


def two_moons(rng, count):
    """Points of two half circles that reach into each other, and their labels, -1 and 1."""
    angle = rng.uniform(0, np.pi, size=count)
    upper = np.arange(count) % 2 == 0
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    points = np.stack([x, y], 1) + 0.1 * rng.normal(size=(count, 2))
    return points, np.where(upper, 1.0, -1.0)


def initial(rng):
    """The weights and then the bias of each neuron, one after another."""
    found = []
    for inputs, outputs in zip(SIZES, SIZES[1:]):
        for _ in range(outputs):
            found += [Value(w) for w in rng.uniform(-1, 1, size=inputs)] + [Value(np.float64(0))]
    return found


def score(params, point):
    """The MLP's output for a point, a scalar."""
    values, rest = list(point), iter(params)
    for layer, (inputs, outputs) in enumerate(zip(SIZES, SIZES[1:])):
        sums = []
        for _ in range(outputs):
            total = sum((next(rest) * values[i] for i in range(inputs)), 0.0) + next(rest)
            sums.append(total.relu() if layer < len(SIZES) - 2 else total)
        values = sums
    return values[0]


def loss(params, points, labels):
    """The hinge loss, and a little of the squared weights."""
    losses = [(1 + -y * score(params, x)).relu() for x, y in zip(points, labels)]
    penalty = 1e-4 * sum((p * p for p in params), 0.0)
    return sum(losses, 0.0) * (1.0 / len(losses)) + penalty


def main():
    rng = np.random.default_rng(0)
    points, labels = two_moons(rng, 16)
    params = initial(rng)
    curve = []
    for k in range(20):
        rate = 1.0 - 0.04 * k
        total = loss(params, points, labels)
        total.backward()
        params = [Value(p.data - rate * p.grad) for p in params]
        curve.append(total)
    return [*curve, *params, *(score(params, x) for x in points)]
