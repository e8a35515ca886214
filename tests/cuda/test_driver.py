"""The end of a process that has used a GPU, and a machine that has none."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import tinymeta as tm
from tinymeta.cuda import driver

HERE = Path(__file__).parent
# What is alive at the end of the interpreter, in places that are cleared early and late.
KEPT = """
import sys, types
from tinymeta.ptx import emulator
emulator.start()
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


@pytest.mark.ptx_run
def test_the_interpreter_ends_quietly():
    paths = os.pathsep.join([str(HERE), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, "-c", KEPT]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_machine_without_a_gpu_says_what_is_missing():
    reason = tm.devices()["cuda"]
    if reason is True:
        pytest.skip("cuda is usable here")
    assert "--device cpu" in reason or "pip install" in reason


def test_a_driver_is_replaced_for_one_thread_alone():
    """Each of two threads has its own while the other has another, and after the other has left."""
    ours, theirs, found = object(), object(), []
    inside, left = threading.Event(), threading.Event()

    def other():
        with driver.replaced_by(theirs):
            inside.set()
            left.wait(20)
            found.append(driver.current())

    thread = threading.Thread(target=other)
    with driver.replaced_by(ours):
        thread.start()
        inside.wait(20)
        assert driver.current() is ours
    left.set()
    thread.join()
    assert found == [theirs]
