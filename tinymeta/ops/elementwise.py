"""Operations on corresponding elements: one scalar text for every device, and one rule per input.

The text uses NumPy's names, as core/text.py says; a, b, c are the inputs. Evaluated on arrays it
is the eager CPU kernel, pasted into a loop it is a line of a compiled one. Calling an operation
brings its inputs to one dtype and one shape first; so a rule meets equal shapes, or an untracked
0-d constant that rides along.
"""

from inspect import Parameter

import numpy as np

from ..core.convert import WEAK_SCALARS, TracedScalar
from ..core.definition import checked_rules, help_heading
from ..core.naming import ARGUMENT_ERRORS, prefix_error
from ..core.primitive import Primitive
from ..core.tensor import Tensor, asarray
from ..core.text import GRAMMAR, INPUTS, is_mask, names, parsed
from . import movement
from .described import described
from .promote import broadcast, promote

# ---- what an elementwise operation is -----------------------------------------------------------


class Elementwise(Primitive):
    """A primitive given by a scalar text.

    The result has the inputs' dtype, or `result` if that is given; `floating` operations turn
    integers into float32; the first `skip` inputs keep a dtype of their own.
    """

    def __init__(
        self, name, text, vjps, *, result=None, floating=False, skip=0, branch=None, replace=None
    ):
        free = sorted(names(parsed(text)))
        self.arity = len({*free} & {*INPUTS})
        self.result = None if result is None else np.dtype(result)
        self.floating, self.skip = floating, skip
        super().__init__(
            name,
            shape=self.common_shape,
            vjps=vjps,
            family="elementwise",
            text=text,
            branch=branch,
            replace=replace,
        )
        self.__signature__ = self.__signature__.replace(
            parameters=[
                Parameter(x, Parameter.POSITIONAL_ONLY if x in INPUTS else Parameter.KEYWORD_ONLY)
                for x in free
            ]
        )
        self.__doc__ = f"{help_heading(self)}\n\n{described(self)}"

    def __call__(self, *inputs, **static) -> Tensor:
        if len(inputs) != self.arity:
            raise TypeError(f"{self.name} takes {self.arity} inputs, got {len(inputs)}")
        try:
            kept = tuple(map(asarray, inputs[: self.skip])) if self.skip else ()
            inputs = kept + promote(self.name, inputs[self.skip :], self.floating)
            return super().__call__(*broadcast(self.name, inputs), **static)
        except ARGUMENT_ERRORS as error:
            prefix_error(error, self.name)
            raise

    def common_shape(self, *inputs, **static):
        shape = ()
        for x in inputs:
            if x.shape and x.shape != shape:
                if shape:
                    raise ValueError(
                        f"{self.name}: the shapes {[x.shape for x in inputs]} differ; "
                        "primitives do not broadcast: use the operators, "
                        "or tm.broadcast_to first"
                    )
                shape = x.shape
        return shape, inputs[-1].dtype if self.result is None else self.result


def elementwise(text: str, vjps, *, name: str | None = None, replace: bool = False) -> Elementwise:
    """An elementwise operation of your own, from a scalar text such as "a * exp(-b)".

    text: in a, b, c and NumPy's names, those of core/text.py. It computes in floats; a comparison
    is 1 or 0.
    vjps: for each input `rule(g, y, *inputs)`, written with tinymeta's operations, or None.
    replace: put it in the place of one of your own with that name, as in `tm.primitive`.
    Raises ValueError for a name that is taken, what cannot stand in a text, or too few rules.
    """
    tree = parsed(text)
    inputs = sorted(names(tree))
    if inputs not in (["a"], ["a", "b"], ["a", "b", "c"]):
        raise ValueError(
            f"elementwise: the inputs of {text!r} are {', '.join(inputs) or 'none'}; name "
            f"them a, then b, then c: {GRAMMAR}"
        )
    vjps = checked_rules(name or text, vjps)
    if not callable(vjps) and len(vjps) != len(inputs):
        raise ValueError(
            f"elementwise: the text {text!r} has {len(inputs)} inputs (a, b, c) and "
            f"there are {len(vjps)} rules: give one, or None, for each input"
        )
    counted = f"where({text}, 1, 0)" if is_mask(tree) else text
    return Elementwise(name or text, counted, vjps, floating=True, replace=replace)


