"""Tests of the GPU's kernels: on a GPU, in Numba's simulator with NUMBA_ENABLE_CUDASIM=1, or, those
marked ptx_run, as compiled PTX on the CPU (ptx/)."""

import contextlib

import pytest
from ptx import compiler, emulator, watch

import tinymeta as tm
from tinymeta.cuda import driver, target


def is_emulated(config) -> bool:
    """Are the tests that run PTX asked for? Then this process has an emulated GPU."""
    return "ptx_run" in config.option.markexpr


def pytest_collection_modifyitems(config, items):
    if is_emulated(config):
        reason, wanted = why_not_emulated(), "ptx_run"
    else:
        reason, wanted = tm.devices()["cuda"], "cuda"
        reason = "" if reason is True else f"{reason}; or set NUMBA_ENABLE_CUDASIM=1"
    for item in items:
        if reason and item.get_closest_marker(wanted):
            item.add_marker(pytest.mark.skip(reason=reason))


def why_not_emulated() -> str:
    """Start the emulator; "" or one sentence: why it cannot be."""
    if target.SIMULATED:
        return "the simulator compiles nothing: unset NUMBA_ENABLE_CUDASIM"
    try:
        emulator.start()
    except compiler.Missing as error:
        return str(error)
    usable = tm.devices()["cuda"]
    return "" if usable is True else str(usable)


@pytest.fixture(autouse=True)
def gpu(request, monkeypatch):
    """The emulated GPU: a test fails that does what it may not, even if its numbers are right."""
    if not is_emulated(request.config) or not request.node.get_closest_marker("ptx_run"):
        yield
        return
    gpu = emulator.start()
    gpu.configure(**emulator.DEFAULTS)
    with monkeypatch.context() as patch:
        watch.watch_pool(gpu, patch)
        watch.allow_preparing(gpu, patch)
        yield gpu
        with contextlib.suppress(driver.DriverError):  # its cause is among the faults
            driver.current().synchronize()
    assert not (found := gpu.faults()), "\n".join(found)


@pytest.fixture
def on_gpu():
    with tm.device("cuda"):
        yield
