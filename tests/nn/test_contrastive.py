"""The contrastive loss, (1 - y) D^2 + y max(0, m - D)^2, its gradient and Hessian in closed form.

With d = a - b and D = ||d||, the derivatives by a are, for one pair:

    y = 0              2 d                    2 I
    y = 1, 0 < D < m   -2 (m - D) d / D       2 d d'/D^2 - 2 (m - D) (I / D - d d'/D^3)
    y = 1, D >= m      0                      0
    y = 1, D = 0       0                      0        (by definition: sqrt'(0) := 0)
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinymeta as tm
from tinymeta.nn.losses import squared_distances
from tinymeta.testing import check_grads

contrastive = tm.losses.contrastive
B = np.array([0.5, -1.0])
FAR = {
    "at the same point": (0.0, 0.0),
    "inside the margin": (0.6, -0.8),
    "at the margin": (3.0, 4.0),
    "beyond it": (6.0, 8.0),
}


def closed_form(d, y, m):
    D = np.sqrt(d @ d)
    eye, outer = np.eye(2), np.outer(d, d)
    if y == 0:
        return D**2, 2 * d, 2 * eye
    if D == 0 or D >= m:
        return max(0, m - D) ** 2, 0 * d, 0 * eye
    hessian = 2 * outer / D**2 - 2 * (m - D) * (eye / D - outer / D**3)
    return (m - D) ** 2, -2 * (m - D) * d / D, hessian


@pytest.mark.parametrize("y", [0, 1])
@pytest.mark.parametrize("d", FAR.values(), ids=FAR)
def test_value_gradient_and_hessian(d, y):
    d = np.array(d)

    def loss(a, b):
        return contrastive(a[None], b[None], np.array([y]), margin=5.0)

    value, gradient, hessian = closed_form(d, y, m=5.0)
    a = tm.tensor(B + d)
    g_a, g_b = tm.grad(loss, argnum=(0, 1))(a, tm.tensor(B))
    np.testing.assert_allclose(loss(a, tm.tensor(B)).item(), value, rtol=1e-14)
    np.testing.assert_allclose(g_a.numpy(), gradient, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(g_b.numpy(), -gradient, rtol=1e-13, atol=1e-15)
    h = tm.hessian(lambda a: loss(a, tm.tensor(B)))(a).numpy()
    np.testing.assert_allclose(h, hessian, rtol=1e-12, atol=1e-14)
    mixed = tm.jacobian(lambda b: tm.grad(loss)(a, b))(tm.tensor(B)).numpy()
    np.testing.assert_allclose(mixed, -hessian, rtol=1e-12, atol=1e-14)


def test_the_mean_is_over_pairs():
    rng = np.random.default_rng(0)
    a, b, y = rng.normal(size=(9, 2)), rng.normal(size=(9, 2)), np.arange(9) % 2
    parts = [closed_form(a[i] - b[i], y[i], m=1.5) for i in range(9)]
    value, g = tm.value_and_grad(contrastive)(a, b, y, margin=1.5)
    np.testing.assert_allclose(value.item(), np.mean([v for v, _, _ in parts]), rtol=1e-14)
    expected = np.array([g for _, g, _ in parts]) / 9
    np.testing.assert_allclose(g.numpy(), expected, rtol=1e-12, atol=1e-15)


def test_one_means_different():
    a, b = np.zeros((2, 3)), np.full((2, 3), 10.0)
    assert contrastive(a, b, [1, 1]).item() == 0.0  # different and far: nothing to learn
    assert contrastive(a, a, [0, 0]).item() == 0.0  # the same and equal: nothing to learn
    assert contrastive(a, b, [0, 0]).item() == 300.0  # the same but far: D^2
    assert contrastive(a, a, [1, 1], margin=2.0).item() == 4.0  # different but equal: m^2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_labels_may_be_bool_int_or_float(dtype):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 6, 3)).astype(dtype)
    y = np.array([0, 1, 1, 0, 1, 0])
    kinds = (bool, np.int64, np.uint8, np.float32, np.float64)
    results = [contrastive(a, b, y.astype(kind)) for kind in kinds]
    assert {r.dtype for r in results} == {np.dtype(dtype)}
    assert len({r.item() for r in results}) == 1


def test_identical_pairs_stay_finite_through_two_derivatives():
    """A network that maps both images of a pair to one point must not poison the meta-gradient."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 3)), np.array([0, 1, 0, 1])
    x_b = x.copy()
    x_b[3] += 1.0  # three identical pairs, one that is not

    def loss(w):
        return contrastive(x @ w, x_b @ w, y, margin=5.0)

    def after_a_step(w):
        return loss(w - 0.1 * tm.grad(loss)(w))

    w = rng.normal(size=(3, 2))
    with tm.debug_nans():
        g = tm.grad(after_a_step)(w).numpy()
    assert np.isfinite(g).all() and np.abs(g).max() > 0.1


