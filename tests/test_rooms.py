"""The door signs tell the truth: each room imports exactly the rooms that its sign names."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "tinymeta"
ROOMS = sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py"))
HOLDERS = (ast.stmt, ast.excepthandler, ast.match_case)  # where an import can be: in no expression
LINES = ("Here", "Imports", "Never", "Add one", "Tests")


def sign(room: str) -> dict:
    doc = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text())) or ""
    return dict(re.findall(rf"^({'|'.join(LINES)})\s+(.*)$", doc, re.MULTILINE))


@cache
def imported_names(file: Path, types: bool = True) -> set[str]:
    """What a file imports, wherever in the file; types: also what it needs for its types alone."""
    package = ("tinymeta", *file.relative_to(PACKAGE).parts[:-1])
    names, nodes = set(), [ast.parse(file.read_text())]
    while nodes:
        node = nodes.pop()
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)) or types:
            nodes += [child for child in ast.iter_child_nodes(node) if isinstance(child, HOLDERS)]
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            module = ".".join((*base, *filter(None, [node.module])))
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def rooms_imported(file: Path) -> set[str]:
    """The rooms of this package that a file imports."""
    parts = [name.split(".") for name in imported_names(file)]
    return {p[1] for p in parts if p[0] == "tinymeta" and len(p) > 1 and p[1] in ROOMS}


@cache
def imports_of(room: str) -> set[str]:
    return set().union(*map(rooms_imported, (PACKAGE / room).glob("*.py"))) - {room}


@pytest.mark.parametrize("room", ROOMS)
def test_the_sign_has_its_five_lines_in_order(room):
    assert tuple(sign(room)) == LINES


@pytest.mark.parametrize("room", ROOMS)
def test_the_room_imports_what_its_sign_says(room):
    listed = sign(room)["Imports"].split()
    assert imports_of(room) == set(listed) - {"nothing"}


@pytest.mark.parametrize("room", ROOMS)
def test_the_tests_named_on_the_sign_exist(room):
    folders = re.findall(r"tests/\w+/", sign(room)["Tests"])
    assert folders and all(any((ROOT / folder).glob("test_*.py")) for folder in folders)


def test_the_files_that_docstrings_name_exist():
    """By their path from the root, the package, or the file itself; by name alone, anywhere."""
    roots = (ROOT, PACKAGE, ROOT / "examples")
    names = {path.name for root in (PACKAGE, ROOT / "tests") for path in root.rglob("*.py")}
    names |= {path.name for path in (ROOT / "benchmarks").rglob("*.py")}
    missing = []
    for file in PACKAGE.rglob("*.py"):
        doc = ast.get_docstring(ast.parse(file.read_text())) or ""
        for name in re.findall(r"[\w/.-]*\w\.py\b", doc):
            is_there = any((root / name).exists() for root in (file.parent, *roots))
            if not is_there and name not in names:
                missing.append(f"{file.relative_to(ROOT)}: {name}")
    assert not missing


def test_imports_go_one_way_and_nobody_imports_testing():
    def above(room, path=()):
        assert room not in path, f"the rooms {path} import each other in a circle"
        for other in imports_of(room):
            above(other, (*path, room))

    for room in ROOMS:
        above(room)
        assert "testing" not in imports_of(room)


@pytest.mark.parametrize("room", ROOMS)
def test_inside_a_room_imports_go_one_way(room):
    """A CycleError names the files that import each other."""
    graph = {}
    for file in (PACKAGE / room).glob("*.py"):
        parts = [name.split(".") for name in imported_names(file, types=False)]
        graph[file.stem] = {p[2] for p in parts if p[:2] == ["tinymeta", room] and len(p) > 2}
    TopologicalSorter(graph).prepare()


def test_hypothesis_is_imported_in_testing_alone():
    users = {
        f.parent.name
        for f in PACKAGE.rglob("*.py")
        if re.search(r"^\s*(import|from) hypothesis", f.read_text(), re.MULTILINE)
    }
    assert users == {"testing"}


def test_import_tinymeta_does_not_need_hypothesis():
    code = "import sys, tinymeta; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_sizes(capsys):
    """Shows how large the rooms are; short by golf is not short, so no size fails."""
    with capsys.disabled():
        print()
        for room in ROOMS:
            files = sorted((PACKAGE / room).glob("*.py"))
            lines = sum(len(f.read_text().splitlines()) for f in files)
            print(f"  {room:8} {lines:5} lines in {len(files):2} files")
