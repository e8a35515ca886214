"""Groups, dilation, conv1d, transposed convolution, options of pooling, beside loops in Python."""

import itertools

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import check_grads
from tinymeta.testing.interpreted import interpreted_jit

rng = np.random.default_rng(0)
x = rng.normal(size=(2, 7, 6, 4))


def convolved(x, w, stride, pads, dilation, groups):
    """The sum that a convolution is, one output after another."""
    x = np.pad(x, [(0, 0), *pads, (0, 0)])
    (h, k, inside, outputs), (s, r), (d, e) = w.shape, stride, dilation
    rows, columns = (x.shape[1] - (h - 1) * d - 1) // s + 1, (x.shape[2] - (k - 1) * e - 1) // r + 1
    out = np.zeros((len(x), rows, columns, outputs))
    for i, j, o in np.ndindex(rows, columns, outputs):
        first = o // (outputs // groups) * inside
        windows = x[:, i * s : i * s + h * d : d, j * r : j * r + k * e : e, first : first + inside]
        out[:, i, j, o] = (windows[:, :h, :k] * w[..., o]).sum((1, 2, 3))
    return out


@pytest.mark.parametrize(
    "stride, pads, dilation, groups",
    [
        ((1, 1), ((0, 0), (0, 0)), (1, 1), 2),
        ((2, 1), ((1, 2), (0, 1)), (2, 1), 1),
        ((1, 2), ((2, 2), (1, 1)), (2, 3), 4),
    ],
)
def test_groups_and_dilation(stride, pads, dilation, groups):
    w = rng.normal(size=(3, 2, 4 // groups, 8))
    options = dict(stride=stride, padding=pads, dilation=dilation, groups=groups)
    f = lambda x, w: tm.conv2d(x, w, **options)
    expected = convolved(x, w, stride, pads, dilation, groups)
    for run in (f, interpreted_jit(f)):
        np.testing.assert_allclose(run(x, w).numpy(), expected, rtol=1e-10, atol=1e-12)
    check_grads(f, x[:1, :6, :5], w, order=2, n_dirs=1)
    tasks = f(np.stack([x, 2 * x]), np.stack([w, 3 * w]))  # a kernel of its own for each task
    np.testing.assert_allclose(tasks.numpy()[1], 6 * expected, rtol=1e-10, atol=1e-12)


def test_one_dimension_is_an_image_of_one_row():
    a, w = x[:, :, 0], rng.normal(size=(3, 2, 6))
    f = lambda a, w: tm.conv1d(a, w, stride=2, padding=(1, 2), dilation=2, groups=2)
    expected = convolved(a[:, None], w[None], (1, 2), ((0, 0), (1, 2)), (1, 2), 2)[:, 0]
    for run in (f, interpreted_jit(f)):
        np.testing.assert_allclose(run(a, w).numpy(), expected, rtol=1e-10, atol=1e-12)
    check_grads(f, a, w, order=2, n_dirs=1)
    assert tm.conv1d(a, rng.normal(size=(3, 4, 5))).shape == (2, 7, 5)


@pytest.mark.parametrize(
    "stride, padding, more, dilation",
    [(1, "valid", 0, 1), (2, "same", 0, 1), ((2, 3), 1, 1, 1), (2, ((1, 0), (2, 1)), 0, 2)],
)
def test_a_transposed_convolution_is_the_adjoint_of_one(stride, padding, more, dilation):
    w = rng.normal(size=(3, 3, 2, 4))
    options = dict(stride=stride, padding=padding, dilation=dilation)
    f = lambda g, w: tm.conv_transpose2d(g, w, output_padding=more, **options)
    y = f(x, w)
    if padding == "same":
        assert y.shape == (2, 14, 12, 2)
    v = rng.normal(size=y.shape)
    forth = tm.conv2d(v, w, **options)
    assert forth.shape == x.shape
    np.testing.assert_allclose(tm.sum(y * v).item(), tm.sum(forth * x).item(), rtol=1e-10)
    np.testing.assert_allclose(interpreted_jit(f)(x, w).numpy(), y.numpy(), rtol=1e-10, atol=1e-12)
    check_grads(f, x[:1, :3, :3], w, order=2, n_dirs=1)


def pooled(x, k, s, p, d, ceil, how):
    """One window after another: of the places inside the image, or with `p` around it counted."""
    n, reach = x.shape[1:3], (k - 1) * d + 1
    sizes = []
    for m in n:
        count = (m + 2 * p - reach + (s - 1) * ceil) // s + 1
        sizes.append(count - (ceil and (count - 1) * s >= m + p))
    out = np.zeros((len(x), *sizes, x.shape[-1]))
    for i, j in itertools.product(*map(range, sizes)):
        places = [[b * s - p + d * q for q in range(k)] for b in (i, j)]
        inside = [[q for q in of if 0 <= q < m] for of, m in zip(places, n)]
        counted = [sum(q < m + p for q in of) for of, m in zip(places, n)]
        values = x[:, inside[0]][:, :, inside[1]]
        if how == "max":
            out[:, i, j] = values.max((1, 2))
        else:
            total = values.sum((1, 2))
            out[:, i, j] = total / (
                np.prod(counted) if how == "counted" else values[0, ..., 0].size
            )
    return out


POOLS = [(2, 2, 0, 1, True), (3, 2, 1, 1, True), (2, 3, 1, 1, True), (2, 1, 0, 2, False)]
POOLS += [(3, 1, 1, 2, False), (2, 2, 0, 3, True)]


@pytest.mark.parametrize("k, s, p, d, ceil", POOLS)
def test_pooling_with_partial_and_dilated_windows_and_padding_counted(k, s, p, d, ceil):
    options = dict(stride=s, padding=p, ceil_mode=ceil)
    functions = {"max": lambda x: tm.max_pool2d(x, k, dilation=d, **options)}
    if d == 1:
        functions["inside"] = lambda x: tm.avg_pool2d(x, k, **options)
        functions["counted"] = lambda x: tm.avg_pool2d(x, k, count_include_pad=True, **options)
    for how, f in functions.items():
        expected = pooled(x, k, s, p, d, ceil, how)
        for run in (f, interpreted_jit(lambda x, f=f: f(x))):
            np.testing.assert_allclose(run(x).numpy(), expected, rtol=1e-12, atol=1e-14)
        check_grads(lambda x, f=f: tm.square(f(x)), x[:1, :, :, :2], order=2, n_dirs=1)


def test_dilated_pooling_takes_the_first_that_ties_and_any_dtype():
    a = np.zeros((1, 3, 3, 1), np.int8)
    assert (tm.max_pool2d(a - 5, 2, stride=1, dilation=2, padding=1).numpy() == -5).all()
    g = tm.grad(lambda a: tm.sum(tm.max_pool2d(a, 2, dilation=2)))(np.zeros((1, 3, 3, 1)))
    assert g.numpy().ravel().tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]
    a = np.full((1, 3, 3, 1), np.nan)
    assert np.isnan(tm.max_pool2d(a, 2, dilation=2).item())


WRONG = {
    "conv2d: x .* do not fit 3 groups": lambda: tm.conv2d(x, np.ones((3, 3, 4, 6)), groups=3),
    "conv2d: groups=0 must be": lambda: tm.conv2d(x, np.ones((3, 3, 4, 6)), groups=0),
    "conv2d: dilation 0 is not": lambda: tm.conv2d(x, np.ones((3, 3, 4, 6)), dilation=0),
    "conv1d: x .* is": lambda: tm.conv1d(x[0, 0], np.ones((3, 4, 4))),
    "conv_transpose2d: output_padding": lambda: tm.conv_transpose2d(
        x, np.ones((3, 3, 2, 4)), output_padding=1
    ),
    "conv_transpose2d: the padding .* leaves nothing of .0, 6. places": (
        lambda: tm.conv_transpose2d(x[:, :0], np.ones((3, 3, 2, 4)))
    ),
    "conv_transpose2d: x .* do not fit": lambda: tm.conv_transpose2d(x, np.ones((3, 3, 4, 2))),
    "max_pool2d: a 13x13 window does not fit": lambda: tm.max_pool2d(x, 5, dilation=3),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_what_does_not_fit_is_said(sentence):
    for run in (lambda f: f, tm.jit):
        with pytest.raises(ValueError, match=f"^{sentence}[^\n]*$"):
            run(WRONG[sentence])()
