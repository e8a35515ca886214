"""Every kernel beside its twin on the CPU, on the strategies of the testing kit, and what is
particular to one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import VALUES, assert_same, inputs, texts

import tinymeta as tm
from tinymeta.core.device import find_kernel, move
from tinymeta.core.primitive import registry
from tinymeta.core.text import FUNCTIONS, names, parsed
from tinymeta.cuda import conv, division, loops, matmul, product, tiling
from tinymeta.cuda.array import allocate
from tinymeta.cuda.launch import THREADS, GpuKernel
from tinymeta.cuda.target import SIMULATED, cuda
from tinymeta.cuda.tiling import TILES
from tinymeta.ops.conv import geometry_of
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


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8", "float32"])
def test_quotients_and_remainders_of_either_sign_and_by_zero(dtype, on_gpu):
    values = np.array([7, 1, 5, 0, 3, 100]).astype(dtype)
    signed = values if dtype[0] == "u" else np.concatenate([values, -values])
    a, b = (x.ravel() for x in np.meshgrid(signed, signed))
    with np.errstate(all="ignore"):
        for op, numpys in ((tm.mod, np.mod), (tm.floor_divide, np.floor_divide)):
            for f in (op, tm.jit(lambda a, b, op=op: op(a, b))):
                np.testing.assert_array_equal(f(a, b).numpy(), numpys(a, b))


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


def test_sums_along_the_first_axis_take_one_kernel(on_gpu, monkeypatch):
    """Of a batch norm's shape: few kept elements, but enough for narrow blocks."""
    x = rng.normal(size=(40, 64)).astype(np.float32)
    few = loops.SECTOR * loops.BLOCKS_ENOUGH
    assert loops._width(few, 980) == loops.SECTOR and loops._width(few, 2) == loops.WARP
    kernels = recorded_kernels(monkeypatch)
    y = tm.sum(x, 0)
    assert len(kernels) == 1
    np.testing.assert_allclose(y.numpy(), x.sum(0, dtype=np.float64), rtol=1e-4, atol=1e-5)


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


@pytest.mark.parametrize(
    "dtype, tile", [(dtype, tile) for dtype in ("float32", "float64") for tile in TILES[dtype]]
)
@pytest.mark.parametrize("m, n, k, parts", [(8, 8, 20, 2), (17, 10, 5, 1)], ids=str)
def test_a_product_of_any_tile_and_layout(cut, dtype, tile, m, n, k, parts):
    """By fours, and one by one; neighbours along k, and along lines."""
    rtol = 1e-5 if dtype == "float32" else 1e-12
    x, y = (rng.normal(size=(2, *shape)).astype(dtype) for shape in ((m, k), (k, n)))
    cut(tile, parts, k)
    for transposed in (False, True):
        arrays = []
        for matrices in (x, y):
            array = up(matrices.swapaxes(1, 2) if transposed else matrices)
            task, row, column = array.strides
            strides = (task, column, row) if transposed else array.strides
            arrays.append(array.view(matrices.shape, strides))
        out = allocate((2, m, n), dtype)
        matmul.matmul(out, *arrays)
        np.testing.assert_allclose(down(out), x.astype(float) @ y, rtol=rtol, atol=10 * rtol)


CONVOLUTIONS = [  # image, channels, outputs, window, stride, padding
    ((4, 3), 4, 4, (3, 2), (1, 2), "same"),
    ((5, 4), 1, 2, (1, 3), (3, 2), ((2, 1), (0, 3))),
    ((5, 6), 3, 2, (3, 3), 2, "same"),
    ((7, 4), 8, 4, (2, 2), 3, "valid"),
]


@pytest.mark.parametrize("case", CONVOLUTIONS[:2] if SIMULATED else CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("name", ["conv", "conv_weight", "conv_input"])
@pytest.mark.parametrize("tile", sorted({TILES["float32"][k] for k in (0, -1)}), ids=str)
def test_a_convolution_of_any_shape_and_stride(cut, tile, name, case):
    image, channels, outs, *how = case
    geometry = geometry_of("conv", image, *how)
    shapes = (2, *image, channels), (*how[0], channels, outs), (2, *geometry.result, outs)
    x, w, g = (rng.normal(size=(1, *shape)) for shape in shapes)
    roles = {"conv": (g, x, w), "conv_weight": (w, x, g), "conv_input": (x, g, w)}
    expected, *operands = roles[name]
    find_kernel(registry[name], "cpu")(expected, *operands, geometry=geometry)
    cut(tile, 2, 40)  # so that the second part of some has nothing to add
    out = allocate(expected.shape, np.float32)
    getattr(conv, name)(out, *(up(a.astype(np.float32)) for a in operands), geometry=geometry)
    np.testing.assert_allclose(down(out), expected, rtol=1e-5, atol=1e-5)


def test_a_cut_leaves_no_part_without_work():
    """Every part has some k, and all of them together have each once."""
    for copies, m, n, k in ((1, 9, 64, 980), (1, 1, 1, 1), (32, 20, 64, 576), (5, 3, 3, 5000)):
        _, parts, chunk = tiling.best_cut(copies, m, n, k, "float32")
        assert (parts - 1) * chunk < k <= parts * chunk


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 9, 641, 2**16 + 1, 2**30 - 1, 2**31 - 1])
def test_a_division_by_what_the_host_knows(n):
    """Beside Python's, at the multiples of n and around them, to the largest int32."""
    i = np.array(
        [0, 1, n - 1, n, min(2 * n + 1, 2**31 - 1), 2**31 - 1 - (2**31 - 1) % n, 2**31 - 1]
    )
    out = allocate((2, len(i)), np.int32)
    kernel = GpuKernel(divide_all, "divide all")
    kernel(1, len(i), out, up(i.astype(np.int32)), division.divisor(n), len(i))
    np.testing.assert_array_equal(down(out), np.divmod(i, n))


def divide_all(out, x, by, count):
    i = cuda.threadIdx.x
    quotient, rest = division.divided(x[i], by[0], by[1], by[2])
    out[i], out[count + i] = quotient, rest


def test_more_tasks_than_a_grid_has_room_for(on_gpu, monkeypatch):
    monkeypatch.setattr(product, "MAX_GRID_Z", 2)
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


@pytest.mark.parametrize("rows", [1, 20] if SIMULATED else [1, 33, 300])
def test_factors_of_matrices_with_more_rows_than_a_block_has_threads(rows):
    a, b = rng.normal(size=(2, rows, rows)), rng.normal(size=(2, rows, 3))
    definite = a @ a.swapaxes(1, 2) + rows * np.eye(rows)
    for name, arrays, static in (
        ("cholesky", (definite,), {}),
        ("lu", (a,), {}),
        ("triangular_solve", (definite, b), {"transposed": False}),
        ("triangular_solve", (definite, b), {"transposed": True}),
    ):
        expected = registry[name](*arrays, **static).numpy()
        with tm.device("cuda"):
            found = registry[name](*arrays, **static).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * rows)


def test_a_matrix_without_a_factor_is_nan_alone(on_gpu):
    matrices = np.stack([np.eye(3), np.zeros((3, 3)), -np.eye(3)])
    found = tm.linalg.cholesky(tm.asarray(matrices)).numpy()
    assert np.isfinite(found[0]).all() and np.isnan(found[1:, 0, 0]).all()


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
