"""What `help` shows of an elementwise operation: its value, its derivatives, what it takes."""

from typing import Any

_VALUES = {
    "add": "a + b. Derivatives: 1 and 1.",
    "sub": "a - b. Derivatives: 1 and -1.",
    "mul": "a * b. Derivatives: b and a.",
    "div": "a / b. Derivatives: 1 / b and -a / b^2.",
    "neg": "-a. Derivative: -1.",
    "square": "a^2. Derivative: 2 a.",
    "exp": "e^a. Derivative: exp(a).",
    "expm1": "e^a - 1, without cancellation near 0. Derivative: exp(a).",
    "log": "The natural logarithm, -inf at 0, NaN below. Derivative: 1 / a.",
    "log1p": "log(1 + a), without cancellation near 0. Derivative: 1 / (1 + a).",
    "rsqrt": "1 / sqrt(a), inf at 0. Derivative: -a^(-3/2) / 2.",
    "sqrt": "The square root, NaN below 0. Derivative: 1 / (2 sqrt(a)); 0 at 0, by convention.",
    "sin": "The sine of `a` in radians. Derivative: cos(a).",
    "cos": "The cosine of `a` in radians. Derivative: -sin(a).",
    "tanh": "The hyperbolic tangent. Derivative: 1 - tanh(a)^2.",
    "sigmoid": "1 / (1 + e^-a), without overflow. Derivative: sigmoid(a) (1 - sigmoid(a)).",
    "softplus": "log(1 + e^a), without overflow. Derivative: sigmoid(a).",
    "relu": "max(a, 0). Derivative: 1 where a > 0, else 0, at 0 too.",
    "abs": "|a|. Derivative: sign(a), 0 at 0.",
    "sign": "-1, 0 or 1; it has no derivative.",
    "maximum": "The larger of a and b, NaN if one is. It gets the gradient; in a tie, half each.",
    "minimum": "The smaller of a and b, NaN if one is. It gets the gradient; in a tie, half each.",
    "exp2": "2^a. Derivative: log(2) 2^a.",
    "log2": "The logarithm to the base 2. Derivative: 1 / (log(2) a).",
    "log10": "The logarithm to the base 10. Derivative: 1 / (log(10) a).",
    "tan": "The tangent of `a` in radians. Derivative: 1 + tan(a)^2.",
    "sinh": "The hyperbolic sine. Derivative: cosh(a).",
    "cosh": "The hyperbolic cosine. Derivative: sinh(a).",
    "arcsin": "The angle whose sine is a, NaN beyond 1. Derivative: 1 / sqrt(1 - a^2).",
    "arccos": "The angle whose cosine is a, NaN beyond 1. Derivative: -1 / sqrt(1 - a^2).",
    "arctan": "The angle whose tangent is a. Derivative: 1 / (1 + a^2).",
    "arctan2": "The angle of the point (b, a). Derivatives: b and -a over a^2 + b^2; at 0, 0.",
    "arcsinh": "The inverse of sinh. Derivative: 1 / sqrt(a^2 + 1).",
    "arccosh": "The inverse of cosh, NaN below 1. Derivative: 1 / sqrt(a^2 - 1).",
    "arctanh": "The inverse of tanh, NaN beyond 1. Derivative: 1 / (1 - a^2).",
    "logaddexp": "log(e^a + e^b), without overflow. Derivatives: sigmoid(a - b), sigmoid(b - a).",
    "floor_divide": "The largest whole number not above a / b; it has no derivative.",
    "mod": "What is left of a, with b's sign: a - b (a // b). Derivatives: 1 and -(a // b).",
    "isnan": "Where a is NaN.",
    "isfinite": "Where a is neither NaN nor infinite.",
    "isinf": "Where a is infinite.",
    "equal": "a == b.",
    "not_equal": "a != b.",
    "less": "a < b.",
    "less_equal": "a <= b.",
    "greater": "a > b.",
    "greater_equal": "a >= b.",
}

_ERRORS = "Raises ValueError for other shapes, TypeError for float32 beside float64."


def described(op: Any) -> str:
    """The docstring of an elementwise operation; of one that is not listed, by its text."""
    value = _VALUES.get(op.name, f"{op.text}, element by element.")
    integers = "; integers become float32." if op.floating else "."
    if op.result is not None:
        value += f" A {op.result} tensor, which has no derivative."
    if op.arity == 1:
        return f"{value}\n\na: a tensor of any shape{integers}"
    inputs = ", ".join("abc"[: op.arity])
    return f"{value}\n\n{inputs}: tensors or numbers whose shapes broadcast{integers}\n{_ERRORS}"