def some_embeddings(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(7, 3)), np.array([0, 0, 1, 1, 1, 2, 3])


def test_all_pairs_are_the_pairs_one_by_one():
    """Half the mean over the pairs of one class, half the mean over the others."""
    z, labels = some_embeddings()
    first, second = np.triu_indices(7, 1)
    different = labels[first] != labels[second]
    means = [
        contrastive(z[first[kind]], z[second[kind]], different[kind], 2.0).item()
        for kind in (~different, different)
    ]
    found = tm.losses.contrastive_among(z, labels, 2.0).item()
    np.testing.assert_allclose(found, np.mean(means), rtol=1e-12)
    shifted = tm.losses.contrastive_among(z, labels, 2.0, different=0.9).item()
    np.testing.assert_allclose(shifted, 0.1 * means[0] + 0.9 * means[1], rtol=1e-12)


def test_the_share_that_all_pairs_have_gives_their_mean():
    z, labels = some_embeddings()
    first, second = np.triu_indices(7, 1)
    different = labels[first] != labels[second]
    np.testing.assert_allclose(
        tm.losses.contrastive_among(z, labels, 2.0, different=different.mean()),
        contrastive(z[first], z[second], different, 2.0),
        rtol=1e-12,
    )


@pytest.mark.parametrize("labels", [np.zeros(5, int), np.arange(5)], ids=["one", "all different"])
@pytest.mark.parametrize("different", [0.0, 0.5, 1.0])
def test_a_kind_without_pairs_adds_nothing(labels, different):
    z = np.random.default_rng(0).normal(size=(5, 3))
    first, second = np.triu_indices(5, 1)
    share = different if labels.any() else 1 - different
    mean = contrastive(z[first], z[second], np.full(10, bool(labels.any())), 2.0).item()
    for f in (tm.losses.contrastive_among, tm.jit(tm.losses.contrastive_among)):
        np.testing.assert_allclose(f(z, labels, 2.0, different), share * mean, rtol=1e-12)
    g = tm.grad(lambda z: tm.losses.contrastive_among(z, labels, 2.0, different))(z).numpy()
    assert np.isfinite(g).all()


@pytest.mark.parametrize("offset", [0.0, 1e3, -1e4])
def test_distances_far_from_the_origin(offset):
    """In float32, as exact as the embeddings are."""
    rng = np.random.default_rng(0)
    z = (rng.normal(size=(6, 8)) * 0.1 + offset).astype(np.float32)
    labels = np.array([0, 0, 1, 1, 2, 2])
    for f in (tm.losses.contrastive_among, tm.jit(tm.losses.contrastive_among)):
        np.testing.assert_allclose(f(z, labels), f(z.astype(np.float64), labels), rtol=1e-4)
    check_grads(lambda z: tm.losses.squared_distances(z, z[:4] * 1.5), z * 1.0 - offset, order=3)


def test_a_share_outside_its_range():
    with pytest.raises(ValueError, match="different=1.5 must be a share of the pairs"):
        tm.losses.contrastive_among(*some_embeddings(), different=1.5)
    with pytest.raises(
        ValueError, match=r"different=ndarray float64\(2, 2\) must be a share of the pairs"
    ):
        tm.losses.contrastive_among(np.ones((2, 3)), [0, 1], different=np.ones((2, 2)))


def test_the_gradient_of_all_pairs():
    z, labels = some_embeddings()
    check_grads(lambda z: tm.losses.contrastive_among(z, labels, 2.0, 0.9), z, order=2)


def test_all_pairs_of_each_task():
    z, labels = zip(*(some_embeddings(seed) for seed in (0, 1)))
    together = tm.losses.contrastive_among(np.stack(z), np.stack(labels), 2.0)
    alone = [tm.losses.contrastive_among(*pair, 2.0).item() for pair in zip(z, labels)]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_labels_that_do_not_fit():
    with pytest.raises(ValueError, match=r"labels \(4,\) their \(.., N\)"):
        tm.losses.contrastive_among(np.zeros((5, 2)), np.zeros(4, int))


