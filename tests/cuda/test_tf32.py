"""Products in TF32, where `tm.device("cuda", products="tf32")` asks for them: how far off, when.

What is multiplied is rounded by u = 2^-11 at most, so a product of two by 2 u + u^2; the sums are
in float32, whose last bit a tensor core may cut off: 2^-23 for each addition. All of it is relative
to the sum of the sizes, S = |x| |y|.
"""

import numpy as np
import pytest
from test_parity import CONVOLUTIONS

import tinymeta as tm
from tinymeta.core.device import find_kernel
from tinymeta.core.primitive import registry
from tinymeta.core.scope import setting, state
from tinymeta.cuda import allocate, conv, driver, matmul, move, product, tiling
from tinymeta.cuda.dry_run import DryRunDriver
from tinymeta.cuda.launch import GpuKernel
from tinymeta.cuda.target import SIMULATED
from tinymeta.cuda.tensor_cores import check_tensor_cores
from tinymeta.meta.environment import environment
from tinymeta.meta.split import in_chunks
from tinymeta.ops.conv import geometry_of

on_a_gpu = [pytest.mark.cuda, pytest.mark.ptx_run]
needs_tensor_cores = pytest.mark.skipif(SIMULATED, reason="the simulator has no tensor cores")
F32 = np.float32
SMALL = tiling.BY_WARP[-1] if not SIMULATED else None
U = 2.0**-11
rng = np.random.default_rng(0)


def on_gpu(test):
    for mark in (*on_a_gpu, needs_tensor_cores):
        test = mark(test)
    return test


def bound(sizes, additions):
    """How far off a sum may be; sizes: S, additions: how many made it."""
    return (2 * U + U * U + 1.01 * additions * 2.0**-23) * sizes


@pytest.fixture
def by_warps(monkeypatch):
    """Products that may be by warps are so, however small."""
    choose = tiling.best_cut

    def best_cut(copies, m, n, k, kind):
        return tiling.Cut(SMALL, 1, 10**5) if kind == "tf32" else choose(copies, m, n, k, kind)

    monkeypatch.setattr(product, "best_cut", best_cut)


@pytest.fixture
def kernels(monkeypatch):
    """The titles of the kernels that are launched from here on."""
    titles, launch = [], GpuKernel.__call__

    def noting(self, *args):
        titles.append(self.title)
        launch(self, *args)

    monkeypatch.setattr(GpuKernel, "__call__", noting)
    return titles


# ---- how far off ---------------------------------------------------------------------------------


@on_gpu
@pytest.mark.parametrize(
    "tile, sizes, parts, transposed",
    [(tile, (70, 66, 35), 1, False) for tile in tiling.BY_WARP]
    + [
        (SMALL, (1, 1, 1), 1, False),
        (SMALL, (33, 5, 40), 3, True),
        (SMALL, (64, 64, 64), 2, False),
        (SMALL, (64, 64, 64), 2, True),
    ],
    ids=str,
)
def test_a_product_of_any_tile_size_and_layout(cut, kernels, tile, sizes, parts, transposed):
    """By fours, and one by one; neighbours along k, and along lines."""
    m, n, k = sizes
    x, y = (rng.normal(size=(2, *shape)).astype(F32) for shape in ((m, k), (k, n)))
    cut(tile, parts, k)
    arrays = []
    for matrices in (x, y):
        array = move(matrices.swapaxes(1, 2) if transposed else matrices, "cuda")
        task, row, column = array.strides
        strides = (task, column, row) if transposed else array.strides
        arrays.append(array.view(matrices.shape, strides))
    out = allocate((2, m, n), F32)
    matmul.matmul(out, *arrays)
    assert kernels[0].startswith("product: tf32")
    found, exact = move(out, "cpu"), x.astype(float) @ y
    assert (np.abs(found - exact) <= bound(np.abs(x).astype(float) @ np.abs(y), k + parts)).all()
    if k > 1:
        assert (np.abs(found - exact) > 2.0**-23 * k * np.abs(exact)).any(), "nothing was rounded"


@on_gpu
def test_numbers_of_ten_bits_are_multiplied_exactly(cut):
    x, y = (rng.integers(-900, 900, shape).astype(F32) / 8 for shape in ((40, 20), (20, 33)))
    cut(SMALL, 1, 20)
    with tm.device("cuda", products="tf32"):
        np.testing.assert_array_equal((tm.asarray(x) @ tm.asarray(y)).numpy(), x @ y)


