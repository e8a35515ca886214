"""Wrong arguments: each call ends in a result or in one sentence of ours."""

import warnings

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import calls, wrong_argument_texts
from tinymeta.testing.argument_texts import eval_text
from tinymeta.testing.arguments import Call, check_call, each_wrong_argument, main, survey


@pytest.mark.parametrize("part", range(8))
def test_each_wrong_argument_ends_in_a_result_or_in_one_sentence(part):
    functions = calls.public_callables()[part::8]
    assert len(functions) > 10
    for call in each_wrong_argument(functions):
        check_call(call)


def test_so_do_random_calls():
    found = survey().round(300)
    assert found.passed, str(found)


def test_each_wrong_argument_is_given_once_beside_right_ones():
    given = list(each_wrong_argument(("tm.zeros",)))
    count = sum(len(wrong_argument_texts.wrong_texts(name)) for name in ("shape", "dtype"))
    assert len(given) == len(set(given)) == count
    assert given[0] == Call("tm.zeros", ("None",)) and given[-1].kwargs[0][0] == "dtype"


def test_values_are_known_for_every_parameter():
    for callee in calls.public_callables():
        for p in calls.parameters_of(callee):
            if p.kind is not p.VAR_KEYWORD:
                for text in calls.right_texts(callee, p.name):
                    eval_text(text)
    for text in wrong_argument_texts.WRONG + wrong_argument_texts.HUGE:
        eval_text(text)


def test_what_is_left_out_is_there():
    assert all(callable(eval_text(name)) for name in calls.LEFT_OUT)
    assert not {*calls.LEFT_OUT} & {*calls.public_callables()}


def two_lines(x):
    raise ValueError("sum: one\nand another")


BAD = {
    "raises what nobody promised": (lambda x: x.shape, "AttributeError: .*is none of the errors"),
    "raises by accident": (lambda x: len(x), "TypeError: .*is raised by a line|does not name"),
    "speaks of another": (
        lambda x: tm.max(tm.ones(2), x),
        "ValueError: max: .*does not name .* called, sum",
    ),
    "lets NumPy speak": (lambda x: np.ones(2).sum(axis=7), "AxisError: .*does not name"),
    "says two lines": (two_lines, "is not one sentence"),
    "warns": (lambda x: warnings.warn("sum: so so", stacklevel=1), "UserWarning: sum: so so"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_outcome_is_found(kind, monkeypatch):
    wrong, message = BAD[kind]
    monkeypatch.setattr(tm, "sum", wrong)
    with pytest.raises(AssertionError, match=f"(?s){message}"):
        check_call(Call("tm.sum", ("5",)))


def test_a_bad_call_is_shrunk_and_shown_as_one_writes_it(monkeypatch):
    monkeypatch.setattr(tm, "zeros", lambda shape, dtype=np.float32: np.zeros(shape, dtype))
    found = survey(("tm.zeros",)).round(200)
    assert not found.passed and str(found.failure).startswith("tm.zeros(")


def test_the_command(capsys, monkeypatch):
    monkeypatch.setattr("tinymeta.testing.survey.A_ROUND", 20)
    assert main(["--minutes", "0.01", "--seed", "3"]) == 0
    assert "failed 0" in capsys.readouterr().out