# ---- where a kind has no pair, where points are far from 0, what is refused ----------------------

WAYS = pytest.mark.parametrize("way", [lambda f: f, tm.jit], ids=["eager", "jit"])


@WAYS
@pytest.mark.parametrize("different", [0.0, 0.5, 1.0])
def test_a_kind_without_a_pair_takes_no_part(way, different):
    z = some_embeddings()[0]
    first, second = np.triu_indices(7, 1)
    for labels, share, y in ((np.zeros(7, int), 1 - different, 0), (np.arange(7), different, 1)):
        expected = share * contrastive(z[first], z[second], np.full(21, y), 2.0).item()
        loss = way(lambda z: tm.losses.contrastive_among(z, labels, 2.0, different))
        np.testing.assert_allclose(loss(z), expected, rtol=1e-12)
        assert np.isfinite(np.asarray(tm.grad(loss)(z))).all()


@WAYS
@settings(max_examples=20, deadline=None)
@given(st.data())
def test_distances_do_not_depend_on_where_zero_is(way, data):
    """Points k and offset + k, in float32, at an offset at which every k is exact."""
    a, b = (
        np.array(
            data.draw(
                st.lists(
                    st.lists(st.integers(-8, 8), min_size=2, max_size=2), min_size=1, max_size=3
                )
            ),
            np.float32,
        )
        for _ in range(2)
    )
    offset = np.float32(2.0 ** data.draw(st.integers(0, 20)))
    expected = ((a[:, None] - b) ** 2).sum(-1)
    np.testing.assert_array_equal(way(squared_distances)(a + offset, b + offset), expected)


def test_distances_within_clusters_that_are_far_apart():
    """No one point to measure from makes the product formula right here."""
    rng = np.random.default_rng(0)
    z = (rng.uniform(-0.1, 0.1, (6, 3)) + 1e3 * np.arange(6)[:, None] // 2 * 2).astype(np.float32)
    exact = z.astype(np.float64)
    np.testing.assert_allclose(
        squared_distances(z, z), ((exact[:, None] - exact) ** 2).sum(-1), rtol=1e-6
    )


def test_distances_to_third_order_and_of_no_features():
    a, b = np.random.default_rng(0).normal(size=(2, 2, 3, 2))
    check_grads(lambda a, b: tm.sin(squared_distances(a, b)), a, b, order=3)
    np.testing.assert_array_equal(
        squared_distances(np.ones((2, 0)), np.ones((3, 0))), np.zeros((2, 3))
    )
    assert squared_distances(np.ones((2, 4)), np.ones((0, 4))).shape == (2, 0)


def test_the_hessian_of_all_pairs_where_two_of_a_class_meet():
    """The mean of D^2 over both orders of one pair, halved: 2 / 2 I at D = 0, too."""
    z = np.zeros((2, 2))
    hessian = tm.hessian(lambda z: tm.losses.contrastive_among(z, np.zeros(2, int)))(z).numpy()
    np.testing.assert_allclose(hessian[0, :, 0], np.eye(2), rtol=1e-12)


@WAYS
@pytest.mark.parametrize("wrong", [np.nan, 0.5, 2.0, -1.0])
def test_a_pair_is_of_one_class_or_of_two(way, wrong):
    y = np.array([0.0, 1.0, wrong])
    with pytest.raises(ValueError, match=r"different must be 0 \(one class\) or 1 \(two\), got"):
        way(contrastive)(np.ones((3, 2)), np.zeros((3, 2)), y)


@WAYS
@pytest.mark.parametrize("margin", [0.0, -1.0, np.nan])
def test_a_margin_above_zero(way, margin):
    z, labels = some_embeddings()
    with pytest.raises(ValueError, match="contrastive: margin must be above 0"):
        way(lambda z: contrastive(z, z, labels > 1, margin))(z)
    with pytest.raises(ValueError, match="contrastive_among: margin must be above 0"):
        way(lambda z: tm.losses.contrastive_among(z, labels, margin))(z)


def test_labels_of_pairs_are_integers():
    with pytest.raises(ValueError, match="contrastive_among: labels must be integers, got float64"):
        tm.losses.contrastive_among(some_embeddings()[0], np.full(7, np.nan))
