"""Tests of the GPU's kernels: on a GPU, or in Numba's simulator with NUMBA_ENABLE_CUDASIM=1."""

import pytest

import tinymeta as tm


def pytest_collection_modifyitems(items):
    marked = [item for item in items if item.get_closest_marker("cuda")]
    if marked and (reason := tm.devices()["cuda"]) is not True:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=f"{reason}; or set NUMBA_ENABLE_CUDASIM=1"))


@pytest.fixture
def on_gpu():
    with tm.device("cuda"):
        yield
