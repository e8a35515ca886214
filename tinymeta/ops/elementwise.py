"""Operations on corresponding elements: one scalar text for every device, and one rule per input.

A line of the table below is a whole operation. `mul`, say: its text "a * b" is the kernel of every
device, in NumPy's names (core/text.py), with a, b, c the inputs; evaluated on arrays it is the eager
CPU kernel, pasted into a loop it is a statement of a compiled one (from_text.py). Its rules (g * b,
g * a) are the cotangents of a and b, given the cotangent g of the result y. They are operations of
this table again, so they have derivatives too. Inputs are brought to one dtype and broadcast to one shape
before (from_text.py), so that no rule has to.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.convert import WEAK_SCALARS, TracedScalar
from ..core.tensor import Tensor, asarray
from .broadcast import broadcast_to
from .from_text import Elementwise
from .promote import promote

# fmt: off
# For type checkers: rules name these before they are assigned.
cos: Elementwise
product_or_zero: Elementwise
relu_gradient: Elementwise
power_p: Elementwise

# name, text, (rule of a, rule of b); in a rule g is the cotangent of the result y (u where an input is
# called g); None: no derivative
# floating: integers become floats first.  result: its dtype, if not the inputs'.  skip: so many inputs
# keep their own dtype.  branch: on which smooth piece an input lies, for the checks of gradients.

# ---- arithmetic ---------------------------------------------------------------------------------

add = Elementwise("add", "a + b", (lambda g, y, a, b: g,     lambda g, y, a, b: g))
sub = Elementwise("sub", "a - b", (lambda g, y, a, b: g,     lambda g, y, a, b: -g))
mul = Elementwise("mul", "a * b", (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a))
div = Elementwise("div", "a / b", (lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b), floating=True)
neg = Elementwise("neg", "-a",    (lambda g, y, a: -g,))
square = Elementwise("square", "a * a", (lambda g, y, a: g * (2.0 * a),))

# ---- smooth functions ---------------------------------------------------------------------------


def _smooth(name: str, text: str, rule: Callable) -> Elementwise:
    """A function of one input, of floats."""
    return Elementwise(name, text, (rule,), floating=True)


exp   = _smooth("exp",   "exp(a)",         lambda g, y, a: g * y)
expm1 = _smooth("expm1", "expm1(a)",       lambda g, y, a: g * (y + 1.0))
log   = _smooth("log",   "log(a)",         lambda g, y, a: g / a)
log1p = _smooth("log1p", "log1p(a)",       lambda g, y, a: g / (a + 1.0))
rsqrt = _smooth("rsqrt", "1 / sqrt(a)",    lambda g, y, a: g * (-0.5 * (y * y * y)))
sin   = _smooth("sin",   "sin(a)",         lambda g, y, a: g * cos(a))
cos   = _smooth("cos",   "cos(a)",         lambda g, y, a: -g * sin(a))
tanh  = _smooth("tanh",  "tanh(a)",        lambda g, y, a: g - g * (y * y))
# Without overflow on either side of 0: sigmoid is exp(a) / (1 + exp(a)) where a < 0 and
# 1 / (1 + exp(-a)) elsewhere; softplus, log(1 + exp(a)), is a + log(1 + exp(-a)) where a > 0.
sigmoid  = _smooth("sigmoid",  "exp(minimum(a, 0)) / (1 + exp(-absolute(a)))",      lambda g, y, a: g * (y - y * y))
softplus = _smooth("softplus", "maximum(a, 0) + log1p(exp(-absolute(a)))",          lambda g, y, a: g * sigmoid(a))

# a * b where 0 times anything is 0, infinity and NaN too. Rules that call it give exactly 0 for
# what was not selected (slope 0) and for what is not used (cotangent 0).
product_or_zero = Elementwise("product_or_zero", "where(b == 0, 0, a) * where(a == 0, 0, b)",
                              (lambda g, y, a, b: product_or_zero(g, b),
                               lambda g, y, a, b: product_or_zero(g, a)))

# sqrt'(0) := 0, at every order and for every cotangent: the slope is made of 1/y,
# and `reciprocal_or_zero` and all its derivatives vanish at 0. So 1 / sqrt(a) has slope 0 there;
# that of rsqrt(a) is infinite.
reciprocal_or_zero = _smooth("reciprocal_or_zero", "1 / where(a == 0, inf, a)",
                            lambda g, y, a: -g * (y * y))
sqrt = _smooth("sqrt", "sqrt(a)", lambda g, y, a: product_or_zero(g, 0.5 * reciprocal_or_zero(y)))

# ---- comparisons, which have no derivative, and functions with kinks ----------------------------------------


def _compare(name: str, text: str) -> Elementwise:
    """A mask of two inputs."""
    return Elementwise(name, text, (None, None), result="bool")


equal         = _compare("equal",         "a == b")
not_equal     = _compare("not_equal",     "a != b")
less          = _compare("less",          "a < b")
less_equal    = _compare("less_equal",    "a <= b")
greater       = _compare("greater",       "a > b")
greater_equal = _compare("greater_equal", "a >= b")

# relu_gradient(g, a) is g where a > 0, else 0 (in its text g is called a, and a is b): relu'(0) = 0.
# It is linear in g and flat in a. It is a select: as a product, 0 * inf = NaN would reach the gradient of log(relu(a)).
relu_gradient = Elementwise("relu_gradient", "where(b > 0, a, 0)",
                            (lambda u, y, g, a: relu_gradient(u, a), None), branch=lambda g, a: a > 0)
relu = Elementwise("relu", "maximum(a, 0)", (lambda g, y, a: relu_gradient(g, a),), branch=lambda a: np.sign(a))
sign = Elementwise("sign", "sign(a)",       (None,),                                branch=lambda a: np.sign(a))
abs  = Elementwise("abs",  "absolute(a)",   (lambda g, y, a: product_or_zero(g, sign(a)),), branch=lambda a: np.sign(a))

# The share of the gradient of maximum(a, b) that a gets: 1 where a > b, 1/2 where they tie, else 0;
# a NaN is the largest, as for argmax.
tie_weight = Elementwise("tie_weight", "where((a == b) | isnan(a) & isnan(b), 0.5, (a > b) | isnan(a))",
                         (None, None), branch=lambda a, b: np.sign(a - b))
maximum = Elementwise("maximum", "maximum(a, b)", (
    lambda g, y, a, b: product_or_zero(g, tie_weight(a, b)),
    lambda g, y, a, b: product_or_zero(g, tie_weight(b, a))), branch=lambda a, b: np.sign(a - b))
minimum = Elementwise("minimum", "minimum(a, b)", (
    lambda g, y, a, b: product_or_zero(g, tie_weight(-a, -b)),
    lambda g, y, a, b: product_or_zero(g, tie_weight(-b, -a))), branch=lambda a, b: np.sign(a - b))

# In its rules the mask is c, and a and b are what it selects from.
where_p = Elementwise("where", "where(a, b, c)", (None, lambda g, y, c, a, b: where(c, g, 0.0),
                                                  lambda g, y, c, a, b: where(c, 0.0, g)), skip=1)
# fmt: on


def where(condition: Any, a: Any, b: Any) -> Tensor:
    """`a` where the bool tensor `condition` is true, else `b`.

    The gradient of the other branch is zero, but its value is computed: make its input safe as
    well, or 0 * inf = NaN will reach the gradient. Raises TypeError for a condition of numbers.
    """
    condition = asarray(condition)
    if condition.dtype != bool:
        raise TypeError(
            f"where needs a bool condition, got {condition.dtype}: compare first, as in x > 0"
        )
    return where_p(condition, a, b)


def clip(x: Any, min: Any = None, max: Any = None) -> Tensor:
    """`x` limited to [min, max]; at a limit, x and the limit share the gradient equally."""
    x = x if min is None else maximum(x, min)
    return x if max is None else minimum(x, max)


# ---- powers -------------------------------------------------------------------------------------

# fmt: off
# A Python exponent is static. Each derivative lowers it by 1 until `power` returns 1 for the exponent
# 0, so that no negative power arises and x**2 and x**3 are right at 0 to any order.
static_power = Elementwise("static_power", "power(a, exponent)", (
    lambda g, y, a, exponent: product_or_zero(g, exponent * power(a, exponent - 1)),))

# With a tensor as exponent b = 0, the slope b a^(b-1) at a = 0 is 0 * inf: product_or_zero makes it 0.
power_p = Elementwise("power", "power(a, b)", (
    lambda g, y, a, b: product_or_zero(g, product_or_zero(_exponent_as_slope(a, b), power_p(a, b - 1.0))),
    lambda g, y, a, b: product_or_zero(g, product_or_zero(y, _log_or_zero(a)))), floating=True)
# fmt: on


def _exponent_as_slope(a: Tensor, b: Tensor) -> Tensor:
    """The factor b of the slope b a^(b-1); 0 for the square root at 0, where that is infinite."""
    zero_at_0 = where(equal(a, 0.0), 0.0, b)
    return where(equal(b, 0.5), zero_at_0, b)


def _log_or_zero(a: Tensor) -> Tensor:
    """log(a), 0 where a <= 0."""
    positive = greater(a, 0.0)
    safe = where(positive, a, 1.0)  # what is not selected is computed, too: log(0) would be -inf
    return where(positive, log(safe), 0.0)


def power(x: Any, exponent: Any) -> Tensor:
    """x ** exponent.

    A Python or NumPy scalar is a static exponent: integer powers are exact at x <= 0 to any order.
    A tensor exponent is differentiated too, and asks for x > 0 (where x <= 0 that derivative is
    taken as 0). At x = 0 the derivatives by x are the same for both: those of x**0 are 0, and those
    of x**0.5 are taken as 0, as those of sqrt.
    """
    is_static = isinstance(exponent, WEAK_SCALARS) and not isinstance(exponent, TracedScalar)
    if not is_static:
        return power_p(x, exponent)
    x, _ = promote("power", (x, exponent), floating=exponent < 0)
    exponent = np.asarray(exponent).item()  # a NumPy scalar is a Python number here, too
    if exponent == 0:
        one = asarray(np.ones((), x.dtype))
        return broadcast_to(one, x.shape)
    if exponent == 1:
        return x
    if exponent == 0.5:
        return sqrt(x)
    if exponent == 2:
        return square(x)
    return static_power(x, exponent=exponent)
