"""`python -m benchmarks density`: what it counts in texts whose counts are known by hand."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent))
from benchmarks import __main__ as command
from benchmarks.density import COLUMNS, Counts, count, count_rooms, density, without_tables

TEXT = '''"""A docstring
of two lines."""

import math  # a comment

# another one
SIZE: int = 2


def area(radius: float, *rest, scale=SIZE):
    """One line."""
    return math.pi * radius


class _Shape:
    """A name that is not public."""

    def grow(self, by: int):
        text = """a string,
no docstring"""
        return lambda x: x
'''
NODES = (
    1  # Module
    + 2  # its docstring: Expr, Constant
    + 2  # Import, alias
    + 6  # AnnAssign, Name, Store, and of its annotation Name, Load, and Constant
    + 9  # FunctionDef, arguments, three arg, an annotation of Name, Load, a default of Name, Load
    + 2  # its docstring
    + 9  # Return, BinOp, Mult, Attribute, Load, its Name, Load, and Name, Load
    + 3  # ClassDef and its docstring
    + 6  # FunctionDef, arguments, two arg, an annotation of Name, Load
    + 4  # Assign, Name, Store, Constant
    + 6  # Return, Lambda, arguments, arg, Name, Load
)


def test_a_text_that_is_counted_by_hand():
    names = ["SIZE", "area", "radius", "rest", "scale", "_Shape", "grow", "by", "text", "x"]
    assert count(TEXT) == Counts(
        lines=9,  # import, SIZE, def, return, class, def, text on two, return
        nodes=NODES,
        comments=2,
        arguments=4,  # radius, rest, scale, by
        annotated=2,
        names=len(names),
        letters=sum(map(len, names)),
        public=2,  # SIZE, area
    )


@pytest.mark.parametrize(
    "text, lines, nodes",
    [
        ("", 0, 1),
        ("# a comment\n\n", 0, 1),
        ('def f(): "a docstring beside its def"\n', 1, 5),  # Module, FunctionDef, arguments, 2
        (
            "x = (\n    1,  # one\n\n    2,\n)\n",
            4,
            8,
        ),  # Module, Assign, Name, Store, Tuple, Load, 2
        ("async def f(a, /, *, b): ...\n", 1, 7),  # with two arg, and Expr and Constant
    ],
)
def test_lines_and_nodes(text, lines, nodes):
    found = count(text)
    assert (found.lines, found.nodes) == (lines, nodes)


def test_names_are_counted_once_a_file_and_public_ones_at_the_top_level():
    found = count(
        "a, (b, _c) = 1, (2, 3)\na = b\nfor loop in []:\n    inner = 1\nx.attribute = 1\n"
    )
    assert found.names == 5 and found.letters == len("ab_cloopinner")
    assert found.public == 2  # a, b


def test_rooms_are_folders_and_what_is_no_python_is_left_out(tmp_path):
    (tmp_path / "one" / "deep").mkdir(parents=True)
    (tmp_path / "top.py").write_text("x = 1\n")
    (tmp_path / "one" / "a.py").write_text("x = 1\ny = 2\n")
    (tmp_path / "one" / "deep" / "b.py").write_text("z = 3\n")
    (tmp_path / "one" / "old.py").write_text("print 'two'\n")
    rooms, left_out = count_rooms(tmp_path)
    assert {room: counts.lines for room, counts in rooms.items()} == {"one": 3, ".": 1, "all": 4}
    assert list(rooms)[-1] == "all" and left_out == [tmp_path / "one" / "old.py"]
    assert "left out" in density([str(tmp_path)])


def test_tables_can_be_left_out(tmp_path, capsys):
    around = "before = 1\n", "after = 2\n"
    table = "# fmt: off\nadd = rule(1),  rule(2)\nmul = rule(3),  rule(4)\n# fmt: on\n"
    assert without_tables(table.join(around)) == "".join(around)
    unended = table.removesuffix("# fmt: on\n")
    assert without_tables(around[0] + unended) == around[0]
    (tmp_path / "a.py").write_text(table.join(around))
    for options, lines in (([], "4"), (["--no-tables"], "2")):
        command.main(["density", *options, str(tmp_path)])
        assert capsys.readouterr().out.splitlines()[-1].split()[1] == lines


def test_the_command_prints_a_table_for_each_folder(tmp_path, capsys):
    (tmp_path / "a.py").write_text("def f(x: int, y): return x  # a comment\n")
    command.main(["density", str(tmp_path), str(tmp_path)])
    head, row, total, blank, *again = capsys.readouterr().out.splitlines()
    assert all(column in head for column in COLUMNS) and again == [head, row, total] and not blank
    assert row.split() == [".", "1", "10.0", "100.0", "50%", "1.0", "1"]


def test_a_folder_without_python_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main(["density", str(tmp_path)])
    assert "has no file of Python" in capsys.readouterr().err.splitlines()[-1]
