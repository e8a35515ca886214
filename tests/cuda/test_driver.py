"""The driver's C interface, called as on a GPU, with a libcuda that is 30 lines long."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tinymeta as tm
from tinymeta.cuda import driver, target

HERE = Path(__file__).parent
SCRIPT = """
import ctypes
import numpy as np
import tinymeta as tm
from tinymeta.cuda.array import allocate, move
from tinymeta.cuda.driver import current
from tinymeta.cuda.launch import record_launches
from tinymeta.cuda.memory import memory_pool
from tinymeta.cuda.movement import copy

assert tm.devices()["cuda"] is True
driver = current()
assert (driver.name, driver.capability) == ("fake driver", (9, 0))
count = lambda name: ctypes.c_int.in_dll(driver.library, name).value
host = np.arange(600, dtype=np.float32)
x, out = move(host, "cuda"), allocate((600,), np.float32)
with record_launches() as recording:
    copy(out, x)
assert count("launches") == 1 and np.array_equal(move(out, "cpu"), host)
copy(out.view((3,), (1,), 5), x.view((3,), (1,), 7))            # addresses count in bytes
assert move(out, "cpu")[5:8].tolist() == [7, 8, 9]
replay = driver.capture_graph(recording.launches)
assert count("launches") == 3
replay(); replay()
assert count("graphs") == 2 and count("launches") == 3
try:
    allocate((1 << 30,), np.float64)
except MemoryError as error:
    assert "no room for 8,589,934,592 bytes" in str(error) and "1 of 2 are free" in str(error)
else:
    raise AssertionError
try:
    value, unknown, device = ctypes.c_int(), ctypes.c_int(1), ctypes.c_int(0)
    driver.call("cuDeviceGetAttribute", ctypes.byref(value), unknown, device)
except RuntimeError as error:
    assert str(error) == "CUDA: cuDeviceGetAttribute failed: of the fake driver (1)"
else:
    raise AssertionError
class Newer:                                                    # than the driver
    def ptx(self, kinds, capability):
        return ".version 99.0\\n.target sm_90\\n.visible .entry newer("
driver.load(Newer(), ())
with tm.device("cuda"):
    compiled = tm.jit(lambda x: -x)
    for _ in range(2):
        assert np.array_equal(compiled(host).numpy(), host)     # its one kernel copies, here
    (program,) = compiled.programs.values()
    assert program.replay.graph
print("held")
"""


@pytest.mark.ptx
def test_libcuda_is_called_as_it_wants_to_be(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("a C compiler on Linux is needed")
    if target.SIMULATED or driver.has_compiler() is not True:
        pytest.skip(f"kernels cannot be compiled here: {driver.has_compiler()}")
    source, library = str(HERE / "libcuda.c"), str(tmp_path / "libcuda.so.1")
    subprocess.run([compiler, "-shared", "-fPIC", "-w", source, "-o", library], check=True)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
    )
    assert done.stdout.strip() == "held", done.stderr


def test_a_machine_without_a_gpu_says_what_is_missing():
    reason = tm.devices()["cuda"]
    if reason is True:
        pytest.skip("cuda is usable here")
    assert "--device cpu" in reason or "pip install" in reason
