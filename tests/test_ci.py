"""Continuous integration looks for each marker's tests where they are: a folder that is not named
there would be tested by nobody."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
# A marker, and what its stage is given: -m cuda tests/cuda tests/test_course.py ..
STAGES = {
    marker: re.findall(r"\btests\S*", rest)
    for marker, rest in re.findall(r"-m pytest .*-m (\w+)(.*)", SCRIPT)
}
NOT_IN_EVERY_CHANGE = {"slow"}
NO_STAGE = {"examples"}  # it leaves nothing out of the default suite


def marked(marker: str) -> set[str]:
    """The files of the tests that have this marker, as a module or each by itself."""
    paths = (ROOT / "tests").rglob("test_*.py")
    found = (p for p in paths if re.search(rf"\bmark\.{marker}\b", p.read_text(encoding="utf-8")))
    return {path.relative_to(ROOT).as_posix() for path in found}


def left_out(marker: str, given: list[str]) -> set[str]:
    """The files that have the marker and are in nothing that its stage is given."""
    return {
        path
        for path in marked(marker)
        if not any(path == each or path.startswith(f"{each}/") for each in given)
    }


@pytest.mark.parametrize("marker", sorted(STAGES))
def test_a_stage_is_given_all_files_that_have_its_marker(marker):
    assert STAGES[marker] and not left_out(marker, STAGES[marker])
    for each in STAGES[marker]:
        assert any(path.startswith(each) for path in marked(marker)), f"{each} has none"


def test_a_file_that_a_stage_is_not_given_is_found():
    assert left_out("cuda", ["tests/cuda"]) == {"tests/test_course.py"}


def test_every_marker_has_a_stage():
    lines = (ROOT / "setup.cfg").read_text(encoding="utf-8").partition("markers =\n")[2]
    markers = set(re.findall(r"^    (\w+): ", lines, re.MULTILINE))
    assert markers == set(STAGES) | NOT_IN_EVERY_CHANGE | NO_STAGE
