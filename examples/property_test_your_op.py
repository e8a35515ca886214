"""Test a gradient of your own: three plausible mistakes, found, made small and named.

Hypothesis draws inputs, `check_grads` compares the derivatives with differences, and hypothesis
makes the inputs of what fails as small as it can. Needs it: pip install hypothesis
Every claim is an assert.                                   python examples/property_test_your_op.py
"""

import numpy as np
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinymeta as tm
from tinymeta.testing import (Case, Vacuous, check_grads, check_primitive, register, strategy_for,
                              survivors)


def property_test(op, order):
    """Check the derivatives of `op`, up to an order, on fifty cases of its strategy.

    Returns (the smallest case found to be wrong, what is said of it), or None.
    """
    met = []

    @settings(max_examples=50, deadline=None, derandomize=True, database=None)
    @given(strategy_for(op))
    def test(case):
        met.append(case)
        try:
            check_grads(op, *case.inputs, order=order)
        except Vacuous:                     # an empty array: no derivative of it can be wrong
            reject()

    try:
        test()
    except AssertionError as error:
        smallest = met[-1]                  # hypothesis ends with the smallest that it found
        print("    the smallest case found:", *smallest.inputs)
        print("   ", str(error).replace("\n", "\n    "))
        return smallest, str(error)
    return None


# 1 -- An operation is a scalar text and a rule for its derivative.
#      Half of the product rule is easily forgotten.
print("1  swish(a) = a * sigmoid(a), with the rule g * sigmoid(a)")
swish = tm.elementwise("a / (1 + exp(-a))", (lambda g, y, a: g * tm.sigmoid(a),), name="swish 1")
case, complaint = property_test(swish, order=1)
assert "the derivative of <primitive swish 1> of order 1 is wrong" in complaint
assert case.inputs[0].shape == () and case.inputs[0] == 1 / 8       # 0 is smaller, but right there
assert "worst entry: argument [0] at" in complaint

# 2 -- A rule may have the right value and not be differentiable:
#      a number computed beforehand is a constant to the second derivative, and to MAML.
print("\n2  the slope in full, but computed from the values alone")


def slope(a):
    s = tm.sigmoid(a)
    return s + a * s * (1.0 - s)


constant = tm.elementwise("a / (1 + exp(-a))", name="swish 2",
                          vjps=(lambda g, y, a: g * slope(tm.asarray(a.numpy())),))
assert property_test(constant, order=1) is None
_, complaint = property_test(constant, order=2)
assert "the derivative of <primitive swish 2> of order 2 is wrong" in complaint

# 3 -- Corrected: every order is right. Nothing was written for the second and the third.
right = tm.elementwise("a / (1 + exp(-a))", (lambda g, y, a: g * slope(a),), name="swish")
assert property_test(right, order=3) is None
check_primitive(right)                      # all that, and its kernel, in one line of a test
print("\n3  g * slope(a), of the tensor itself: right to third order")

# 4 -- Would a mistake have been noticed at all? Break the right rule on purpose and see.
#      The one fault left is none: the rule does not read y, so it loses nothing with its history.
alive = [mutant.fault for mutant in survivors(right)]
assert alive == ["y stopped"]
print("4  broken on purpose in every way, the rule is caught each time, but for", alive)

# 5 -- A plain NumPy function and its hand-written backward pass, which know nothing of tensors:
#      as two operations, the second of them the rule of the first.
print("\n5  normalise(x) = x / |x| in NumPy, backward with a sum where a dot product belongs")


def normalise(x):
    return x / np.sqrt((x * x).sum(-1, keepdims=True))


def backward(g, x):
    y = normalise(x)
    return (g - y * g.sum(-1, keepdims=True)) / np.sqrt((x * x).sum(-1, keepdims=True))


def corrected(g, x):
    y = normalise(x)
    return (g - y * (g * y).sum(-1, keepdims=True)) / np.sqrt((x * x).sum(-1, keepdims=True))


def from_numpy(name, forward, backward):
    """An operation of two NumPy functions, y = forward(x) like x and its pullback backward(g, x).

    The pullback is only values, so order 1 is what can be checked.
    """
    def fill(function):
        return lambda out, *arrays: np.copyto(out, function(*arrays))

    def like_the_last(*arrays):
        return arrays[-1].shape, arrays[-1].dtype

    pull = tm.primitive(f"{name}, backward", shape=like_the_last, vjps=(None, None),
                        kernels={"cpu": fill(backward)})
    return tm.primitive(name, shape=like_the_last, vjps=(lambda g, y, x: pull(g, x),),
                        kernels={"cpu": fill(forward)})


# Where is it defined? Say so once, and what is drawn stays there: rows of two or three, none zero.
sides = st.tuples(st.integers(1, 2), st.integers(2, 3))
rows = hnp.arrays(float, sides, elements=st.integers(1, 16).map(lambda n: n / 8))

wrong = from_numpy("normalise, wrong", normalise, backward)
register(wrong.name, rows.map(lambda x: Case((x,), {})))
case, complaint = property_test(wrong, order=1)
assert "the derivative of <primitive normalise, wrong> of order 1 is wrong" in complaint
assert case.inputs[0].shape == (1, 2)

correct = from_numpy("normalise", normalise, corrected)
register(correct.name, rows.map(lambda x: Case((x,), {})))
assert property_test(correct, order=1) is None
check_primitive(correct, order=1)
print("\n6  with the dot product: right")
print("every mistake was found, and every correction passed")
