"""--evaluate: what a file may say about the run that it came from, and what it may not."""

import argparse
import sys

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.runs import flags as common_flags
from tinymeta.runs import images


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """evaluated(config, *flags): the arguments of an example that judges a run with this config."""

    def flags_read(config, *flags):
        file = tmp_path / "run.npz"
        tm.save(file, np.zeros(1), about={"config": config})
        monkeypatch.setattr(sys, "argv", ["example", *flags, "--evaluate", str(file)])
        p = common_flags.parser("an example", filters=32)
        images.add_image_flags(p, "random", "vinyals")
        p.add_argument("--method", choices=("maml", "anil"), default="maml")
        p.add_argument("--filters", type=int)
        p.add_argument("--chunks", type=int, default=2)
        p.add_argument("--ways", type=int, nargs="+", default=[5])
        return common_flags.parse_flags(p), p.parse_args([])

    return flags_read


def test_what_makes_the_model_and_its_tasks_is_taken_over(evaluated):
    config = {
        "way": 20,
        "beta": 0.1 + 0.2,
        "decay": True,
        "data": "omniglot",
        "split": "vinyals",
        "method": "anil",
        "filters": 4,
        "ways": [7, 8],
        "seed": 3,
        "steps": 1,
    }
    a, _ = evaluated(config)
    assert {key: vars(a)[key] for key in config} == config


def test_what_is_typed_wins(evaluated):
    a, _ = evaluated({"way": 20, "filters": 4}, "--way", "3")
    assert (a.way, a.filters) == (3, 4)


@pytest.mark.parametrize(
    "key, value",
    [
        ("out", "elsewhere"),
        ("root", "elsewhere"),
        ("load", "elsewhere"),
        ("resume", True),
        ("device", "cuda"),
        ("no_jit", True),
        ("chunks", 1000),
        ("test_tasks", 10**9),
        ("every", 0.0),
        ("ou", "elsewhere"),
        ("help", True),
        ("method=maml --out", "elsewhere"),
        ("evaluate", "other"),
    ],
)
def test_what_is_read_written_and_how_is_never_taken(key, value, evaluated):
    a, plain = evaluated({key: value})
    assert vars(a) == vars(plain) | {"evaluate": a.evaluate} and a.evaluate.name == "run.npz"


@pytest.mark.parametrize(
    "config",
    [
        [1],
        "text",
        7,
        None,
        {"method": "nope"},
        {"method": "--out=elsewhere"},
        {"filters": "--resume"},
        {"filters": 2.5},
        {"filters": True},
        {"filters": False},
        {"filters": None},
        {"filters": [4, 5]},
        {"filters": {"a": 1}},
        {"filters": "x" * 10**5},
        {"way": "four\nlines"},
        {"beta": "fast"},
        {"decay": 1.5},
        {"decay": "False"},
        {"ways": ["5", "--out=elsewhere"]},
        {"ways": []},
        {"ways": [5, 2.5]},
        {"split": ["vinyals", "--out", "elsewhere"]},
        {"seed": 10**30 + 0.5},
    ],
    ids=lambda config: repr(config)[:40],
)
def test_what_could_not_be_typed_is_refused_in_a_sentence(config, evaluated):
    with pytest.raises(SystemExit) as told:
        evaluated(config)
    said = told.value.code
    assert said.startswith("error: ") and "run.npz was not saved by this example (" in said
    assert "\n" not in said and len(said) < 500


def test_a_file_that_tells_no_flags_is_judged_with_the_defaults(evaluated):
    a, plain = evaluated({})
    assert argparse.Namespace(**vars(a) | {"evaluate": None}) == plain
