"""Programs of other libraries run here with the import changed and at most three lines touched.

Each is there twice: as it was written, for HIPS autograd, micrograd or NumPy, and ported.
"""

import difflib
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

import tinymeta as tm

HERE = Path(__file__).parent
WRITTEN_FOR = {
    "hips_tutorial": "autograd",
    "micrograd_moons": "micrograd",
    "logistic_regression": "numpy",
}
MOST_LINES = 3


def loaded(name):
    """The program as a module."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name):
    """What the program's `main` returns, as arrays."""
    return [as_array(x) for x in loaded(name).main()]


def as_array(x):
    is_value = type(x).__module__.startswith("micrograd")
    return np.asarray(x.data if is_value else x)


def is_import(line):
    return re.match(r"(import|from) ", line) is not None


def touched_lines(name):
    """(lines that differ, the larger of those taken and those put; their imports)."""
    original, ported = ((HERE / f"{n}.py").read_text() for n in (name, f"{name}_ported"))
    found = {"-": [], "+": []}
    for line in difflib.ndiff(original.splitlines(), ported.splitlines()):
        if line[0] in found and line[2:].strip():
            found[line[0]].append(line[2:])
    counts = [sum(not is_import(line) for line in lines) for lines in found.values()]
    imports = [line for line in found["+"] if is_import(line)]
    return max(counts), imports


@pytest.mark.parametrize("name", WRITTEN_FOR)
def test_no_more_than_the_import_and_three_lines_differ(name):
    count, imports = touched_lines(name)
    assert count <= MOST_LINES
    assert imports and all("tinymeta" in line for line in imports)


@pytest.mark.parametrize(
    "name",
    [
        "logistic_regression",
        pytest.param("hips_tutorial", marks=pytest.mark.peers),
        pytest.param("micrograd_moons", marks=pytest.mark.peers),
    ],
)
def test_it_computes_what_the_original_computes(name):
    """In float64, where it is well conditioned; masks and classes to the last."""
    pytest.importorskip(WRITTEN_FOR[name])
    ours, theirs = run(f"{name}_ported"), run(name)
    assert len(ours) == len(theirs)
    for mine, expected in zip(ours, theirs):
        assert mine.shape == expected.shape
        rtol = 1e-6 if mine.dtype == np.float32 else 1e-10
        np.testing.assert_allclose(mine, expected, rtol=rtol, atol=1e-10)


def test_the_moons_are_learned():
    """What is known of the result where micrograd is not installed."""
    results = run("micrograd_moons_ported")
    curve, scores = results[:20], results[-16:]
    assert curve[-1] < 0.5 * curve[0]
    labels = np.where(np.arange(16) % 2 == 0, 1, -1)
    assert np.mean(np.sign(scores) == labels) > 0.8


def test_the_derivatives_of_tanh_are_its_closed_forms():
    y, first, second, *_ = run("hips_tutorial_ported")
    np.testing.assert_allclose(first, 1 - y**2, rtol=1e-12)
    np.testing.assert_allclose(second, -2 * y * (1 - y**2), rtol=1e-9, atol=1e-14)


def test_the_step_of_a_ported_program_can_be_compiled():
    module = loaded("logistic_regression_ported")
    x, labels = module.clusters(np.random.default_rng(1), 20)
    args = np.ones((3, 3)), x, np.eye(3)[labels]
    np.testing.assert_allclose(
        tm.jit(module.slope)(*args).numpy(), module.slope(*args).numpy(), rtol=1e-12
    )
