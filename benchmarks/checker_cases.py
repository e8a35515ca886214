"""What the checkers of gradients are judged on: functions with a backward pass, wrong and right.

Each is written once, over a namespace `m` that is PyTorch's, JAX's or autograd's NumPy
(checkers.py): `f(m, *xs)` is the value, `backward(m, g, *xs)` the pullback, one gradient for each
input. A fault's `order` is the first derivative that it changes at the inputs; 0: none there, it
is wrong elsewhere or when it is asked for in another way. The list is frozen: what was written
after the checks were finished is in checker_cases_after.py.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    """A function to be checked."""

    name: str
    kind: str
    f: Callable  # (m, *xs) -> a value, or a tuple of them
    backward: Callable | None  # (m, g, *xs) -> the gradients; None: the framework's own
    inputs: tuple  # shapes, to be drawn from a normal distribution, or arrays
    order: int = 1
    only: str = ""  # the framework that can express it; "": all


S = 3, 3  # square, so that a forgotten transpose keeps the shape
POSITIVE = np.array([[0.5, 1.2, 2.0], [0.9, 1.7, 0.4]])
CENTRED = np.array([[-1.3, 0.4, 2.2], [0.7, -0.6, 1.1]])
ROWS = np.array([0, 1, 1])
FLIPPED = np.array([2, 1, 0])


def normalized(m: Any, x: Any, eps: float = 1e-3) -> tuple:
    """(x with mean 0 and variance 1 along axis 0, the standard deviation)."""
    centred = x - m.mean(x, 0)
    deviation = m.sqrt(m.mean(centred**2, 0) + eps)
    return centred / deviation, deviation


def softmax(m: Any, x: Any) -> Any:
    e = m.exp(x)
    return e / m.sum(e, axis=1, keepdims=True)


def sigmoid(m: Any, x: Any) -> Any:
    return 1 / (1 + m.exp(-x))


def padded(m: Any, x: Any) -> Any:
    """A vector with a zero before and after it."""
    return m.concatenate([0 * x[:1], x, 0 * x[:1]])


def conv_same(m: Any, x: Any, w: Any) -> Any:
    """Three taps along a vector, zeros beyond its ends."""
    p, n = padded(m, x), x.shape[0]
    return sum(w[i] * p[i : i + n] for i in range(3))


def conv_same_weights(m: Any, g: Any, x: Any) -> Any:
    p, n = padded(m, x), x.shape[0]
    return m.stack([m.sum(g * p[i : i + n]) for i in range(3)])


def layer_norm_backward(m: Any, g: Any, x: Any, mean: float = 1.0, variance: float = 1.0) -> Any:
    y, deviation = normalized(m, x)
    return (g - mean * m.mean(g, 0) - variance * y * m.mean(g * y, 0)) / deviation


def softmax_backward(m: Any, g: Any, x: Any, axis: int = 1) -> Any:
    y = softmax(m, x)
    return y * (g - m.sum(g * y, axis=axis, keepdims=True))


def one_entry(x: Any, size: float, place: tuple) -> np.ndarray:
    """Ones like x, but for one entry."""
    found = np.ones(tuple(x.shape))
    found[place] += size
    return found


# fmt: off
FAULTS = [
    # ---- elementwise
    Case("exp, a thousandth too large", "elementwise", lambda m, x: m.exp(x), lambda m, g, x: 1.001 * g * m.exp(x), (S,)),
    Case("exp, 2e-4 too large", "elementwise", lambda m, x: m.exp(x), lambda m, g, x: 1.0002 * g * m.exp(x), (S,)),
    Case("exp, sign flipped", "elementwise", lambda m, x: m.exp(x), lambda m, g, x: -g * m.exp(x), (S,)),
    Case("tanh, square forgotten", "elementwise", lambda m, x: m.tanh(x), lambda m, g, x: g * (1 - m.tanh(x)), (S,)),
    Case("log2, factor forgotten", "elementwise", lambda m, x: m.log2(x), lambda m, g, x: g / x, (POSITIVE,)),
    Case("sqrt, half forgotten", "elementwise", lambda m, x: m.sqrt(x), lambda m, g, x: g / m.sqrt(x), (POSITIVE,)),
    Case("cube, right for positive numbers", "elementwise", lambda m, x: x**3, lambda m, g, x: 3 * g * x * m.abs(x), (CENTRED,)),
    Case("product, both get the first", "elementwise", lambda m, a, b: a * b, lambda m, g, a, b: (g * a, g * a), (S, S)),
    Case("quotient, denominator not squared", "elementwise", lambda m, a, b: a / b, lambda m, g, a, b: (g / b, -g * a / b), (CENTRED, POSITIVE)),
    Case("power, logarithm forgotten", "elementwise", lambda m, a, b: a**b, lambda m, g, a, b: (g * b * a ** (b - 1), g * a**b), (POSITIVE, CENTRED)),
    Case("softplus, derivative of relu", "elementwise", lambda m, x: m.log(1 + m.exp(x)), lambda m, g, x: g * (x > 0), (S,)),
    Case("sigmoid, y in place of 1 - y", "elementwise", lambda m, x: sigmoid(m, x), lambda m, g, x: g * sigmoid(m, x) ** 2, (S,)),
    Case("gelu, inner cube forgotten", "elementwise",
         lambda m, x: 0.5 * x * (1 + m.tanh(0.8 * (x + 0.045 * x**3))),
         lambda m, g, x: g * (0.5 * (1 + m.tanh(0.8 * (x + 0.045 * x**3))) + 0.4 * x * (1 - m.tanh(0.8 * (x + 0.045 * x**3)) ** 2)), (S,)),
    Case("logaddexp, weights swapped", "elementwise", lambda m, a, b: m.log(m.exp(a) + m.exp(b)), lambda m, g, a, b: (g * sigmoid(m, b - a), g * sigmoid(m, a - b)), (S, S)),
    Case("not linear in its cotangent", "elementwise", lambda m, x: m.sin(x), lambda m, g, x: (g + 1e-3 * g * m.abs(g)) * m.cos(x), (S,)),
    # ---- kinks
    Case("clip, passes outside", "kinks", lambda m, x: m.where(x > 1, 0 * x + 1, x), lambda m, g, x: g, (CENTRED,)),
    Case("leaky relu, another slope", "kinks", lambda m, x: m.where(x > 0, x, 0.01 * x), lambda m, g, x: m.where(x > 0, g, 0.02 * g), (CENTRED,)),
    Case("abs, sign forgotten", "kinks", lambda m, x: m.abs(x), lambda m, g, x: g, (CENTRED,)),
    Case("huber, no bound", "kinks", lambda m, x: m.where(m.abs(x) < 1, x * x / 2, m.abs(x) - 0.5), lambda m, g, x: g * x, (CENTRED,)),
    # ---- shapes
    Case("bias, summed over the wrong axis", "shapes", lambda m, x, b: m.tanh(x + b), lambda m, g, x, b: (g * (1 - m.tanh(x + b) ** 2), m.sum(g * (1 - m.tanh(x + b) ** 2), 1)), (S, (3,))),
    Case("bias, mean in place of sum", "shapes", lambda m, x, b: x + b, lambda m, g, x, b: (g, m.mean(g, 0)), (S, (3,))),
    Case("matmul, a transpose forgotten", "shapes", lambda m, a, b: a @ b, lambda m, g, a, b: (g @ b.T, a @ g), (S, S)),
    Case("matmul, the other transpose forgotten", "shapes", lambda m, a, b: a @ b, lambda m, g, a, b: (g @ b, a.T @ g), (S, S)),
    Case("transpose, not transposed back", "shapes", lambda m, x: x.T, lambda m, g, x: g, (S,)),
    Case("reshape, in the other order", "shapes", lambda m, x: x.reshape(-1), lambda m, g, x: g.reshape(3, 2).T, ((2, 3),)),
    Case("concatenate, pieces swapped", "shapes", lambda m, a, b: m.concatenate([a, b]), lambda m, g, a, b: (g[2:], g[:2]), ((2,), (2,))),
    Case("slice, shifted by one", "shapes", lambda m, x: x[1:], lambda m, g, x: m.concatenate([g, 0 * g[:1]]), ((4,),)),
    Case("outer product, swapped", "shapes", lambda m, a, b: a[:, None] * b[None], lambda m, g, a, b: (m.sum(g * a[:, None], 0), m.sum(g * b[None], 1)), ((3,), (3,))),
    Case("rows taken twice, not added", "shapes", lambda m, x: x[ROWS], lambda m, g, x: m.stack([g[0], g[2], 0 * g[0]]), (S,)),
    Case("cumsum, not reversed", "shapes", lambda m, x: m.cumsum(x, 0), lambda m, g, x: m.cumsum(g, 0), ((5,),)),
    # ---- reductions
    Case("mean, divided by the rows alone", "reductions", lambda m, x: m.mean(x), lambda m, g, x: g * (0 * x + 1) / 3, ((3, 4),)),
    Case("variance, another correction", "reductions", lambda m, x: m.mean((x - m.mean(x, 0)) ** 2, 0), lambda m, g, x: g * 2 * (x - m.mean(x, 0)) / 4, ((5, 2),)),
    Case("norm, not divided", "reductions", lambda m, x: m.sqrt(m.sum(x * x)), lambda m, g, x: g * x, (S,)),
    Case("softmax, diagonal alone", "reductions", lambda m, x: softmax(m, x), lambda m, g, x: g * softmax(m, x) * (1 - softmax(m, x)), (S,)),
    Case("softmax, summed over the wrong axis", "reductions", lambda m, x: softmax(m, x), lambda m, g, x: softmax_backward(m, g, x, 0), (S,)),
    Case("log softmax, cotangents not summed", "reductions", lambda m, x: m.log(softmax(m, x)), lambda m, g, x: g - softmax(m, x), (S,)),
    Case("softmax, zero gradient", "reductions", lambda m, x: softmax(m, x), lambda m, g, x: 0 * g, (S,)),
    # ---- batch norm
    Case("norm, the mean's gradient forgotten", "batch norm", lambda m, x: normalized(m, x)[0], lambda m, g, x: layer_norm_backward(m, g, x, mean=0.0), ((5, 2),)),
    Case("norm, the variance's gradient forgotten", "batch norm", lambda m, x: normalized(m, x)[0], lambda m, g, x: layer_norm_backward(m, g, x, variance=0.0), ((5, 2),)),
    Case("norm, eps outside of the root", "batch norm", lambda m, x: normalized(m, x)[0], lambda m, g, x: layer_norm_backward(m, g, x) * normalized(m, x)[1] / (m.sqrt(normalized(m, x)[1] ** 2 - 1e-3) + 1e-3), ((5, 2),)),
    # ---- convolutions
    Case("convolution, kernel not flipped", "convolution", lambda m, x, w: conv_same(m, x, w), lambda m, g, x, w: (conv_same(m, g, w), conv_same_weights(m, g, x)), ((6,), (3,))),
    Case("convolution, one edge dropped", "convolution", lambda m, x, w: conv_same(m, x, w), lambda m, g, x, w: (conv_same(m, g, w[FLIPPED]), conv_same_weights(m, m.concatenate([g[:-1], 0 * g[:1]]), x)), ((6,), (3,))),
    # ---- second order alone
    Case("exp, its value cut off", "second order", lambda m, x: m.exp(x), lambda m, g, x: g * m.stop(m.exp(x)), (S,), 2),
    Case("square, its input cut off", "second order", lambda m, x: x * x, lambda m, g, x: 2 * g * m.stop(x), (S,), 2),
    Case("product, one factor cut off", "second order", lambda m, a, b: a * b, lambda m, g, a, b: (g * m.stop(b), g * a), (S, S), 2),
    Case("sine, its cotangent cut off", "second order", lambda m, x: m.sin(x), lambda m, g, x: m.stop(g) * m.cos(x), (S,), 2),
    Case("logarithm, second derivative's sign", "second order", lambda m, x: m.log(x), lambda m, g, x: g * x / m.stop(x) ** 2, (POSITIVE,), 2),
    # ---- rare
    Case("one entry of 100, a hundredth", "rare", lambda m, x: m.exp(x), lambda m, g, x: g * m.exp(x) * m.array(one_entry(x, 0.01, (7, 3))), ((10, 10),)),
    Case("one entry of 100, a thousandth", "rare", lambda m, x: m.sin(x), lambda m, g, x: g * m.cos(x) * m.array(one_entry(x, 0.001, (2, 8))), ((10, 10),)),
    Case("beyond 2 alone", "rare", lambda m, x: m.sin(x), lambda m, g, x: g * m.cos(x) * (1 + 0.01 * (x > 2)), (np.linspace(-2, 2.2, 12).reshape(3, 4),)),
]

RIGHT = [
    Case("exp", "smooth", lambda m, x: m.exp(x), None, (S,)),
    Case("steep sine", "smooth", lambda m, x: m.sin(100 * x), None, (S,)),
    Case("large numbers", "smooth", lambda m, x: x**3, None, (1e5 * CENTRED,)),
    Case("small numbers", "smooth", lambda m, x: m.sin(x), None, (1e-6 * CENTRED,)),
    Case("logarithm near an edge", "smooth", lambda m, x: m.log(x), None, (np.array([1e-3, 1.0, 1e3]),)),
    Case("softmax", "smooth", lambda m, x: softmax(m, x), lambda m, g, x: softmax_backward(m, g, x), (S,)),
    Case("batch norm", "smooth", lambda m, x: normalized(m, x)[0], lambda m, g, x: layer_norm_backward(m, g, x), ((5, 2),)),
    Case("batch norm, two alike", "smooth", lambda m, x: normalized(m, x, 1e-5)[0], None, (np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 4.0]]) + 1e-3 * CENTRED.T,)),
    Case("cancelling sum", "smooth", lambda m, x: m.sum(m.exp(x)) + 1e4, None, (S,)),
    Case("matmul", "smooth", lambda m, a, b: a @ b, lambda m, g, a, b: (g @ b.T, a.T @ g), (S, S)),
    Case("convolution", "smooth", lambda m, x, w: conv_same(m, x, w), lambda m, g, x, w: (conv_same(m, g, w[FLIPPED]), conv_same_weights(m, g, x)), ((6,), (3,))),
    Case("a deep product", "smooth", lambda m, x: m.tanh(m.tanh(m.tanh(x @ x) @ x) @ x), None, (S,)),
    Case("relu", "kinks", lambda m, x: m.where(x > 0, x, 0 * x), None, (CENTRED,)),
    Case("relu, 1e-4 from its kink", "kinks", lambda m, x: m.where(x > 0, x, 0 * x), None, (np.array([1e-4, -1e-4, 2.0, 0.7]),)),
    Case("relu, 1e-7 from its kink", "kinks", lambda m, x: m.where(x > 0, x, 0 * x), None, (np.array([1e-7, 0.3, 2.0, 0.7, 1.3]),)),
    Case("relu times x, near its kink", "kinks", lambda m, x: m.where(x > 0, x, 0 * x) * x, None, (np.array([1e-4, -1e-4, 2.0]),)),
    Case("huber near its seam", "kinks", lambda m, x: m.where(m.abs(x) < 1, x * x / 2, m.abs(x) - 0.5), None, (np.array([0.9999, -1.0001, 0.3]),)),
    Case("maximum with near ties", "kinks", lambda m, x: m.amax(x, 1), None, (np.array([[1.0, 1.0001, 0.2], [0.3, 0.1, 0.2]]),)),
    Case("maximum with a tie below it", "kinks", lambda m, x: m.amax(x, 1), None, (np.array([[1.0, 0.2, 0.2], [0.3, 0.3, 0.9]]),)),
    Case("sign times x squared", "kinks", lambda m, x: x * m.abs(x), None, (CENTRED,)),
]
# fmt: on
