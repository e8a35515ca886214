"""Whole programs on the emulated GPU: python -m tinymeta.ptx PROGRAM."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.ptx_run
HERE = Path(__file__).parent
PRODUCT = """
import sys
import numpy as np
import tinymeta as tm

with tm.device(sys.argv[1]):
    x = tm.asarray(np.ones((40, 40), np.float32))
    print((x @ x).numpy().sum())
"""
FAULTY = """
import numpy as np
from tinymeta.cuda import allocate, move
from tinymeta.cuda.movement import copy

x, out = move(np.ones(4, np.float32), "cuda"), allocate((4,), np.float32)
copy(out, x.view((4,), (2,)))
"""


def run(tmp_path, text, *arguments):
    program = tmp_path / "program.py"
    program.write_text(text)
    paths = os.pathsep.join([str(HERE), *filter(None, sys.path)])
    command = [sys.executable, "-m", "tinymeta.ptx", str(program), *arguments]
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_a_program_runs_and_what_its_kernels_did_is_told(tmp_path):
    done = run(tmp_path, PRODUCT, "cuda")
    assert (done.returncode, done.stdout) == (0, "64000.0\n"), done.stderr
    assert "FFMA" in done.stderr and "product.kernel" in done.stderr


def test_a_fault_of_a_program_is_its_exit_status(tmp_path):
    done = run(tmp_path, FAULTY)
    assert done.returncode == 1
    assert "4 bytes outside of all blocks by thread" in done.stderr
