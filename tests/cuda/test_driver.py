"""The driver's C interface, called as on a GPU, with a libcuda that is a fake."""

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
from tinymeta.cuda import allocate, move
from tinymeta.cuda.driver import current
from tinymeta.cuda.launch import record_launches
from tinymeta.cuda.movement import copy

assert tm.devices() == {"cpu": True, "cuda": True, "cuda:1": True}
driver = current()
assert (driver.name, driver.capability) == ("fake driver", (9, 0))
count = lambda name: ctypes.c_int.in_dll(driver.library, name).value
host = np.arange(600, dtype=np.float32)
x, out = move(host, "cuda"), allocate((600,), np.float32)
copy(out, x)
assert count("launches") == 1 and np.array_equal(move(out, "cpu"), host)
copy(out.view((3,), (1,), 5), x.view((3,), (1,), 7))            # addresses count in bytes
assert move(out, "cpu")[5:8].tolist() == [7, 8, 9]
with record_launches() as recording:
    copy(out, x)
assert count("launches") == 2                                   # recorded and not run
replay = driver.capture_graph(recording.launches)
replay(); replay()
assert count("graphs") == 2 and count("launches") == 3
assert np.array_equal(move(out, "cpu"), host)
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
with tm.device("cuda"):
    compiled = tm.jit(lambda x: -x)
    for _ in range(2):
        assert np.array_equal(compiled(host).numpy(), host)     # its one kernel copies, here
    (program,) = compiled.programs.values()
    assert program.replay.graph
print("held")
"""
# What is alive at the end of the interpreter, in places that are cleared early and late.
KEPT = """
import sys, types
import numpy as np
import tinymeta as tm
from tinymeta.cuda import allocate, move
from tinymeta.cuda.launch import record_launches
from tinymeta.cuda.movement import copy

x = move(np.ones(3, np.float32), "cuda")
lent = move(np.ones(3, np.float32), "cuda")
capsule = lent.__dlpack__()
class Theirs:
    __cuda_array_interface__ = x.__cuda_array_interface__
with tm.device("cuda"):
    compiled = tm.jit(lambda x: -x)
    compiled(np.ones(3, np.float32))
cycle = [x, lent, move(Theirs(), "cuda"), compiled, allocate((9,), np.float32)]
cycle.append(cycle)
sys.modules["zzz"] = types.ModuleType("zzz")
sys.modules["zzz"].kept = sys.kept = np.kept = cycle
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The variables of a process that finds the fake driver."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("a C compiler on Linux is needed")
    if target.SIMULATED or driver.has_compiler() is not True:
        pytest.skip(f"kernels cannot be compiled here: {driver.has_compiler()}")
    folder = tmp_path_factory.mktemp("driver")
    source, library = str(HERE / "libcuda.c"), str(folder / "libcuda.so.1")
    subprocess.run([compiler, "-shared", "-fPIC", "-w", source, "-o", library], check=True)
    return {**os.environ, "LD_LIBRARY_PATH": str(folder)}


def run(environment, *arguments):
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.mark.ptx
def test_libcuda_is_called_as_it_wants_to_be(environment):
    done = run(environment, "-c", SCRIPT)
    assert done.stdout.strip() == "held", done.stderr


@pytest.mark.ptx
def test_everybody_waits_for_whom_they_have_to(environment):
    tests = str(HERE / "test_streams.py")
    done = run(environment, "-m", "pytest", "-q", "-p", "no:xdist", "-m", "cuda", "-rs", tests)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout.splitlines()[-1], done.stdout


@pytest.mark.ptx
def test_the_interpreter_ends_quietly(environment):
    done = run(environment, "-c", KEPT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_machine_without_a_gpu_says_what_is_missing():
    reason = tm.devices()["cuda"]
    if reason is True:
        pytest.skip("cuda is usable here")
    assert "--device cpu" in reason or "pip install" in reason