# fmt: off
# ---- arithmetic ---------------------------------------------------------------------------------

add = Elementwise("add", "a + b", (lambda g, y, a, b: g,     lambda g, y, a, b: g))
sub = Elementwise("sub", "a - b", (lambda g, y, a, b: g,     lambda g, y, a, b: -g))
mul = Elementwise("mul", "a * b", (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a))
div = Elementwise("div", "a / b", (lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b), floating=True)
neg = Elementwise("neg", "-a",    (lambda g, y, a: -g,))
square = Elementwise("square", "a * a", (lambda g, y, a: g * (2.0 * a),))

# ---- smooth functions ---------------------------------------------------------------------------


def smooth(name, text, rule):
    return Elementwise(name, text, (rule,), floating=True)


exp   = smooth("exp",   "exp(a)",         lambda g, y, a: g * y)
expm1 = smooth("expm1", "expm1(a)",       lambda g, y, a: g * (y + 1.0))
log   = smooth("log",   "log(a)",         lambda g, y, a: g / a)
log1p = smooth("log1p", "log1p(a)",       lambda g, y, a: g / (a + 1.0))
rsqrt = smooth("rsqrt", "1 / sqrt(a)",    lambda g, y, a: g * (-0.5 * (y * y * y)))
sin   = smooth("sin",   "sin(a)",         lambda g, y, a: g * cos(a))
cos   = smooth("cos",   "cos(a)",         lambda g, y, a: -g * sin(a))
tanh  = smooth("tanh",  "tanh(a)",        lambda g, y, a: g - g * (y * y))
# Both halves of the line without overflow: exp(a) / (1 + exp(a)) where a < 0,
# 1 / (1 + exp(-a)) elsewhere.
sigmoid  = smooth("sigmoid",  "exp(minimum(a, 0)) / (1 + exp(-absolute(a)))",      lambda g, y, a: g * (y - y * y))
softplus = smooth("softplus", "maximum(a, 0) + log1p(exp(-absolute(a)))",          lambda g, y, a: g * sigmoid(a))

# a * b where 0 times anything is 0, infinity and NaN too: in a rule, what was not selected (slope 0)
# and what nobody reads (cotangent 0) give exactly 0.
product_or_zero = Elementwise("product_or_zero", "where(b == 0, 0, a) * where(a == 0, 0, b)",
                              (lambda g, y, a, b: product_or_zero(g, b),
                               lambda g, y, a, b: product_or_zero(g, a)))

# sqrt'(0) := 0, at every order and for every cotangent: the slope is made of 1/y,
# and `reciprocal_or_zero` and all its derivatives vanish at 0. So 1 / sqrt(a) has slope 0 there;
# that of rsqrt(a) is infinite.
reciprocal_or_zero = smooth("reciprocal_or_zero", "1 / where(a == 0, inf, a)",
                            lambda g, y, a: -g * (y * y))
sqrt = smooth("sqrt", "sqrt(a)", lambda g, y, a: product_or_zero(g, 0.5 * reciprocal_or_zero(y)))

# ---- kinks: a mask decides, and a mask has no derivative ----------------------------------------


def compare(name, text):
    return Elementwise(name, text, (None, None), result="bool")


equal,      not_equal     = compare("equal",      "a == b"), compare("not_equal",     "a != b")
less,       less_equal    = compare("less",       "a < b"),  compare("less_equal",    "a <= b")
greater,    greater_equal = compare("greater",    "a > b"),  compare("greater_equal", "a >= b")

# g where a > 0, else 0: the derivative of relu with relu'(0) = 0, linear in g and flat in a. It is a
# select: as a product, 0 * inf = NaN would reach the gradient of log(relu(a)).
gate = Elementwise("gate", "where(b > 0, a, 0)", (lambda u, y, g, a: gate(u, a), None), branch=lambda g, a: a > 0)
relu = Elementwise("relu", "maximum(a, 0)", (lambda g, y, a: gate(g, a),),              branch=lambda a: np.sign(a))
sign = Elementwise("sign", "sign(a)", (None,),                                          branch=lambda a: np.sign(a))
abs  = Elementwise("abs", "absolute(a)", (lambda g, y, a: product_or_zero(g, sign(a)),),    branch=lambda a: np.sign(a))

