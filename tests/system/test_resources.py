"""Systems that lack what Linux has: all works, and nobody asks them but system/resources.py."""

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tinymeta.cpu import native, simd
from tinymeta.system import resources

ROOT = Path(__file__).parent.parent.parent
WANTING = """
import os, sys
for name in ("sched_getaffinity", "getloadavg", "fork", "geteuid"):
    if hasattr(os, name):
        delattr(os, name)
sys.modules |= {"resource": None, "torch": None}            # torch asks for all of them, and long
import numpy as np
import tinymeta as tm
from tinymeta.cpu import blas
blas.thread_functions = lambda: None
rng = np.random.default_rng(0)
def loss(p, x):
    return tm.square(p * x - 1.0).mean()
def meta_grad(p, x):
    value, slope = tm.value_and_grad(loss)(p, x)
    return {"loss": value}, slope
run = tm.meta.train(tm.meta.Method(None, meta_grad, None), lambda: rng.random(5), iterations=3,
                    params=np.zeros(5), optimizer=tm.optim.sgd(0.1))
row, = run.curve[-1:]
assert row.iteration == 3 and np.isfinite(row.metrics["loss"]), row
assert np.isnan(row.memory), row
import benchmarks.__main__, benchmarks.timing
benchmarks.__main__.parser()
assert benchmarks.timing.machine()["cores"] >= 1
"""


def test_a_system_that_lacks_them_compiles_and_trains():
    done = subprocess.run([sys.executable, "-c", WANTING], cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_what_is_assumed_where_the_system_does_not_say(monkeypatch):
    for name in ("sched_getaffinity", "getloadavg"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert (
        resources.cores() == 3
        and math.isnan(resources.load())
        and math.isnan(resources.peak_memory())
    )
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert resources.cores() == 1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="of Linux")
def test_what_linux_says():
    assert resources.cores() == len(os.sched_getaffinity(0)) and resources.load() >= 0
    assert 10 < resources.peak_memory() < 1e6


def test_an_unknown_processor_has_no_special_instructions(monkeypatch):
    def unknown():
        raise RuntimeError("failed to get host cpu features")

    monkeypatch.setattr(native.llvm, "get_host_cpu_features", unknown)
    assert native.cpu_features() == {} and simd.vector_registers() == (4, 2)


@pytest.mark.parametrize(
    "name, place",
    [
        (r"os\.(sched_getaffinity|getloadavg|cpu_count)", "resources.py"),
        (r"import resource", "resources.py"),
        (r"get_host_cpu_features", "native.py"),
        (r"os\.(fork|getuid|setsid|mkfifo|uname)\b", None),
    ],
)
def test_the_system_is_asked_in_one_place(name, place):
    rooms = [ROOT / room for room in ("tinymeta", "benchmarks", "examples")]
    asking = {
        f.name
        for room in rooms
        for f in room.rglob("*.py")
        if re.search(name, f.read_text("utf-8"))
    }
    assert asking == {place} - {None}
