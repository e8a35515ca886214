"""A NumPy user's logistic regression of three classes, with its gradient by hand."""

import numpy as np


def clusters(rng, count):
    """Points around three centres, with a column of ones, and their classes."""
    centres = np.array([[1.5, 0.0], [-1.0, 1.2], [-0.5, -1.6]])
    labels = rng.integers(0, 3, size=count)
    points = centres[labels] + rng.normal(scale=0.8, size=(count, 2))
    return np.hstack([points, np.ones((count, 1))]), labels


def log_probabilities(w, x):
    z = x @ w
    z = z - np.max(z, axis=1, keepdims=True)
    return z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))


def loss(w, x, targets):
    penalty = 0.01 * np.sum(w**2)
    return -np.mean(np.sum(targets * log_probabilities(w, x), axis=1)) + penalty


def slope(w, x, targets):
    by_hand = x.T @ (np.exp(log_probabilities(w, x)) - targets) / len(x) + 0.02 * w
    return by_hand


def main():
    rng = np.random.default_rng(0)
    x, labels = clusters(rng, 120)
    targets = np.eye(3)[labels]
    train, test = slice(0, 90), slice(90, None)
    w = np.zeros((3, 3))
    velocity = np.zeros_like(w)
    curve = []
    for _ in range(100):
        velocity = 0.9 * velocity - 0.3 * slope(w, x[train], targets[train])
        w = w + velocity
        curve.append(loss(w, x[train], targets[train]))
    predicted = np.argmax(log_probabilities(w, x[test]), axis=1)
    accuracy = np.mean(predicted == labels[test])
    print(f"accuracy {accuracy:.2f}, loss {curve[-1]:.4f}, largest weight {np.abs(w).max():.2f}")
    return [w, np.stack(curve), predicted, accuracy]
