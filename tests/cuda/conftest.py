"""Tests of the GPU's kernels: on a GPU, in Numba's simulator with NUMBA_ENABLE_CUDASIM=1, or, those
marked ptx_run, as compiled PTX on the CPU (tinymeta/ptx/)."""

import contextlib
import sys

import emulated
import pytest

import tinymeta as tm
from tinymeta.cuda import driver, product, tiling
from tinymeta.cuda.target import SIMULATED
from tinymeta.ptx import emulator, watch

# Numba's simulator asks each thread of a block in turn whether it waits, without a pause: a thread
# that has work gets the interpreter only when this much time of it is over (Python: 5 ms).
SWITCH_SECONDS = 1e-5


def pytest_collection_modifyitems(config, items):
    if emulated.is_emulated(config.option.markexpr):
        wanted, reason = "ptx_run", emulated.why_not_emulated()
    else:
        wanted, usable = "cuda", tm.devices()["cuda"]
        reason = "" if usable is True else f"{usable}; or set NUMBA_ENABLE_CUDASIM=1"
    for item in items:
        if reason and item.get_closest_marker(wanted):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def simulated_threads_take_short_turns():
    before = sys.getswitchinterval()
    if SIMULATED:
        sys.setswitchinterval(SWITCH_SECONDS)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(autouse=True)
def gpu(request, monkeypatch):
    """The emulated GPU: a test fails that does what it may not, even if its numbers are right."""
    wanted = emulated.is_emulated(request.config.option.markexpr)
    if not wanted or not request.node.get_closest_marker("ptx_run"):
        yield
        return
    gpu = emulator.start()
    gpu.configure(**emulator.DEFAULTS)
    with monkeypatch.context() as patch:
        watch.watch_pool(gpu, patch)
        yield gpu
        with contextlib.suppress(driver.DriverError):  # its cause is among the faults
            driver.current().synchronize()
    assert not (found := gpu.faults()), "\n".join(found)


@pytest.fixture
def on_gpu():
    with tm.device("cuda"):
        yield


@pytest.fixture
def cut(monkeypatch):
    """cut(tile, parts, k): products are cut into the tile, and so many parts of the sum over k."""

    def cut(tile, parts, k):
        chunk = -(-k // (parts * tile.depth)) * tile.depth
        monkeypatch.setattr(product, "best_cut", lambda *sizes: tiling.Cut(tile, parts, chunk))

    return cut
