"""A program in the manner of HIPS autograd's tutorial: derivatives of tanh, logistic regression."""

import autograd.numpy as np
from autograd import grad


def tanh(x):
    y = np.exp(-2.0 * x)
    return (1.0 - y) / (1.0 + y)


def derivatives(f, points, order):
    """f and its derivatives at all points, each of which is a function of one point alone."""
    found = [f(points)]
    for _ in range(order):
        f = (lambda g: lambda x: grad(lambda x: np.sum(g(x)))(x))(f)
        found.append(f(points))
    return found


def sigmoid(x):
    return 0.5 * (np.tanh(x / 2.0) + 1)


def logistic_predictions(weights, inputs):
    return sigmoid(np.dot(inputs, weights))


def training_loss(weights, inputs, targets):
    predictions = logistic_predictions(weights, inputs)
    label_probabilities = predictions * targets + (1 - predictions) * (1 - targets)
    return -np.sum(np.log(label_probabilities))


def softplus_of_least(x):
    """Control flow of Python, an index, a maximum, a norm: what a tape follows."""
    total = 0.0
    for row in x:
        total = total + np.log(1 + np.exp(np.min(row))) * (1 if len(row) > 2 else 2)
    return total + np.sqrt(np.sum(np.abs(x) ** 2)) + np.max(np.where(x > 0, x, 0.1 * x))


def main():
    results = derivatives(tanh, np.linspace(-3.0, 3.0, 13), 4)

    one = np.array(1.0)
    slope = grad(tanh)(one)
    difference = (tanh(1.0001) - tanh(0.9999)) / 0.0002
    results += [slope, slope - difference]

    inputs = np.array([[0.52, 1.12, 0.77], [0.88, -1.08, 0.15], [0.52, 0.06, -1.30]])
    inputs = np.concatenate([inputs, inputs[:1] * np.array([0.74, -2.49, 1.39])])
    targets = np.array([True, True, False, True])
    training_gradient = grad(training_loss)
    weights = np.zeros(3)
    for _ in range(100):
        weights = weights - training_gradient(weights, inputs, targets) * 0.1
    results += [weights, training_loss(weights, inputs, targets)]

    curvature = grad(lambda w: np.sum(training_gradient(w, inputs, targets) * np.arange(3)))
    results += [curvature(weights), grad(softplus_of_least)(inputs)]
    solved = lambda a: np.sum(np.linalg.solve(a, inputs[:3]) ** 2) + np.linalg.slogdet(a)[1]
    results.append(grad(solved)(inputs[:3] + 3.0 * np.eye(3)))
    return results
