"""The emulated GPU sees what is wrong with a kernel: faults planted in ours, each by itself.

Most of them change no number, on this machine or on a GPU, until a day when they do.
"""

import re
from ctypes import byref, c_size_t, c_uint, c_void_p

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.cuda import (
    Array,
    allocate,
    driver,
    loops,
    matmul,
    move,
    movement,
    product,
    target,
    tiling,
)
from tinymeta.cuda.launch import GpuKernel
from tinymeta.cuda.memory import ForeignBlock
from tinymeta.cuda.sharing import Tile

pytestmark = pytest.mark.ptx_run
F32 = np.float32


@pytest.fixture
def planted(monkeypatch):
    """planted(change): kernels that are loaded from now on have their PTX changed."""
    original = GpuKernel.ptx
    kernels = product.product_kernel, loops.loop_kernel

    def forget():
        for function in kernels:
            function.cache_clear()

    def plant(change):
        forget()
        monkeypatch.setattr(GpuKernel, "ptx", lambda self, *args: change(original(self, *args)))

    yield plant
    forget()


def ones(*shape):
    return move(np.ones(shape, F32), "cuda")


def square(n):
    """The product of two n x n matrices of ones, waited for."""
    out = allocate((n, n), F32)
    matmul.matmul(out, ones(n, n), ones(n, n))
    driver.current().synchronize()
    return out


def without(text: str, pattern: str, number: int) -> str:
    """Text without the number-th statement that matches."""
    places = [m.span() for m in re.finditer(pattern, text)]
    begin, end = places[number]
    return text[:begin] + text[end:]


@pytest.mark.parametrize("tile", [(16, 16, 16, 2, 2), (64, 64, 16, 4, 4)], ids=str)
def test_a_barrier_less(tile, planted, gpu, monkeypatch):
    """Of each of the product's barriers, by its race in shared memory."""
    cut = tiling.Cut(Tile(*tile), 1, 64)
    monkeypatch.setattr(product, "best_cut", lambda *sizes: cut)
    n = 40
    for number in range(2):
        planted(lambda text: without(text, r"bar\.sync[^;]*;", number))
        square(n)
        found = gpu.faults()
        assert any("a race" in f or "nobody has written" in f for f in found), found


@pytest.mark.parametrize("number", range(8))
def test_a_barrier_less_of_a_sum(number, planted, gpu):
    """Of those between its halvings, 256 threads to 1; behind the last none is needed."""
    planted(lambda text: without(text, r"bar\.sync[^;]*;", number) if "bar.sync" in text else text)
    with tm.device("cuda"):
        tm.sum(tm.asarray(np.ones((3, 700), F32)), 1).numpy()
    assert any("a race" in f for f in gpu.faults())


def test_the_product_as_it_is_has_none(planted, gpu):
    planted(lambda text: text)
    for n in (20, 64):
        assert move(square(n), "cpu").max() == n
    assert not gpu.faults()


def shifted(offset):
    """A kernel that reads every element's neighbour."""

    def kernel(out, x, count):
        i = target.cuda.blockIdx.x * 256 + target.cuda.threadIdx.x
        if i < count:
            out[i] = x[i + offset]

    return GpuKernel(kernel, f"neighbour {offset}")


@pytest.mark.parametrize("offset", [-1, 1])
def test_an_index_that_is_off_by_one(offset, gpu):
    """One element beyond the end, where the pool's rounded block and the driver's go on."""
    out, x = allocate((100,), F32), ones(100)
    shifted(offset)(1, 256, out, x, 100)
    with pytest.raises(driver.DriverError, match="illegal memory access"):
        driver.current().synchronize()
    (found,) = gpu.faults()
    assert f"thread {99 if offset > 0 else 0} of block (0, 0, 0)" in found
    assert "4 bytes outside of all blocks" in found and "kernel" in found


def test_a_stride_that_is_wrong(gpu):
    """Rows of 6 in memory that has rows of 5."""
    x, out = ones(4, 5), allocate((4, 5), F32)
    movement.copy(out, x.view((4, 5), (6, 1)))
    with pytest.raises(driver.DriverError, match="illegal memory access"):
        driver.current().synchronize()
    (found,) = gpu.faults()
    assert "outside of all blocks" in found


