"""Every kernel beside its twin on the CPU, on the strategies of the testing kit, and what is
particular to one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import VALUES, assert_same, inputs, texts

import tinymeta as tm
from tinymeta.core.device import move
from tinymeta.core.primitive import registry
from tinymeta.core.text import FUNCTIONS, names, parsed
from tinymeta.cuda import loops, matmul
from tinymeta.cuda.array import allocate
from tinymeta.cuda.launch import THREADS, GpuKernel
from tinymeta.cuda.target import SIMULATED
from tinymeta.testing.cases import TABLE
from tinymeta.testing.kernelcheck import check_kernel
from tinymeta.testing.primitives import on_cases

pytestmark = [pytest.mark.cuda, pytest.mark.ptx_run]
EXAMPLES = 3 if SIMULATED else 25
OURS = sorted(name for name, op in registry.items() if name in TABLE or op.family == "elementwise")
rng = np.random.default_rng(0)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_kernel_gives_what_its_twin_gives(name, dtype):
    on_cases(
        registry[name],
        EXAMPLES,
        lambda case, seed: check_kernel(registry[name], case, np.dtype(dtype), "cuda", seed),
    )


# ---- scalar texts --------------------------------------------------------------------------------


@pytest.fixture
def forgotten():
    before = set(registry)
    yield
    for name in set(registry) - before:
        del registry[name]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_name_of_a_text(name, dtype, forgotten):
    text = f"{name}({', '.join('abc'[: FUNCTIONS[name]])})"
    op = tm.elementwise(text, (None,) * FUNCTIONS[name], name="a new one")
    x = np.array([*VALUES, 0.3, 88.0, 1e30, 1e-30, -1e30], dtype)
    arrays = [x, x[::-1], np.roll(x, 5)][: op.arity]
    with np.errstate(all="ignore"):
        expected = op(*arrays).numpy()
        with tm.device("cuda"):
            found = op(*arrays).numpy()
    assert_same(found, expected, False, text)


@pytest.mark.parametrize("exponent", [np.nan, np.inf, -np.inf, -1.5, -2, 3])
def test_a_static_exponent_may_be_any_number(exponent, on_gpu):
    x = np.array([0.0, 0.5, 1.0, 3.0], np.float32)
    with np.errstate(all="ignore"):
        expected = x ** np.float32(exponent)
    np.testing.assert_allclose((tm.asarray(x) ** exponent).numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(tm.jit(lambda x: x**exponent)(x).numpy(), expected, rtol=1e-6)


@settings(max_examples=4 if SIMULATED else 50, deadline=None)
@given(texts(), st.sampled_from(["float32", "float64"]), st.data())
def test_any_text_means_the_same_there_eager_and_compiled(drawn, dtype, data):
    (text, exact), arrays, before = drawn, data.draw(inputs(dtype, 3)), set(registry)
    try:
        op = tm.elementwise(text, (None,) * len(names(parsed(text))), name="a new one")
        arrays = arrays[: op.arity]
        with np.errstate(all="ignore"):
            expected = op(*arrays).numpy()
            with tm.device("cuda"):
                assert_same(op(*arrays).numpy(), expected, exact, text)
                assert_same(tm.jit(lambda *x: op(*x))(*arrays).numpy(), expected, exact, text)
    finally:
        for name in set(registry) - before:
            del registry[name]


def up(x):
    return move(np.asarray(x), "cuda")


def down(x):
    return move(x, "cpu")


# ---- reductions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape, axes",
    [
        ((3, 40), (1,)),
        ((40, 3), (0,)),
        ((2, 5, 3), (0, 2)),
        ((700,), (0,)),
        ((600, 2), (0,)),
        ((2, 0, 3), (1,)),
        ((0, 3), (1,)),
        ((4, 1, 3), (1,)),
        ((2, 3), ()),
    ],
)
@pytest.mark.parametrize("how", ["sum", "max"])
def test_any_axes_are_reduced(shape, axes, how, on_gpu):
    if how == "max" and 0 in [shape[i] for i in axes]:
        pytest.skip("there is no largest of nothing")
    x = rng.normal(size=shape)
    y = tm.sum(x, axes) if how == "sum" else tm.max(x, axes)
    np.testing.assert_allclose(y.numpy(), getattr(np, how)(x, axis=axes), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64"])
@pytest.mark.parametrize("how", ["sum", "max", "min", "argmax"])
def test_what_is_no_float_is_reduced(dtype, how, on_gpu):
    x = rng.integers(0, 2, (4, 40)).astype(dtype)
    x[0], x[1] = 0, 1
    expected = getattr(x, how)(1)
    for f in (getattr(tm, how), tm.jit(lambda x: getattr(tm, how)(x, 1))):
        y = f(x, 1) if f is getattr(tm, how) else f(x)
        np.testing.assert_array_equal(y.numpy(), expected)
        assert y.dtype == expected.dtype


def test_a_few_long_sums_are_cut_in_parts(on_gpu, monkeypatch):
    count = 2 * THREADS * loops.ROWS_ENOUGH + 3  # for two parts, on a GPU as in the simulator
    x = rng.normal(size=(2, count)).astype(np.float32)
    kernels = recorded_kernels(monkeypatch)
    y = tm.sum(x, 1)
    assert len(kernels) == 2, "one for the parts, one for their sum"
    np.testing.assert_allclose(y.numpy(), x.sum(1, dtype=np.float64), rtol=1e-5)
    np.testing.assert_array_equal(y.numpy(), tm.sum(x, 1).numpy())


def recorded_kernels(monkeypatch) -> list:
    """The kernels that are launched from now on."""
    kernels, launch = [], GpuKernel.__call__

    def recording_launch(self, *args):
        kernels.append(self)
        launch(self, *args)

    monkeypatch.setattr(GpuKernel, "__call__", recording_launch)
    return kernels


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_kept(bad, on_gpu):
    x = np.array([[1.0, bad, 2.0], [3.0, 4.0, 5.0]], np.float32)
    for name in ("maximum", "minimum"):
        np.testing.assert_array_equal(
            getattr(tm, name)(x, np.float32(0.5)).numpy(), getattr(np, name)(x, np.float32(0.5))
        )
    np.testing.assert_array_equal(tm.max(x, 1).numpy(), x.max(1))
    np.testing.assert_array_equal(tm.argmax(x, 1).numpy(), x.argmax(1))
    np.testing.assert_array_equal(tm.sum(x, 1).numpy(), x.sum(1))
    rows = tm.max_pool2d(x.reshape(1, 2, 3, 1), (1, 3))
    np.testing.assert_array_equal(rows.numpy().ravel(), x.max(1))


# ---- products ------------------------------------------------------------------------------------

TILES = (
    [(8, 8, 4, 4, 4)] if SIMULATED else [(8, 8, 4, 4, 4), (64, 64, 16, 4, 4), (128, 128, 8, 8, 8)]
)


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("m, n, k", [(1, 1, 1), (8, 8, 4), (9, 7, 5), (17, 10, 9)])
@pytest.mark.parametrize("transposed", ["", "x", "y", "xy"])
def test_a_product_in_registers_of_any_shape_and_layout(tile, m, n, k, transposed):
    x, y = rng.normal(size=(2, m, k)), rng.normal(size=(2, k, n))
    arrays, layouts = [], []
    for name, matrices in (("x", x), ("y", y)):
        array = up(matrices.swapaxes(1, 2) if name in transposed else matrices)
        task, row, column = array.strides
        arrays.append(array)
        layouts.append((task, column, row) if name in transposed else (task, row, column))
    tile_m, tile_n, _, share_m, share_n = tile
    read, out = matmul.read_strided, allocate((2, m, n), np.float64)
    grid = -(-m // tile_m) * -(-n // tile_n), 1, 2
    threads = tile_m // share_m * (tile_n // share_n)
    by_row = [int(layout[-1] != 1) for layout in layouts]
    kernel = matmul.register_tile_kernel(read, read, *tile, "float64")
    kernel(grid, threads, out, *arrays, (m, n, k, *by_row, 0), *layouts)
    np.testing.assert_allclose(down(out), x @ y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("m, n, k", [(3, 2, 5), (4, 4, 4), (5, 3, 9)])
def test_a_product_in_shared_memory_of_any_shape(m, n, k):
    x, y = rng.normal(size=(m, k)), rng.normal(size=(k, n))
    read, out = matmul.read_strided, allocate((1, m, n), np.float64)
    tiles, sizes, layouts = -(-m // 4) * -(-n // 4), (m, n, k, 0, 0, 0), ((0, k, 1), (0, n, 1))
    kernel = matmul.shared_tile_kernel(read, read, 4, "float64")
    kernel(tiles, (4, 4), out, up(x), up(y), sizes, *layouts)
    np.testing.assert_allclose(down(out)[0], x @ y, rtol=1e-12, atol=1e-12)


def test_more_tasks_than_a_grid_has_room_for(on_gpu, monkeypatch):
    monkeypatch.setattr(matmul, "MAX_GRID_Z", 2)
    x, y = rng.normal(size=(5, 3, 2)), rng.normal(size=(5, 2, 3))
    np.testing.assert_allclose((tm.asarray(x) @ tm.asarray(y)).numpy(), x @ y, rtol=1e-12)


@pytest.mark.skipif(SIMULATED, reason="millions of threads, each of them Python's")
@pytest.mark.parametrize("m, n", [(2, 1_048_577), (1_048_577, 2)])
def test_more_rows_or_columns_than_an_axis_of_a_grid_has_room_for(m, n, on_gpu):
    x, y = np.arange(m, dtype=np.float32).reshape(m, 1), np.ones((1, n), np.float32)
    product = (tm.asarray(x) @ tm.asarray(y)).numpy()
    np.testing.assert_array_equal(product, np.broadcast_to(x, (m, n)))


def test_tasks_share_or_have_their_own_weights(on_gpu):
    x, w = rng.normal(size=(3, 5, 4)), rng.normal(size=(4, 6))
    np.testing.assert_allclose((tm.asarray(x) @ tm.asarray(w)).numpy(), x @ w, rtol=1e-12)
    own = rng.normal(size=(3, 4, 6))
    np.testing.assert_allclose((tm.asarray(x) @ tm.asarray(own)).numpy(), x @ own, rtol=1e-12)


# ---- movement, indices ---------------------------------------------------------------------------


def test_views_share_memory(on_gpu):
    x = tm.asarray(rng.normal(size=(4, 6)))
    for y, expected in (
        (x.T, x.numpy().T),
        (x[1:3, ::2], x.numpy()[1:3, ::2]),
        (tm.flip(x, 1), x.numpy()[:, ::-1]),
        (x.reshape(2, 12), x.numpy().reshape(2, 12)),
        (tm.broadcast_to(x, (3, 4, 6)), np.broadcast_to(x.numpy(), (3, 4, 6))),
    ):
        assert y.value.block is x.value.block
        np.testing.assert_array_equal(y.numpy(), expected)


def test_scatter_adds_in_the_order_of_the_indices(on_gpu):
    g = np.array([1e8, 1.0, -1e8, 1.0], np.float32).reshape(1, 4, 1)
    for name, i in (
        ("scatter_add", np.zeros(4, int)),
        ("scatter_add_along", np.zeros((1, 4, 1), int)),
    ):
        y = registry[name](tm.asarray(g), tm.asarray(i), size=2).numpy()
        assert y.ravel().tolist() == [1, 0]  # from the left: 1e8 + 1 rounds to 1e8


# ---- derivatives ---------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_every_order_are_those_of_the_cpu(order):
    x, w = rng.normal(size=(2, 1, 5, 5, 1)), rng.normal(size=(2, 3, 3, 1, 2))

    def f(w):
        y = tm.max_pool2d(tm.softplus(tm.conv2d(x, w, stride=1)), 2)
        return (tm.softmax(y.reshape(2, -1)) * y.reshape(2, -1)).sum()

    for _ in range(order - 1):
        f = (lambda g: lambda w: tm.square(tm.grad(g)(w)).sum())(f)
    expected = tm.grad(f)(w).numpy()
    with tm.device("cuda"):
        found = tm.grad(f)(w)
    assert found.device == "cuda"
    np.testing.assert_allclose(
        found.numpy(), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max()
    )
