"""The command that injects faults: it finds what is wrong, and nothing where nothing is wrong."""

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent))
import tinymeta as tm
from benchmarks import faults, interrupted


def test_where_nothing_is_wrong_nothing_is_found(capsys):
    assert faults.main(["--only", "archives", "checkpoints", "--scale", "0.01"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split("  ")[-1] == "what went wrong"
    assert [row.split() for row in rows] == [
        ["archives", "5", "5", "nothing"],
        ["checkpoints", "3", "3", "nothing"],
    ]


def test_a_loader_that_returns_wrong_numbers_is_found(monkeypatch, capsys):
    monkeypatch.setattr(tm, "load", lambda path: np.zeros(3))
    assert faults.main(["--only", "archives", "--scale", "0.01"]) == 1
    (found,) = [row for row in capsys.readouterr().out.splitlines() if row.startswith("archives")]
    assert found.split()[1:3] == ["5", "0"] and "AssertionError" in found


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_killed_run_that_ends_with_other_bits_is_found(monkeypatch, capsys):
    """One run of the smallest example, killed at once: the fault is in what all of them share."""
    flags = {"maml_sinusoid": "--iterations 3 --tasks 3 --no-jit"}
    monkeypatch.setattr(interrupted, "FLAGS", flags)
    monkeypatch.setattr(random.Random, "uniform", lambda self, low, high: low)  # when it is killed
    monkeypatch.setattr(interrupted, "saved_bits", lambda out: object())  # each run has its own
    assert faults.main(["--only", "killed", "--scale", "0.001"]) == 1
    (found,) = [row for row in capsys.readouterr().out.splitlines() if row.startswith("killed")]
    assert found.split(maxsplit=3)[1:] == [
        "1",
        "0",
        "1 x maml_sinusoid ended with other bits than uninterrupted",
    ]