def test_memory_that_has_been_freed(gpu):
    """It went back to the pool, which has it from the driver still."""
    x, out = ones(4), allocate((4,), F32)
    kept = Array(ForeignBlock(x.address, None), 0, x.shape, x.strides, x.dtype)
    movement.copy(out, kept)
    driver.current().synchronize()
    assert not gpu.faults(), "its owner is alive"
    del x
    movement.copy(out, kept)
    with pytest.raises(driver.DriverError, match="illegal memory access"):
        driver.current().synchronize()
    assert len(gpu.faults()) == 1


def test_an_access_that_is_not_aligned(gpu):
    x, out = ones(5), allocate((4,), F32)
    between = Array(ForeignBlock(x.address + 2, x), 0, (4,), (1,), F32)
    movement.copy(out, between)
    with pytest.raises(driver.DriverError, match="misaligned address"):
        driver.current().synchronize()
    (found,) = gpu.faults()
    assert "4 bytes at an address that they do not divide" in found


@pytest.mark.parametrize("waits", [False, True])
def test_memory_that_another_library_still_writes(waits, gpu):
    """Its kernels are queued on a stream of its own; ours reads when it has waited for them."""
    theirs, x, out = c_void_p(), ones(4), allocate((4,), F32)
    foreign = allocate((4,), F32)
    driver.current().synchronize()
    call = driver.current().call
    call("cuStreamCreate", byref(theirs), c_uint(1))
    addresses = driver.Address(foreign.address), driver.Address(x.address)
    call("cuMemcpyDtoDAsync_v2", *addresses, c_size_t(foreign.nbytes), theirs)
    if waits:
        call("cuStreamSynchronize", theirs)
    movement.copy(out, foreign)
    driver.current().synchronize()
    found = gpu.faults()
    assert bool(found) != waits
    assert waits or "memory that nobody has written" in found[0]
    call("cuStreamDestroy_v2", theirs)


def test_two_threads_that_write_one_element(gpu):
    """The same number, even: a GPU would not show it."""

    def kernel(out, count):
        out[0] = F32(1)

    GpuKernel(kernel, "all write one element")(2, 32, allocate((1,), F32), 1)
    driver.current().synchronize()
    (found,) = gpu.faults()
    assert "two threads write" in found and "; 63 times" in found


def test_a_read_of_what_another_block_writes(gpu):
    def kernel(x, count):
        i = target.cuda.blockIdx.x
        x[i] = x[i] + x[(i + 1) % count]

    x = ones(4)
    GpuKernel(kernel, "reads a neighbour that changes")(4, 1, x, 4)
    driver.current().synchronize()
    assert any("a race" in f for f in gpu.faults())


def test_a_result_that_is_not_filled(gpu):
    """Its download: nobody wrote the second half."""
    out = allocate((4,), F32)
    movement.copy(out.view((2,), (1,)), ones(2))
    move(out, "cpu")
    (found,) = gpu.faults()
    assert "a download of memory that nobody has written" in found


def test_threads_that_part_at_a_barrier(gpu):
    def kernel(x, count):
        if target.cuda.threadIdx.x < 16:
            target.cuda.syncthreads()
        x[target.cuda.threadIdx.x] = F32(1)

    GpuKernel(kernel, "half of them wait")(1, 32, allocate((32,), F32), 1)
    driver.current().synchronize()
    assert any("threads of a block wait at different barriers" in f for f in gpu.faults())


def test_what_depends_on_an_approximation(gpu):
    """A rounding that a GPU may do otherwise: results are close, not the same."""
    x = np.linspace(0.1, 3, 100, dtype=F32)
    results = []
    for off in (0, 1):
        with gpu.configured(approximate_off=off), tm.device("cuda"):
            results.append(tm.exp(tm.asarray(x)).numpy())
    assert (results[0] != results[1]).any()
    np.testing.assert_allclose(*results, rtol=1e-6)
