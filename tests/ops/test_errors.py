"""What a wrong call says: one line that names the operation, what it was given, and what to do."""

import numpy as np
import pytest

import tinymeta as tm

x = np.ones((2, 3))
image = np.ones((1, 4, 4, 2))
weight = np.ones((3, 3, 2, 5))

CASES = [
    # ---- shapes that do not fit
    (
        lambda: tm.asarray(x) + np.ones(2),
        ValueError,
        r"add: the shapes \(2, 3\) and \(2,\) do not broadcast",
    ),
    (
        lambda: tm.maximum(x, np.ones((3, 2))),
        ValueError,
        r"maximum: the shapes \(2, 3\) and \(3, 2\) do not broadcast",
    ),
    (
        lambda: tm.where(x > 0, np.ones(2), 0.0),
        ValueError,
        r"where: the shapes \(2, 3\) and \(2,\) and \(\) do not",
    ),
    (
        lambda: tm.broadcast_to(x, (2, 4)),
        ValueError,
        r"broadcast_to: \(2, 3\) does not broadcast to \(2, 4\)",
    ),
    (
        lambda: tm.broadcast_to(x, (3,)),
        ValueError,
        r"broadcast_to: \(2, 3\) does not broadcast to \(3,\)",
    ),
    (
        lambda: tm.matmul(x, x),
        ValueError,
        r"matmul: \(2, 3\) @ \(2, 3\) does not fit: the last axis of the first must",
    ),
    (
        lambda: tm.matmul(x, 2.0),
        ValueError,
        r"matmul: \(2, 3\) @ \(\) has a 0-d operand: use \* to scale",
    ),
    (
        lambda: tm.matmul(np.ones((2, 1, 3)), np.ones((3, 3, 1))),
        ValueError,
        "matmul: the leading axes of",
    ),
    (
        lambda: tm.reshape(x, (4, 2)),
        ValueError,
        r"reshape: \(2, 3\) has 6 elements and does not fit \(4, 2\)",
    ),
    (
        lambda: tm.reshape(x, (4, -1)),
        ValueError,
        r"reshape: \(2, 3\) has 6 elements and does not fit \(4, -1\)",
    ),
    (lambda: tm.reshape(x, (-1, -1)), ValueError, r"reshape: .* one of them may be -1"),
    (lambda: tm.reshape(x, (-2, -3)), ValueError, r"reshape: .* does not fit \(-2, -3\)"),
    (
        lambda: tm.squeeze(x, 0),
        ValueError,
        r"squeeze: axis 0 of \(2, 3\) has size 2, only axes of size 1 can go",
    ),
    (
        lambda: tm.concatenate([x, np.ones((3, 3))], 1),
        ValueError,
        r"concatenate: the shapes .* differ outside axis 1",
    ),
    (
        lambda: tm.concatenate([x, np.ones(3)]),
        ValueError,
        r"concatenate: the shapes .* differ outside axis 0",
    ),
    (lambda: tm.concatenate([]), ValueError, "concatenate needs at least one tensor"),
    (
        lambda: tm.concatenate([np.array(1.0)]),
        ValueError,
        "concatenate needs .* none of them 0-d: use tm.stack",
    ),
    (
        lambda: tm.stack([x, x.T]),
        ValueError,
        r"stack needs .* equal shapes: \[\(2, 3\), \(3, 2\)\]",
    ),
    (lambda: tm.stack([]), ValueError, "needs at least one tensor"),
    (
        lambda: tm.take_along_axis(x, np.zeros((3, 1), int)),
        ValueError,
        r"take_along_axis: indices \(3, 1\) must",
    ),
    # ---- axes out of range
    (lambda: tm.sum(x, 2), ValueError, "sum: axis 2 is out of range for a tensor of 2 axes"),
    (lambda: tm.sum(x, (0, -2)), ValueError, r"sum: axis \(0, -2\) names an axis twice"),
    (lambda: tm.mean(x, -3), ValueError, "mean: axis -3 is out of range for a tensor of 2 axes"),
    (lambda: tm.max(x, 2), ValueError, "max: axis 2 is out of range"),
    (lambda: tm.argmax(x, 2), ValueError, "argmax: axis 2 is out of range"),
    (lambda: tm.logsumexp(x, 2), ValueError, "axis 2 is out of range"),
    (
        lambda: tm.softmax(np.array(1.0)),
        ValueError,
        "axis -1 is out of range for a tensor of 0 axes",
    ),
    (
        lambda: tm.transpose(x, (0, 0)),
        ValueError,
        r"transpose: axes \(0, 0\) must name each axis of \(2, 3\) once",
    ),
    (lambda: tm.transpose(x, (0,)), ValueError, r"transpose: axes \(0,\) must name each axis"),
    (lambda: tm.swapaxes(x, 0, 2), ValueError, "swapaxes: axis 2 is out of range"),
    (lambda: tm.moveaxis(x, 0, 2), ValueError, "moveaxis: axis 2 is out of range"),
    (
        lambda: tm.expand_dims(x, 4),
        ValueError,
        "expand_dims: axis 4 is out of range for a tensor of 3 axes",
    ),
    (lambda: tm.flip(x, 2), ValueError, "flip: axis 2 is out of range"),
    (lambda: tm.concatenate([x, x], 2), ValueError, "concatenate: axis 2 is out of range"),
    (lambda: tm.take(x, 0, 2), ValueError, "take: axis 2 is out of range"),
    (lambda: tm.sum(x, 0.5), ValueError, "sum: axis 0.5 is out of range"),
    # ---- indices
    (lambda: tm.take(x, 2), IndexError, "take: indices from 2 to 2 are out of range for size 2"),
    (
        lambda: tm.take(x, np.array([0, -3])),
        IndexError,
        "take: indices from -3 to 0 are out of range for size 2",
    ),
    (lambda: tm.take(x, np.array([0.0])), TypeError, "take: indices must be integers, got float64"),
    (
        lambda: tm.take_along_axis(x, np.full((2, 1), 3)),
        IndexError,
        "take_along_axis: indices from 3 to 3 are out of",
    ),
    (
        lambda: tm.take_along_axis(x, x),
        TypeError,
        "take_along_axis: indices must be integers, got float64",
    ),
    (
        lambda: tm.asarray(x)[2],
        IndexError,
        r"index 2 is out of range for axis 0 of size 2 \(shape \(2, 3\)\)",
    ),
    (
        lambda: tm.asarray(x)[0, 0, 0],
        IndexError,
        r"has too many parts for a tensor of shape \(2, 3\)",
    ),
    (lambda: tm.asarray(x)[..., ...], IndexError, "has too many parts"),
    (lambda: tm.asarray(x)[[0.5]], TypeError, "not with an index of float32"),
    (lambda: tm.asarray(x)[[0, 2]], IndexError, "indices from 0 to 2 are out of range for size 2"),
    (lambda: tm.asarray(x)[True], TypeError, "not bool"),
    (lambda: tm.asarray(x)[0.5], TypeError, "not float"),
    (lambda: tm.asarray(x)["w"], TypeError, "not str"),
    # ---- sizes, dtypes, numbers of inputs
    (lambda: tm.zeros((2, -1)), ValueError, r"zeros: the shape \(2, -1\) has a negative size"),
    (lambda: tm.ones(-1), ValueError, r"ones: the shape \(-1,\) has a negative size"),
    (lambda: tm.full((-2,), 1.0), ValueError, r"full: the shape \(-2,\) has a negative size"),
    (lambda: tm.eye(-1), ValueError, r"eye: the shape \(-1, -1\) has a negative size"),
    (
        lambda: tm.broadcast_to(x, (-1, 3)),
        ValueError,
        r"broadcast_to: the shape \(-1, 3\) has a negative size",
    ),
    (
        lambda: tm.pad(x, -1),
        ValueError,
        r"pad: widths -1 must give one \(before, after\) pair of sizes >= 0",
    ),
    (lambda: tm.pad(x, [(1, 1)]), ValueError, r"pad: widths .* for each of the 2 axes of \(2, 3\)"),
    (
        lambda: tm.one_hot([3], 3),
        ValueError,
        "one_hot: labels must be integers from 0 to 2, got int64 from 3 to 3",
    ),
    (
        lambda: tm.one_hot([-1], 3),
        ValueError,
        "one_hot: labels must be integers from 0 to 2, got int64 from -1",
    ),
    (
        lambda: tm.one_hot([1.0], 3),
        ValueError,
        "one_hot: labels must be integers from 0 to 2, got float32",
    ),
    (
        lambda: tm.where(x, x, x),
        TypeError,
        "where needs a bool condition, got float64: compare first",
    ),
    (
        lambda: tm.astype(x, complex),
        TypeError,
        "astype: tensors hold bools, integers and floats, not complex128",
    ),
    (lambda: tm.exp(x, x), TypeError, "exp takes 1 inputs, got 2"),
    (lambda: tm.add(x), TypeError, "add takes 2 inputs, got 1"),
    (lambda: tm.add(x, x, out=x), TypeError, "add takes no argument 'out', but inputs by position"),
    (lambda: tm.jit(lambda x: tm.exp(x, out=[]))(x), TypeError, "exp takes no argument 'out'"),
    # ---- windows
    (
        lambda: tm.conv2d(image, np.ones((3, 3, 3, 5))),
        ValueError,
        r"conv2d: x .* and w \(3, 3, 3, 5\) do not fit",
    ),
    (
        lambda: tm.conv2d(image[0], weight),
        ValueError,
        r"conv2d: x \(4, 4, 2\) and .* x is \(\.\., N, H, W, C\)",
    ),
    (
        lambda: tm.conv2d(np.stack([image] * 2), np.stack([weight] * 3)),
        ValueError,
        "conv2d: the leading axes of",
    ),
    (
        lambda: tm.conv2d(image, weight, stride=0),
        ValueError,
        "conv2d: stride 0 is not a number >= 1 or a pair of them",
    ),
    (
        lambda: tm.conv2d(image, weight, stride=(1, 2, 3)),
        ValueError,
        r"conv2d: stride \(1, 2, 3\) is not",
    ),
    (
        lambda: tm.conv2d(image, weight, stride=1.5),
        ValueError,
        "conv2d: stride 1.5 is not a number",
    ),
    (
        lambda: tm.conv2d(image, weight, padding=-1),
        ValueError,
        'padding -1 is not a number >= 0, "same", "valid"',
    ),
    (
        lambda: tm.conv2d(image, weight, padding="full"),
        ValueError,
        "conv2d: padding 'full' is not a number",
    ),
    (
        lambda: tm.conv2d(image, weight, padding=((1, 1), (1, -1))),
        ValueError,
        r"conv2d: padding \(1, -1\) is not",
    ),
    (
        lambda: tm.conv2d(image, np.ones((5, 5, 2, 1)), padding="valid"),
        ValueError,
        "conv2d: a 5x5 window does not",
    ),
    (
        lambda: tm.conv2d(image, np.ones((0, 3, 2, 1))),
        ValueError,
        "conv2d: a 0x3 window does not fit",
    ),
    (
        lambda: tm.max_pool2d(x),
        ValueError,
        r"max_pool2d: expected images \(\.\., N, H, W, C\), got shape \(2, 3\)",
    ),
    (
        lambda: tm.max_pool2d(image, 5),
        ValueError,
        "max_pool2d: a 5x5 window does not fit a 4x4 image",
    ),
    (
        lambda: tm.max_pool2d(image, 2, padding=2),
        ValueError,
        r"max_pool2d: the padding .* is as wide as the window",
    ),
    (lambda: tm.avg_pool2d(image, 2, stride=0), ValueError, "avg_pool2d: stride 0 is not"),
    (lambda: tm.avg_pool2d(x), ValueError, "avg_pool2d: expected images"),
    # ---- operations of one's own
    (lambda: tm.elementwise("nothing(a)", (None,)), ValueError, "cannot compile 'nothing"),
    (
        lambda: tm.elementwise("a if a > 0 else 0", (None,)),
        ValueError,
        "cannot compile .* a scalar text is made of",
    ),
    (
        lambda: tm.elementwise("a // 2", (None,)),
        ValueError,
        "cannot compile 'a // 2': .* exp2 .* arctan2 ",
    ),
    (
        lambda: tm.elementwise("exp(a", (None,)),
        ValueError,
        r"cannot compile 'exp\(a': '\(' was never closed",
    ),
    (
        lambda: tm.elementwise("a * b", (None,)),
        ValueError,
        r"has 2 inputs \(a, b, c\) and there are 1 rules",
    ),
    (
        lambda: tm.elementwise("exp(z)", (None,)),
        ValueError,
        r"the inputs of 'exp\(z\)' are z; name",
    ),
    (
        lambda: tm.elementwise("exp(a)", (None,), name="exp"),
        ValueError,
        "a primitive named 'exp' exists already",
    ),
]


def heading(case) -> str:
    return case[2].replace("\\", "")[:50]


@pytest.mark.parametrize("call, kind, message", CASES, ids=map(heading, CASES))
def test_the_message(call, kind, message):
    with pytest.raises(kind, match=message) as error:
        call()
    text = str(error.value)
    listed = 450 if "exp2" in text else 300  # what a scalar text may have
    assert error.type is kind and "\n" not in text and len(text) < listed


@pytest.mark.parametrize(
    "name",
    [
        "sum",
        "mean",
        "var",
        "max",
        "min",
        "norm",
        "logsumexp",
        "softmax",
        "log_softmax",
        "argmax",
        "flip",
    ],
)
def test_an_operation_calls_itself_by_its_own_name(name):
    """Not by that of an operation that it is made of."""
    with pytest.raises(
        ValueError, match=f"^{name}: axis 2 is out of range for a tensor of 2 axes$"
    ):
        getattr(tm, name)(x, axis=2)