@on_gpu
def test_what_is_no_number_is_kept(cut):
    x, y = rng.normal(size=(2, 40, 40)).astype(F32)
    x[1, 2], x[3, 4], y[5, 6] = np.inf, np.nan, -np.inf
    cut(SMALL, 1, 40)
    with tm.device("cuda", products="tf32"):
        found = (tm.asarray(x) @ tm.asarray(y)).numpy()
    with np.errstate(invalid="ignore"):
        expected = x @ y
    same = np.isfinite(expected)
    np.testing.assert_array_equal(found[~same], expected[~same])
    assert np.isfinite(found[same]).all() and not same.all()


@on_gpu
@pytest.mark.parametrize("case", CONVOLUTIONS[1::2], ids=str)  # one by one, and by fours
@pytest.mark.parametrize("name", ["conv", "conv_weight", "conv_input"])
def test_a_convolution_of_any_shape_and_stride(cut, kernels, name, case):
    image, channels, outs, *how = case
    geometry = geometry_of("conv", image, *how)
    shapes = (2, *image, channels), (*how[0], channels, outs), (2, *geometry.result, outs)
    x, w, g = (rng.normal(size=(1, *shape)).astype(F32) for shape in shapes)
    roles = {"conv": (g, x, w), "conv_weight": (w, x, g), "conv_input": (x, g, w)}
    result, *operands = roles[name]
    exact, sizes = np.empty(result.shape), np.empty(result.shape)
    kernel = find_kernel(registry[name], "cpu")
    kernel(exact, *(a.astype(float) for a in operands), geometry=geometry)
    kernel(sizes, *(np.abs(a).astype(float) for a in operands), geometry=geometry)
    cut(SMALL, 2, 40)
    out = allocate(result.shape, F32)
    getattr(conv, name)(out, *(move(a, "cuda") for a in operands), geometry=geometry)
    assert kernels[0].startswith("product: tf32")
    assert (np.abs(move(out, "cpu") - exact) <= bound(sizes, 80)).all()


# ---- in programs ---------------------------------------------------------------------------------


@on_gpu
@pytest.mark.parametrize("order, shared", [(1, True), (2, False)], ids=["shared", "own"])
def test_derivatives_of_a_small_network(cut, order, shared):
    """Of tasks with a product and a convolution, eager and compiled, which agree to the bit."""
    x, v = rng.normal(size=(2, 2, 6, 6, 3)), rng.normal(size=(2, 5, 4)) / 3
    w = rng.normal(size=(3, 3, 3, 5) if shared else (2, 3, 3, 3, 5)) / 5

    def f(w, v, x):
        y = tm.softplus(tm.conv2d(x, w, stride=2)).sum((2, 3))
        return tm.square(y @ v).sum()

    for _ in range(order):
        f = (
            lambda g: lambda w, v, x: sum(tm.square(d).sum() for d in tm.grad(g, (0, 1))(w, v, x))
        )(f)
    exact = f(w, v, x).numpy()
    arrays = [a.astype(F32) for a in (w, v, x)]
    cut(SMALL, 1, 10**5)
    with tm.device("cuda", products="tf32"):
        found, again = f(*arrays).numpy(), f(*arrays).numpy()
        compiled = tm.jit(f)(*arrays).numpy()
    assert found == again == compiled
    np.testing.assert_allclose(found, exact, rtol=2e-2)
    assert abs(found / exact - 1) > 1e-6, "nothing was rounded"


@on_gpu
def test_large_products_are_by_warps_and_tiny_ones_are_not(kernels):
    x = rng.normal(size=(3, 3)).astype(F32)
    with tm.device("cuda", products="tf32"):
        (tm.asarray(x) @ x).numpy()
    assert kernels[-1].startswith("product: _x_line")
    for copies, m, n, k in ((1, 512, 512, 512), (32, 980, 64, 576), (32, 20, 64, 576)):
        assert tiling.best_cut(copies, m, n, k, "tf32").tile.by_warp
        assert not tiling.best_cut(copies, m, n, k, "float32").tile.by_warp


