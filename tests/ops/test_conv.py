"""Convolution and pooling against loops written out, over strides, paddings and sizes."""

import itertools

import numpy as np
import pytest

import tinymeta as tm

rng = np.random.default_rng(0)


def padded(x, pads, value=0.0):
    (top, bottom), (left, right) = pads
    return np.pad(x, [(0, 0), (top, bottom), (left, right), (0, 0)], constant_values=value)


def resolve(padding, image, kernel, stride):
    """TensorFlow's rule, written from its documentation."""
    if padding == "same":
        pads = []
        for n, k, s in zip(image, kernel, stride):
            total = max(k - s if n % s == 0 else k - n % s, 0)
            pads.append((total // 2, total - total // 2))
        return pads
    if padding == "valid":
        return [(0, 0), (0, 0)]
    return [(padding, padding)] * 2 if isinstance(padding, int) else padding


def windows(x, kernel, stride, pads, value=0.0):
    """(N, H', W', h, w, C): each window, cut out by hand."""
    x = padded(x, pads, value)
    rows = range(0, x.shape[1] - kernel[0] + 1, stride[0])
    columns = range(0, x.shape[2] - kernel[1] + 1, stride[1])
    cut = lambda i, j: x[:, i : i + kernel[0], j : j + kernel[1]]
    return np.stack([np.stack([cut(i, j) for j in columns], 1) for i in rows], 1)


STRIDES = [(1, 1), (2, 2), (3, 2), (1, 3)]
PADDINGS = ["same", "valid", 1, [(2, 0), (0, 1)]]
SIZES = [(5, 6), (6, 5), (7, 7), (4, 4)]
KERNELS = [(3, 3), (2, 2), (1, 3), (4, 1)]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("stride", STRIDES)
def test_conv2d_is_the_loop(stride, padding):
    for image, kernel in itertools.product(SIZES, KERNELS):
        x, w = rng.normal(size=(2, *image, 3)), rng.normal(size=(*kernel, 3, 2))
        pads = resolve(padding, image, kernel, stride)
        expected = np.einsum("nijabc,abco->nijo", windows(x, kernel, stride, pads), w)
        y = tm.conv2d(x, w, stride=stride, padding=padding)
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("stride", STRIDES)
def test_its_gradients_are_the_sums_of_the_loop(stride, padding):
    """The Jacobian by hand: conv2d is linear in x and in w, so a basis of each gives it all."""
    image, kernel = (5, 4), (3, 2)
    x, w = rng.normal(size=(1, *image, 2)), rng.normal(size=(*kernel, 2, 2))
    pads = resolve(padding, image, kernel, stride)
    brute = lambda x, w: np.einsum("nijabc,abco->nijo", windows(x, kernel, stride, pads), w)
    u = rng.normal(size=brute(x, w).shape)
    units = lambda a: np.eye(a.size).reshape(a.size, *a.shape)
    gx, gw = tm.vjp(lambda x, w: tm.conv2d(x, w, stride=stride, padding=padding), x, w)[1](u)
    for g, expected in [
        (gx, [(brute(e, w) * u).sum() for e in units(x)]),
        (gw, [(brute(x, e) * u).sum() for e in units(w)]),
    ]:
        np.testing.assert_allclose(g.numpy().ravel(), expected, rtol=1e-10, atol=1e-12)


def test_same_gives_the_size_divided_by_the_stride_rounded_up():
    for n, k, s in itertools.product(range(1, 9), range(1, 5), range(1, 4)):
        y = tm.conv2d(np.zeros((1, n, n, 1)), np.zeros((k, k, 1, 1)), stride=s)
        assert y.shape == (1, -(-n // s), -(-n // s), 1)


def test_same_puts_the_odd_row_after():
    """A 2x2 window of ones at stride 1: the last row and column see zeros, the first do not."""
    y = tm.conv2d(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1))).numpy()[0, :, :, 0]
    np.testing.assert_array_equal(y, [[4, 4, 2], [4, 4, 2], [2, 2, 1]])


def test_each_task_has_its_own_weights():
    x, w = rng.normal(size=(3, 2, 5, 5, 2)), rng.normal(size=(3, 3, 3, 2, 4))
    together = tm.conv2d(x, w, stride=2).numpy()
    for t in range(3):
        alone = tm.conv2d(x[t], w[t], stride=2).numpy()
        np.testing.assert_allclose(together[t], alone, rtol=1e-12)


def test_leading_axes_broadcast_and_the_gradient_sums_over_them():
    x, w = rng.normal(size=(2, 5, 5, 2)), rng.normal(size=(3, 3, 3, 2, 4))
    u = rng.normal(size=(3, 2, 5, 5, 4))
    gx, gw = tm.vjp(tm.conv2d, x, w)[1](u)
    parts = [tm.vjp(tm.conv2d, x, w[t])[1](u[t]) for t in range(3)]
    for g, expected in [
        (gx, sum(p[0].numpy() for p in parts)),
        (gw, np.stack([p[1].numpy() for p in parts])),
    ]:
        np.testing.assert_allclose(g.numpy(), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "shapes",
    [
        ((0, 4, 4, 2), (3, 3, 2, 5)),
        ((2, 4, 4, 0), (3, 3, 0, 5)),
        ((2, 4, 4, 2), (3, 3, 2, 0)),
        ((0, 2, 4, 4, 2), (0, 3, 3, 2, 5)),
    ],
)
def test_sizes_of_zero(shapes):
    x, w = map(np.ones, shapes)
    y, pull = tm.vjp(tm.conv2d, x, w)
    assert y.shape == (*x.shape[:-1], w.shape[-1]) and not y.numpy().any()
    for g, leaf in zip(pull(np.ones(y.shape)), (x, w)):
        assert g.shape == leaf.shape and not g.numpy().any()


# ---- pooling ------------------------------------------------------------------------------------

POOLS = [
    (2, None, "valid"),
    (3, 2, "same"),
    ((2, 3), (1, 2), "valid"),
    (3, 1, 1),
    (2, 3, [(1, 0), (0, 1)]),
]


@pytest.mark.parametrize("window, stride, padding", POOLS)
@pytest.mark.parametrize("image", [(5, 6), (6, 5), (7, 4)])
def test_pooling_is_the_loop(window, stride, padding, image):
    x = rng.normal(size=(2, *image, 3))
    kernel = (window, window) if isinstance(window, int) else window
    steps = kernel if stride is None else (stride, stride) if isinstance(stride, int) else stride
    pads = resolve(padding, image, kernel, steps)
    arguments = {"stride": stride, "padding": padding}
    expected = windows(x, kernel, steps, pads, -np.inf).max((3, 4))
    np.testing.assert_array_equal(tm.max_pool2d(x, window, **arguments).numpy(), expected)
    seen = windows(np.ones_like(x), kernel, steps, pads).sum((3, 4))
    expected = windows(x, kernel, steps, pads).sum((3, 4)) / seen
    found = tm.avg_pool2d(x, window, **arguments).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("window, stride, padding", POOLS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_nan_is_the_maximum_wherever_it_stands_in_the_window(window, stride, padding, dtype):
    kernel = (window, window) if isinstance(window, int) else window
    steps = kernel if stride is None else (stride, stride) if isinstance(stride, int) else stride
    pads = resolve(padding, (5, 6), kernel, steps)
    for place in range(30):
        x = rng.normal(size=(1, 5, 6, 1)).astype(dtype)
        x.flat[place] = np.nan
        expected = windows(x, kernel, steps, pads, -np.inf).max((3, 4))
        found = tm.max_pool2d(x, window, stride=stride, padding=padding)
        np.testing.assert_array_equal(found.numpy(), expected)


def test_of_several_nans_the_first_gets_the_gradient_of_max_pooling():
    x = np.array([[1.0, np.nan], [np.nan, 3.0]]).reshape(1, 2, 2, 1)
    assert tm.grad(lambda x: tm.max_pool2d(x).sum())(x).numpy().ravel().tolist() == [0, 1, 0, 0]


def test_pooling_overlapping_windows_adds_up_where_one_wins_twice():
    x = np.zeros((1, 3, 3, 1))
    x[0, 1, 1, 0] = 9
    u = np.array([2.0, 3.0, 5.0, 7.0]).reshape(1, 2, 2, 1)
    _, pull = tm.vjp(lambda x: tm.max_pool2d(x, 2, stride=1), x)
    expected = np.zeros((3, 3))
    expected[1, 1] = 17
    np.testing.assert_array_equal(pull(u)[0].numpy()[0, :, :, 0], expected)


def test_the_second_derivative_through_max_pooling():
    """sum of u max(x)^2 / 2 has the Hessian diag(u) at the places that win."""
    x, u = rng.permutation(16).astype(float).reshape(1, 4, 4, 1), rng.normal(size=(1, 2, 2, 1))
    h = tm.hessian(lambda x: (tm.max_pool2d(x) ** 2 * (u / 2)).sum())(x).numpy().reshape(16, 16)
    expected = tm.vjp(tm.max_pool2d, x)[1](u)[0].numpy().ravel()
    np.testing.assert_allclose(h, np.diag(expected))
    assert np.count_nonzero(h) == 4


def test_padded_places_never_win():
    y = tm.max_pool2d(np.full((1, 3, 3, 1), -5.0), 3, stride=1, padding="same")
    np.testing.assert_array_equal(y.numpy(), np.full((1, 3, 3, 1), -5.0))


def test_pooling_keeps_leading_axes():
    x = rng.normal(size=(3, 2, 4, 4, 2))
    for pool in (tm.max_pool2d, tm.avg_pool2d):
        np.testing.assert_array_equal(pool(x).numpy()[1], pool(x[1]).numpy())