# 1 where a > b, 1/2 where they tie (both share the gradient equally), 0 elsewhere; a NaN is the
# largest, as for argmax.
wins    = Elementwise("wins", "where((a == b) | isnan(a) & isnan(b), 0.5, (a > b) | isnan(a))",
                      (None, None), branch=lambda a, b: np.sign(a - b))
maximum = Elementwise("maximum", "maximum(a, b)", (
    lambda g, y, a, b: product_or_zero(g, wins(a, b)),
    lambda g, y, a, b: product_or_zero(g, wins(b, a))), branch=lambda a, b: np.sign(a - b))
minimum = Elementwise("minimum", "minimum(a, b)", (
    lambda g, y, a, b: product_or_zero(g, wins(-a, -b)),
    lambda g, y, a, b: product_or_zero(g, wins(-b, -a))), branch=lambda a, b: np.sign(a - b))

select = Elementwise("where", "where(a, b, c)", (None, lambda g, y, c, a, b: where(c, g, 0.0),
                                                 lambda g, y, c, a, b: where(c, 0.0, g)), skip=1)
# fmt: on


def where(condition, a, b) -> Tensor:
    """`a` where the bool tensor `condition` is true, else `b`.

    The gradient of the other branch is zero, but its value is computed: make its input safe as
    well, or 0 * inf = NaN will reach the gradient.
    """
    condition = asarray(condition)
    if condition.dtype != bool:
        raise TypeError(
            f"where needs a bool condition, got {condition.dtype}: compare first, as in x > 0"
        )
    return select(condition, a, b)


def clip(x, min=None, max=None) -> Tensor:
    """`x` limited to [min, max]; at a limit, x and the limit share the gradient equally."""
    x = x if min is None else maximum(x, min)
    return x if max is None else minimum(x, max)


# ---- powers -------------------------------------------------------------------------------------

# fmt: off
# A Python exponent is static; its rule stops at 0,
# so that x**2 and x**3 are right at 0 to any order.
static_power = Elementwise("static_power", "power(a, exponent)", (
    lambda g, y, a, exponent: product_or_zero(g, exponent * power(a, exponent - 1)),))

# Of a tensor, the rule does not stop at 0, where the slope b a^(b-1) of 0^0 would be 0 * inf.
general_power = Elementwise("power", "power(a, b)", (
    lambda g, y, a, b: product_or_zero(g, product_or_zero(factor(a, b), general_power(a, b - 1.0))),
    lambda g, y, a, b: product_or_zero(g, product_or_zero(y, log_or_zero(a)))), floating=True)
# fmt: on


def factor(a, b):
    """b, or 0 at the kink of the square root."""
    return where(equal(b, 0.5), where(equal(a, 0.0), 0.0, b), b)


def log_or_zero(a):
    positive = greater(a, 0.0)
    return where(positive, log(where(positive, a, 1.0)), 0.0)


def power(x, exponent) -> Tensor:
    """x ** exponent.

    A Python or NumPy scalar is a static exponent: integer powers are exact at x <= 0 to any order.
    A tensor exponent is differentiated too, and asks for x > 0 (where x <= 0 that derivative is
    taken as 0). At x = 0 the derivatives by x are the same for both: those of x**0 are 0, and those
    of x**0.5 are taken as 0, as those of sqrt.
    """
    if not isinstance(exponent, WEAK_SCALARS) or isinstance(exponent, TracedScalar):
        return general_power(x, exponent)
    x, _ = promote("power", (x, exponent), floating=exponent < 0)
    exponent = np.asarray(exponent).item()  # a NumPy scalar is a Python number here, too
    if exponent == 0:
        return movement.broadcast_to(asarray(np.ones((), x.dtype)), x.shape)
    if exponent == 1:
        return x
    if exponent == 0.5:
        return sqrt(x)
    return square(x) if exponent == 2 else static_power(x, exponent=exponent)
