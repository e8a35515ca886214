"""The benchmark of the checkers: some of its cases in each framework, and what it prints."""

import warnings

import pytest

from benchmarks import checker_cases, checker_cases_after, checkers

pytestmark = pytest.mark.peers
NAMES = [
    "exp, a thousandth too large",
    "exp, its value cut off",
    "keeps the inputs of its first call",
]


@pytest.fixture(autouse=True)
def quietly():
    with warnings.catch_warnings():  # of what the frameworks do while they are imported
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("framework", checkers.MAKERS)
def test_faults_are_found_and_right_functions_pass(framework):
    pytest.importorskip(framework)
    every = checker_cases.FAULTS + checker_cases_after.FAULTS
    faults = checkers.judged(framework, [case for case in every if case.name in NAMES])
    right = checkers.judged(framework, checker_cases.RIGHT[:1])
    assert {v.said for _, v in faults["check_grads"]} == {"wrong"}
    assert {v.said for pairs in right.values() for _, v in pairs} == {"right"}
    for name in faults:
        line = checkers.row(name, framework, faults[name], right[name])
        assert line.count("|") == checkers.HEADER.splitlines()[0].count("|")
        assert "| 0 of 1 |" in line, "no false alarm"


def test_the_list_has_no_case_twice_and_a_third_was_written_after():
    before = checker_cases.FAULTS + checker_cases.RIGHT
    after = checker_cases_after.FAULTS + checker_cases_after.RIGHT
    names = [case.name for case in before + after]
    faults = len(checker_cases.FAULTS + checker_cases_after.FAULTS)
    assert faults >= 70 and len(names) - faults >= 30 and 3 * len(after) >= len(names)
    assert {name for name in names if names.count(name) > 1} <= {"matmul", "convolution", "exp"}
