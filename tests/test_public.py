"""Every public name is meant: what can be reached as tm.name is listed, and the other way."""

import ast
import re
import types
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinymeta as tm
from tinymeta import __main__ as public_names

ROOMS = {
    "tinymeta": tm,
    "nn": tm.nn,
    "meta": tm.meta,
    "data": tm.data,
    "ranks": tm.ranks,
    "testing": tm.testing,
    "optim": tm.optim,
    "losses": tm.losses,
    "linalg": tm.linalg,
}


@pytest.mark.parametrize("name", ROOMS)
def test_what_is_listed_is_there_once(name):
    listed = ROOMS[name].__all__
    assert len(set(listed)) == len(listed)
    assert not [n for n in listed if not hasattr(ROOMS[name], n)]


@pytest.mark.parametrize("name", ["tinymeta", "nn", "meta", "data", "testing"])
def test_what_is_there_is_listed(name):
    """But for the files of a room, which Python makes its attributes, and what pytest adds.

    Pytest rewrites the asserts of a package that brings a plugin: "@py_builtins" is what it needs.
    """
    room = ROOMS[name]
    found = {
        n
        for n, x in vars(room).items()
        if not n.startswith(("_", "@"))
        and not (isinstance(x, types.ModuleType) and x.__name__.startswith(f"{room.__name__}."))
    }
    assert found - {*room.__all__, "LAZY", "TYPE_CHECKING", "import_module"} == set()


def test_files_of_operations_are_no_names_of_the_package():
    for name in (
        "conv",
        "pool",
        "index",
        "reduce",
        "checks",
        "compose",
        "create",
        "derivatives",
        "promote",
        "movement",
        "OPERATORS",
        "method",
        "logic",
        "both",
    ):
        assert not hasattr(tm, name)


def test_the_page_of_public_names_is_what_the_command_prints():
    page = Path(__file__).resolve().parent.parent / "examples" / "API.md"
    assert page.read_text() == public_names.page(), (
        "the public names have changed: python -m tinymeta > examples/API.md"
    )


ROOT = Path(__file__).parent.parent
FOLDERS = "tinymeta", "tests", "benchmarks", "examples"


def functions_and_constants(tree: ast.Module) -> Iterator[str]:
    """The names that a file defines for the whole of it, but for classes and types.

    Of these, what is made in one file is used in others, which need not name them.
    """
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            stored = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
            yield from (n.id for n in stored if isinstance(n.ctx, ast.Store) and is_no_type(n.id))


def is_no_type(name: str) -> bool:
    return name.isupper() or name.islower()


def test_what_only_its_own_file_uses_begins_with_an_underscore():
    """But for the primitives, which are found by their names, and what is public."""
    texts = {file: file.read_text() for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")}
    pages = [page.read_text() for page in (*ROOT.glob("*.md"), *(ROOT / "examples").glob("*.md"))]
    files_with = Counter(
        word for t in (*texts.values(), *pages) for word in {*re.findall(r"\w+", t)}
    )
    own = []
    for file, text in texts.items():
        if "tinymeta" not in file.relative_to(ROOT).parts:
            continue
        for name in functions_and_constants(ast.parse(text)):
            is_named = name[0] != "_" and not name.endswith("_p") and f'"{name}"' not in text
            if files_with[name] == 1 and is_named:
                own.append(f"{file.name}: {name}")
    assert not own
