"""One word, one meaning: the glossary's terms are used, and names that were given up are gone."""

import ast
import builtins
import keyword
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "examples" / "GLOSSARY.md"
# Identifiers that had a standard term (as English words they may stand in sentences).
RETIRED = """
    Line Lines Own OWN Walk walks lies walked settled Mixed Room lined_up Desk desk Crew crew Helper
    mail LETTERS bed LOOKS exchanged joined wins gate widen spread pull_back lines_between
    judged held told felt shaken Unfit Shorter rebuilt Told blaming speaking WEAK Unknown
    Planned Parallel made_ready kept_strides line_of paper
    doorway Maker letters looks taken_apart watched watching rides stored_layout
""".split()


def rows() -> list[tuple[str, str, str]]:
    """(term, meaning, file) of each row of the glossary."""
    text = GLOSSARY.read_text()
    return re.findall(r"^\| ([^|]+?)(?: \*)? \| ([^|]+) \| `([^|]+)` \|$", text, re.MULTILINE)


@cache
def identifiers(path: Path) -> set[str]:
    """Every name that a file defines, takes, imports or reads, attributes included.

    Without underscores at its ends: what is private has to be called by its name, too.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        fields = ("id", "attr", "arg", "name", "asname")
        names = [getattr(node, f, None) for f in fields]
        found |= {name.strip("_") for name in names if isinstance(name, str)}
    return found


def test_the_glossary_has_rows():
    assert len(rows()) > 20


@pytest.mark.parametrize("term, meaning, path", rows())
def test_a_term_of_the_glossary_is_used_in_its_file(term, meaning, path):
    text = (ROOT / "tinymeta" / path).read_text().lower()
    assert all(word in text for word in re.split(r", | ", term)), f"{path} does not say {term}"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tinymeta").rglob("*.py")), ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_no_identifier_is_a_retired_one(path):
    assert not identifiers(path) & set(RETIRED)


# Names of other libraries, and of what is generated.
ELSEWHERE = {
    "leaf0",
    "leaf1",
    "nv_name",
    "nv_namef",
    "x0_0",
    "x0_d",
    "x0_s1",
    "setup_context",
    "in_axes",
}


def test_a_name_in_backticks_is_one_that_there_is():
    """In docstrings and comments; as an identifier, or a string, of any file of the package."""
    texts = {path: path.read_text() for path in (ROOT / "tinymeta").rglob("*.py")}
    known = {*keyword.kwlist, *dir(builtins), *ELSEWHERE}
    for path, text in texts.items():
        known |= identifiers(path) | {*re.findall(r"""["'](\w+)["']""", text)}
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path, text in texts.items()
        for name in re.findall(r"`_*(\w*?[a-zA-Z]\w*?)_*`", text)
        if name not in known
    ]
    assert not missing


def reading_table() -> list[tuple[int, list[Path]]]:
    """(lines, files) of each row of the README's reading order."""
    found = []
    for line in (ROOT / "README.md").read_text().splitlines():
        row = re.fullmatch(r"\| (\d+) \| \d+ \| (`[^|]+`) \| [^|]+ \|", line)
        if row:
            names = re.findall("`([^`]+)`", row[2])
            inside = [ROOT / "tinymeta" / name for name in names]
            paths = [path if path.exists() else ROOT / name for path, name in zip(inside, names)]
            found.append((int(row[1]), paths))
    return found


def test_the_reading_table_says_how_much_there_is_to_read():
    assert len(reading_table()) > 10
    for lines, paths in reading_table():
        files = [
            file for path in paths for file in (path.glob("*.py") if path.is_dir() else [path])
        ]
        found = sum(len(file.read_text().splitlines()) for file in files)
        assert abs(found - lines) < 0.1 * found, f"{paths[0].name} and so on have {found} lines"