@on_gpu
def test_only_float32_and_only_in_the_block(by_warps, kernels):
    """Other products are what they are without it, to the bit."""
    x = rng.normal(size=(40, 40))
    y = x.astype(F32)

    def products():
        return [(tm.asarray(a) @ tm.asarray(a)).numpy() for a in (x, y)]

    with tm.device("cuda"):
        exact = products()
    with tm.device("cuda", products="tf32"):
        rounded = products()
        with tm.device("cuda"):
            inside = products()
    with tm.device("cuda"):
        after = products()
    for found in (inside, after):
        for a, b in zip(found, exact):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(rounded[0], exact[0])
    assert (rounded[1] != exact[1]).any()
    assert [title.startswith("product: tf32") for title in kernels[2:4]] == [False, True]


@on_gpu
def test_a_program_is_compiled_for_its_products(by_warps, kernels):
    x = rng.normal(size=(40, 40)).astype(F32)
    f = tm.jit(lambda x: x @ x)
    with tm.device("cuda"):
        exact = f(x).numpy()
    with tm.device("cuda", products="tf32"):
        rounded = f(x).numpy()
    with tm.device("cuda"):
        np.testing.assert_array_equal(f(x).numpy(), exact)
    with tm.device("cuda", products="tf32"):
        np.testing.assert_array_equal(f(x).numpy(), rounded)
    assert len(f.programs) == 2 and (exact != rounded).any()
    exactly, by_warp = f.programs.values()
    kernels.clear()
    for program in (by_warp, exactly):  # as explain(.., times=True) does, outside of the block
        list(program.replay.step_calls())
    assert [title.startswith("product: tf32") for title in kernels] == [True, False]


# ---- the option ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("cpu", "tf32"), "the CPU has no products in 'tf32': leave it out, or choose 'cuda'"),
        (("cuda", "bf16"), "products 'bf16' is not 'float32' or 'tf32'"),
        (("cpu", None), "products None is not 'float32' or 'tf32'"),
    ],
)
def test_products_that_there_are_not(arguments, message):
    name, products = arguments
    with pytest.raises(ValueError, match=message), tm.device(name, products=products):
        pass
    assert state.products == "float32"


@needs_tensor_cores
def test_a_gpu_before_ampere_is_refused():
    with driver.replaced_by(DryRunDriver((7, 5))):
        with pytest.raises(RuntimeError, match="has compute capability 7.5, and TF32 needs 8.0"):
            check_tensor_cores()
    with driver.replaced_by(DryRunDriver((8, 0))):
        check_tensor_cores()


@pytest.mark.cuda
@pytest.mark.skipif(not SIMULATED, reason="in the simulator")
def test_the_simulator_is_refused():
    with pytest.raises(RuntimeError, match="simulator has no tensor cores"):
        tm.device("cuda", products="tf32")


def test_explain_has_products_of_a_dry_run_alone():
    with pytest.raises(ValueError, match="are of a dry run"):
        tm.explain(lambda x: x, 1.0, products="tf32")
    with pytest.raises(ValueError, match="explain: products .* is not"):
        tm.explain(lambda x: x, 1.0, device="cuda", products="half")


@pytest.mark.ptx_run
def test_explain_tells_of_products_in_tf32():
    x = np.ones((4, 256, 256), F32)
    found = tm.explain(lambda x: x @ x, x, device="cuda", products="tf32")
    assert "product: tf32" in found.launches()
    _, row, *_ = found.executed().splitlines()
    launches, blocks, shared, registers, instructions, ffma, share, products, *_ = row.split()
    multiplied = 1024 * int(products.replace(",", ""))
    assert "product: tf32" in row and ffma == "0" and multiplied == 4 * 256**3
    assert 0.2 < int(instructions.replace(",", "")) / multiplied < 0.3


def test_other_threads_and_files_know_of_them():
    """A worker's products are the caller's; and a run's bits depend on them."""
    seen = []

    def meta_grad(params, tasks):
        seen.append(state.products)
        return {"loss": np.float64(0)}, params

    before = environment()
    with setting(products="tf32"):
        in_chunks(meta_grad, 2)(np.zeros(1), np.zeros((2, 1)))
        assert environment() != before and "(products in tf32)" in environment()
    assert seen == ["tf32", "tf32"] and environment() == before
