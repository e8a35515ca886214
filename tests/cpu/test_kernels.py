"""Kernels as plain functions of arrays. That each fills all of `out`, and by the shape rule, the
registry tests check for all of them; here is what is particular to one."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tinymeta.cpu import blas, conv, elementwise, index, movement, pool
from tinymeta.cpu.workspace import workspace
from tinymeta.ops.conv import Geometry

rng = np.random.default_rng(0)


# ---- scalar texts -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a + b * 2", lambda a, b: a + b * 2),
        ("-a / b", lambda a, b: -a / b),
        (
            "exp(minimum(a, 0)) - log1p(absolute(b))",
            lambda a, b: np.exp(np.minimum(a, 0)) - np.log1p(np.abs(b)),
        ),
        ("where(a > b, a, 0)", lambda a, b: np.where(a > b, a, 0)),
        ("(a >= b) + 0.5 * (a == b)", lambda a, b: (a >= b) + 0.5 * (a == b)),
        ("1 / where(a == 0, inf, a) + 0 * b", lambda a, b: 1 / a),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_text_fills_out_in_its_dtype(text, expected, dtype):
    a, b = rng.normal(size=(2, 3, 4)).astype(dtype)
    out = np.full((3, 4), np.nan, dtype)
    elementwise.compile_text(text)(out, a, b)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(out, expected(a, b), rtol=4 * eps, atol=eps)


def test_a_static_name_is_passed_by_keyword():
    out = np.empty(2)
    elementwise.compile_text("power(a, exponent)")(out, np.array([2.0, 3.0]), exponent=3)
    assert out.tolist() == [8, 27]


def test_a_scalar_broadcasts():
    out = np.empty(3)
    elementwise.compile_text("a * b")(out, np.arange(3.0), np.array(2.0))
    assert out.tolist() == [0, 2, 4]


# ---- movement -----------------------------------------------------------------------------------


@pytest.mark.parametrize("lo, hi, gap", [(0, 0, 0), (1, 2, 0), (0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize("n", [0, 1, 4])
def test_pad_spreads_elements_with_gaps(n, lo, hi, gap):
    x = np.arange(1.0, n + 1)
    expected = [0.0] * lo
    for k in range(n):
        expected.append(x[k])
        if k < n - 1:
            expected += [0.0] * gap
    expected += [0.0] * hi
    out = np.full(len(expected), np.nan)
    movement.pad(out, x, widths=((lo, hi, gap),))
    assert out.tolist() == expected


def test_views_share_memory():
    x = rng.normal(size=(2, 3, 4))
    views = [
        movement.reshape(x, shape=(6, 4)),
        movement.transpose(x, axes=(2, 0, 1)),
        movement.flip(x, axes=(1,)),
        movement.slice(x, slices=np.s_[:, ::2, 1:]),
        movement.broadcast_to(x, shape=(5, 2, 3, 4)),
    ]
    for view in views:
        assert np.shares_memory(view, x)


# ---- index: duplicates add up, in a fixed order -------------------------------------------------


def test_scatter_adds_in_the_order_of_the_indices():
    g = np.array([1e8, 1.0, -1e8, 1.0], np.float32).reshape(1, 4, 1)
    for scatter, i in [
        (index.scatter_add, np.zeros(4, int)),
        (index.scatter_add_along, np.zeros((1, 4, 1), int)),
    ]:
        out = np.full((1, 2, 1), np.nan, np.float32)
        scatter(out, g, i, size=2)
        assert out.ravel().tolist() == [1, 0]  # from the left: 1e8 + 1 rounds to 1e8


def test_take_of_views():
    x = rng.normal(size=(4, 3, 2)).transpose(2, 1, 0)
    out = np.empty((2, 2, 4))
    index.take(out, x, np.array([2, 0]))
    np.testing.assert_array_equal(out, x[:, [2, 0]])


# ---- windows ------------------------------------------------------------------------------------


def test_kernels_take_arrays_with_any_strides():
    geometry = Geometry((1, 1), ((1, 1), (1, 1)), (4, 4), (3, 3))
    x, w = rng.normal(size=(3, 4, 4, 2)), rng.normal(size=(5, 2, 3, 3)).transpose(2, 3, 1, 0)
    expected, out = np.empty((2, 3, 4, 4, 5))
    conv.conv(expected, x, np.ascontiguousarray(w), geometry=geometry)
    odd = np.empty((6, 4, 4, 2))[::2]
    odd[:] = x
    conv.conv(out, odd, w, geometry=geometry)
    np.testing.assert_array_equal(out, expected)
    places, again = np.empty((2, 3, 4, 4, 2), np.int64)
    pool.window_argmax(places, x, geometry=geometry)
    pool.window_argmax(again, odd, geometry=geometry)
    np.testing.assert_array_equal(places, again)


def test_weights_broadcast_over_tasks_need_no_copy():
    geometry = Geometry((2, 1), ((0, 1), (1, 0)), (4, 3), (2, 2))
    x, w = rng.normal(size=(3, 2, 4, 3, 2)), rng.normal(size=(2, 2, 2, 5))
    shape = (3, 2, *geometry.result, 5)
    out, one = np.empty(shape), np.empty(shape[1:])
    conv.conv(out, x, np.broadcast_to(w, (3, *w.shape)), geometry=geometry)
    for t in range(3):
        conv.conv(one, x[t], w, geometry=geometry)
        np.testing.assert_allclose(out[t], one, rtol=1e-13)


def test_threads_do_not_share_a_workspace():
    geometry = Geometry((1, 1), ((1, 1), (1, 1)), (16, 16), (3, 3))
    xs = rng.normal(size=(8, 4, 16, 16, 3))
    w = rng.normal(size=(3, 3, 3, 4))

    def run(x):
        out = np.empty((4, 16, 16, 4))
        for _ in range(20):
            conv.conv(out, x, w, geometry=geometry)
        return out

    alone = [run(x) for x in xs]
    with ThreadPoolExecutor(4) as threads:
        for a, b in zip(alone, threads.map(run, xs)):
            np.testing.assert_array_equal(a, b)


def test_a_workspace_is_reused_and_grows():
    a = workspace("for a test", (4, 5), np.float32)
    b = workspace("for a test", (2, 2), np.float64)
    assert np.shares_memory(a, b) and b.shape == (2, 2) and b.dtype == np.float64
    c = workspace("for a test", (50, 5), np.float32)
    assert c.shape == (50, 5) and not np.shares_memory(a, c)
    assert not np.shares_memory(c, workspace("another", (2,), np.float32))


# ---- BLAS ---------------------------------------------------------------------------------------


def test_the_number_of_blas_threads_is_limited_and_restored():
    if blas.thread_functions() is None:
        pytest.skip("NumPy does not use OpenBLAS here")
    get, _ = blas.thread_functions()
    before = get()
    with pytest.raises(KeyError), blas.blas_threads(1):
        assert get() == 1
        raise KeyError
    assert get() == before


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)])
def test_limits_of_several_threads_end_in_any_order(order, monkeypatch):
    """The latest that is left holds; after the last one, BLAS has what it had."""
    threads, counts, begun = [8], (1, 3, 1), (0, 1, 2)
    monkeypatch.setattr(
        blas, "thread_functions", lambda: (lambda: threads[-1], lambda count: threads.append(count))
    )
    blocks = [blas.blas_threads(count) for count in counts]
    for k in begun:
        blocks[k].__enter__()
        assert threads[-1] == counts[k]
    left = list(begun)
    for k in order:
        blocks[k].__exit__(None, None, None)
        left.remove(k)
        assert threads[-1] == (counts[left[-1]] if left else 8)


def test_what_is_no_library_is_passed_over(monkeypatch, tmp_path):
    (tmp_path / "numpy.libs").mkdir()
    (tmp_path / "numpy.libs" / "libopenblas.txt").write_text("no library")
    monkeypatch.setattr(blas.np, "__file__", str(tmp_path / "numpy" / "__init__.py"))
    assert blas.thread_functions.__wrapped__() is None


def test_another_blas_is_left_alone(monkeypatch):
    monkeypatch.setattr(blas, "thread_functions", lambda: None)
    with blas.blas_threads(1):
        pass
