"""tests/README.md, the audit of the checks, has a line for each generator and property test."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "tinymeta"
AUDIT = (TESTS / "README.md").read_text(encoding="utf-8")
# What draws: an example for each run of a test, or a search among them.
DRAWS = re.compile(r"^@given|^@hypothesis\.given|\bsurvey\(", re.MULTILINE)


def property_tests():
    files = [p for p in sorted(TESTS.rglob("test_*.py")) if p.name != Path(__file__).name]
    found = [p for p in files if DRAWS.search(p.read_text("utf-8"))]
    return [p.relative_to(TESTS).as_posix() for p in found]


@pytest.mark.parametrize("file", property_tests())
def test_a_property_test_says_what_it_draws(file):
    assert f"| `{file}`" in AUDIT or f", `{file}`" in AUDIT


def test_what_the_audit_names_exists():
    for name in re.findall(r"`([a-z_/]+\.py)`", AUDIT):
        places = [TESTS / name, PACKAGE / name, TESTS.parent / "examples" / name]
        assert any(p.is_file() for p in places), name


def test_every_search_and_every_list_of_faults_has_a_line():
    for path in sorted((PACKAGE / "testing").glob("*.py")):
        text = path.read_text("utf-8")
        if "def survey(" in text or re.search(r"^@fault\(|^FAULTS: dict", text, re.MULTILINE):
            named = f"testing/{path.name}" in AUDIT or f"check_{path.stem}" in AUDIT
            assert named, path.name
