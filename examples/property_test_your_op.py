"""Test a gradient of your own: three plausible mistakes, found, made small and named.

    python examples/property_test_your_op.py                          needs: pip install hypothesis

What one learns: Hypothesis draws inputs, `check_grads` compares the derivatives with differences,
and hypothesis makes the inputs of what fails as small as it can. Every claim is an assert.
"""

import numpy as np
from console import script
from hypothesis import Phase, given, reject, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinymeta as tm
from tinymeta.testing import (
    Foreign,
    Kink,
    Vacuous,
    check_grads,
    check_primitive,
    strategies,
    strategy_for,
    survivors,
)

script(__doc__)


def property_test(f, cases, order):
    """Check the derivatives of `f`, up to an order, on fifty cases: tuples of its arguments.

    Returns (the smallest arguments for which they are wrong, the error's text), or None.
    """
    tried = []

    @settings(
        max_examples=50,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
    )
    @given(cases)
    def test(inputs):
        tried.append(inputs)
        try:
            check_grads(f, *inputs, order=order)
        except Vacuous:  # an empty array: no derivative of it can be wrong
            reject()

    try:
        test()
    except AssertionError as error:
        smallest = tried[-1]  # hypothesis ends with the smallest that it found
        print("    the smallest case found:", *smallest)
        print("   ", str(error).replace("\n", "\n    "))
        return smallest, str(error)
    return None


def cases_of(op):
    """Every operation has a strategy of cases; these are their arrays."""
    return strategy_for(op).map(lambda case: case.inputs)


# 1 -- An operation is a scalar text and a rule for its derivative.
#      Half of the product rule is easily forgotten.
print("1  swish(a) = a * sigmoid(a), with the rule g * sigmoid(a)")
swish = tm.elementwise("a / (1 + exp(-a))", (lambda g, y, a: g * tm.sigmoid(a),), name="swish 1")
cases = strategies.tensors(strategies.shapes(), away_from=0.0).map(lambda a: (a,))
(a,), complaint = property_test(swish, cases, order=1)
assert "the derivative of swish 1 of order 1 is wrong" in complaint
assert a.shape == () and a == 1 / 8  # at 0 alone the rule is right
assert "worst entry: argument [0] at" in complaint

# 2 -- A rule may have the right value and not be differentiable:
#      a number computed beforehand is a constant to the second derivative, and to MAML.
print("\n2  the slope in full, but computed from the values alone")


def slope(a):
    s = tm.sigmoid(a)
    return s + a * s * (1.0 - s)


constant = tm.elementwise(
    "a / (1 + exp(-a))", name="swish 2", vjps=(lambda g, y, a: g * slope(tm.asarray(a.numpy())),)
)
assert property_test(constant, cases_of(constant), order=1) is None
_, complaint = property_test(constant, cases_of(constant), order=2)
assert "the derivative of swish 2 of order 2 is wrong" in complaint

# 3 -- Corrected: every order is right. Nothing was written for the second and the third.
right = tm.elementwise("a / (1 + exp(-a))", (lambda g, y, a: g * slope(a),), name="swish")
assert property_test(right, cases_of(right), order=3) is None
check_primitive(right)  # all that, and its kernel, in one line of a test
print("\n3  g * slope(a), of the tensor itself: right to third order")

# 4 -- Would a mistake have been noticed at all? Break the right rule on purpose and see.
#      The one fault left is none: the rule does not read y, so it loses nothing with its history.
alive = [mutant.fault for mutant in survivors(right)]
assert alive == ["y stopped"]
print("4  broken on purpose in every way, the rule is caught each time, but for", alive)

# 5 -- A plain NumPy function and its hand-written backward pass, which know nothing of tensors.
#      Where is it defined? What is drawn stays there: rows of two or three numbers, none of them 0.
print("\n5  normalise(x) = x / |x| in NumPy, backward with a sum where a dot product belongs")
sides = st.tuples(st.integers(1, 2), st.integers(2, 3))
rows = st.tuples(hnp.arrays(float, sides, elements=st.integers(1, 16).map(lambda n: n / 8)))


def normalise(x):
    return x / np.sqrt((x * x).sum(-1, keepdims=True))


def backward(g, x):
    y = normalise(x)
    return (g - y * g.sum(-1, keepdims=True)) / np.sqrt((x * x).sum(-1, keepdims=True))


def corrected(g, x):
    y = normalise(x)
    return (g - y * (g * y).sum(-1, keepdims=True)) / np.sqrt((x * x).sum(-1, keepdims=True))


(x,), complaint = property_test(Foreign(normalise, backward=backward), rows, order=1)
assert "the derivative of normalise of order 1 is wrong" in complaint
assert x.shape == (1, 2)
assert property_test(Foreign(normalise, backward=corrected), rows, order=1) is None
print("    with the dot product: right")

# 6 -- At a kink a difference is no judge. The check says so, or takes any slope between the two.
print("\n6  relu at 0")
try:
    check_grads(tm.relu, np.zeros(2))
except Kink as kink:
    print("   ", str(kink).splitlines()[0])
check_grads(tm.relu, np.zeros(2), order=1, kinks="one-sided")
print("every mistake was found, and every correction passed")
