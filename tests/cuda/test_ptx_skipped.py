"""Where nothing can be emulated, the tests that need it say why they are skipped."""

import shutil

import emulated
import pytest

from tinymeta.ptx import compiler, emulator


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    compiler.compiler.cache_clear()
    yield
    compiler.compiler.cache_clear()


def test_a_missing_compiler_has_a_name(no_compiler):
    with pytest.raises(compiler.Missing, match="a C compiler on Linux is needed: gcc"):
        compiler.compiler()


def test_without_it_the_reason_is_that_of_the_skip(no_compiler):
    emulator.start.cache_clear()
    try:
        assert "gcc" in emulated.why_not_emulated()
    finally:
        emulator.start.cache_clear()


@pytest.mark.parametrize(
    "expression, wanted",
    [
        ("ptx_run", True),
        ("ptx_run and not slow", True),
        ("not ptx and not ptx_run", False),
        ("cuda", False),
        ("", False),
    ],
)
def test_a_gpu_is_emulated_if_the_tests_that_run_ptx_are_asked_for(expression, wanted):
    assert emulated.is_emulated(expression) == wanted
