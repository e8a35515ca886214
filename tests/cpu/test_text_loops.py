"""The eager kernel of a text on large arrays: a compiled loop, with NumPy's results."""

from itertools import product

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.core.text import parsed
from tinymeta.cpu import elementwise, text_loops
from tinymeta.cpu.elementwise import compile_text

SHAPE = (3, 5, 17)
X = np.random.default_rng(0).normal(size=(8, *SHAPE)).astype(np.float32)
RECORDS = np.zeros(SHAPE, [("x", np.float32), ("n", np.int16)])
RECORDS["x"] = X[7]
OPERANDS = {
    "as out": X[0],
    "a number": X[0, 0, 0, 0].reshape(()),
    "a number for each row": np.broadcast_to(X[1, :, :, :1], SHAPE),
    "a row for all": np.broadcast_to(X[2, 0, 0], SHAPE),
    "a number for all": np.broadcast_to(X[3, 0, 0, 0], SHAPE),
    "rows backwards": X[4, ::-1, ::-1],
    "for the first axis": np.broadcast_to(X[5, :, :1, :1], SHAPE),
    "columns backwards": X[4, ..., ::-1],
    "transposed": X[6].reshape(17, 5, 3).T,
    "a field of records": RECORDS["x"],
    "in the middle": np.broadcast_to(X[7, :1, :, :1], SHAPE),
}


@pytest.fixture(autouse=True)
def small_arrays_are_large(monkeypatch):
    monkeypatch.setattr(elementwise, "_LARGE", 1)


@pytest.fixture
def loops(monkeypatch):
    """The texts that were run in a loop."""
    found = []

    def run(text, layout, out, arrays):
        found.append(text)
        right(text, layout, out, arrays)

    right = text_loops.run_in_a_loop
    monkeypatch.setattr(text_loops, "run_in_a_loop", run)
    return found


def by_ufuncs(text, *arrays):
    out = np.empty(SHAPE, np.float32)
    elementwise._nested_ufuncs(parsed(text))(out, *arrays)
    return out


@pytest.mark.parametrize("text", ["a - b", "where(a > b, exp(-a), 0.5) * c"])
def test_operands_of_every_layout(text):
    kernel = compile_text(text)
    for operands in product(OPERANDS, repeat=2):
        arrays = [OPERANDS[name] for name in operands] + [X[7]] * ("c" in text)
        out = np.full(SHAPE, np.nan, np.float32)
        kernel(out, *arrays)
        np.testing.assert_allclose(out, by_ufuncs(text, *arrays), 3e-7, err_msg=str(operands))


def test_what_is_a_loop(loops):
    x, bias = X[0], OPERANDS["a row for all"]
    out = np.empty(SHAPE, np.float32)
    for text, arrays in {"exp(a)": (x,), "a + b": (x, bias), "tanh(a) * b": (x, bias)}.items():
        compile_text(text)(out, *arrays)
        assert loops.pop() == text
    compile_text("a + b")(out, x, x)  # NumPy's is as good
    compile_text("exp(a)")(np.empty(SHAPE), x.astype(np.float64))
    compile_text("exp(a)")(out, OPERANDS["transposed"])
    compile_text("exp(a) + eps")(out, x, eps=1.0)
    assert not loops


def test_small_arrays_need_no_compiler(loops, monkeypatch):
    monkeypatch.setattr(elementwise, "_LARGE", X[0].size + 1)
    compile_text("exp(a)")(np.empty(SHAPE, np.float32), X[0])
    assert not loops


def test_the_edges_are_numpys():
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -1.0, 1e-40, 100.0], np.float32)
    for f in (tm.exp, tm.log, tm.tanh, tm.sigmoid, tm.log1p, tm.sin):
        found = np.asarray(f(x))
        with np.errstate(all="ignore"):
            expected = np.asarray(f(x.astype(np.float64))).astype(np.float32)
        np.testing.assert_allclose(found, expected, 3e-7, 2e-45)


@pytest.mark.parametrize("f", [tm.softmax, tm.log_softmax, tm.logsumexp, tm.norm])
def test_gradients_of_compositions_are_those_of_small_arrays(f, monkeypatch):
    x, v = X[0, 0], X[1, 0]
    of_rows = lambda x: (f(x, axis=-1) ** 2).sum()
    found = tm.hvp(of_rows, x, v)
    monkeypatch.undo()
    np.testing.assert_allclose(found, tm.hvp(of_rows, x, v), 2e-4, 1e-5)
