"""`import tinymeta` waits for NumPy and little else: what is slow comes when it is first used."""

import subprocess
import sys
from pathlib import Path

import pytest

import tinymeta as tm

ROOT = Path(__file__).parent.parent
SLOW = {"numba", "llvmlite", "hypothesis", "pytest", "torch", "jax", "tqdm", "matplotlib", "scipy"}
# Rooms that not every program enters; and the compiler, which waits for something to compile.
LATER = {f"tinymeta.{name}" for name in ("data", "meta", "nn", "testing", "cpu", "cuda", "io")}
COMPILER = {"tinymeta.jit.compile", "tinymeta.jit.explained", "tinymeta.jit.cache"}


def modules_after(code: str) -> set[str]:
    """The names of all modules that a new Python has loaded after `code`."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {*done.stdout.split()}


def test_importing_it_loads_nothing_slow_and_no_room_that_may_not_be_entered():
    loaded = modules_after("import tinymeta")
    assert "numpy" in loaded and not loaded & (SLOW | LATER | COMPILER)
    of_ours = {name for name in loaded if name.startswith("tinymeta")}
    assert len(of_ours) < 70, "each takes a millisecond"


@pytest.mark.parametrize(
    "code",
    [
        "import tinymeta as tm; tm.grad(lambda x: tm.sin(x) @ x)([1.0, 2.0])",
        "import tinymeta as tm; tm.testing.check_grads(tm.exp, 0.3)",
        "import tinymeta as tm; tm.nn, tm.meta, tm.data.Sinusoids, tm.losses.mse, tm.save",
        "import tinymeta as tm; tm.jit(tm.exp)",
    ],
)
def test_what_needs_no_machine_code_loads_no_compiler(code):
    assert not modules_after(code) & (SLOW | COMPILER)


def test_compiling_loads_it():
    assert modules_after("import tinymeta as tm; tm.jit(tm.exp)(1.0)") >= {"numba"} | {
        "tinymeta.jit.compile"
    }


def test_machine_code_from_the_disk_loads_nothing_that_compiles():
    code = """
import numpy as np, tinymeta as tm
x, w = np.ones((2, 6, 6, 1), np.float32), np.ones((3, 3, 1, 2), np.float32)
def f(x, w):
    y = tm.max_pool2d(tm.conv2d(x, w))
    inverse = tm.linalg.inv(tm.eye(2) * y[0, 0, 0, 0])
    return (tm.cumsum(y, -1) * y + tm.argsort(y)).sum() + inverse.sum()
step = tm.grad(f, (0, 1))
for eager, compiled in zip(step(x, w), tm.jit(step)(x, w)):
    np.testing.assert_allclose(compiled.numpy(), eager.numpy(), rtol=1e-5)
"""
    modules_after(code)  # and now it is on the disk
    assert not modules_after(code) & {"numba.np.arraymath", "numba.cpython.listobj"}


def test_names_that_come_later_are_seen_before():
    code = "import tinymeta as tm; print(*dir(tm))"
    assert modules_after(code) >= {*tm.__all__}
    assert tm.losses is tm.nn.losses and tm.Tasks is tm.data.Tasks
    with pytest.raises(AttributeError, match="module 'tinymeta' has no attribute 'nothing'"):
        _ = tm.nothing
