"""How dense code is to read: nodes a line, comments, annotations, the length of names.

    python -m benchmarks density                        # tinymeta, room by room
    python -m benchmarks density FOLDER [FOLDER ...]    # any other code, to compare with
    python -m benchmarks density --no-tables            # without what is aligned by hand

It reads source and runs none of it. Per room, that is, per folder directly below the one given
(`.` are the files of that folder itself, `all` is everything in it), of all its .py files:

code lines     lines with at least one token of code; docstrings, comments and blank lines are none
nodes a line   nodes of the syntax tree over code lines; counted is all that `ast.walk` gives, with
               contexts (Load, Store, Del), operators, and a docstring as the two nodes that it is
comments       comment tokens for 1,000 nodes; docstrings are none
annotated      the share of arguments with an annotation, of those of all `def` and `async def`,
               *args and **kwargs too; `self` and `cls` are no arguments here, nor are lambdas'
name length    the mean length of the names that a file defines, each once a file: functions,
               classes, arguments (as above, and lambdas'), and variables that are assigned (in
               loops, `with` and comprehensions too); not attributes, imports and exceptions
public         functions, classes and variables that a file's top level defines without a leading
               underscore; not those that it imports or defines inside `if`, `try` or `with`

Files that are no Python of this version are left out, and listed. A table, such as that of the
derivative rules, is what stands between `# fmt: off` and `# fmt: on`: one entry a line is how it
is read, however many nodes that has.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
WITH_DOCSTRING = (ast.Module, ast.ClassDef, *FUNCTIONS)
COLUMNS = ("code lines", "nodes a line", "comments", "annotated", "name length", "public")


class Counts(NamedTuple):
    """What is counted in a text, or in several together; the figures are ratios of these."""

    lines: int = 0
    nodes: int = 0
    comments: int = 0
    arguments: int = 0
    annotated: int = 0
    names: int = 0
    letters: int = 0  # of the names
    public: int = 0


def count(text: str) -> Counts:
    """The counts of one file's text. Raises SyntaxError and ValueError for what is no Python."""
    tree = ast.parse(text)
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    arguments = [
        argument
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS)
        for argument in _arguments(node.args)
    ]
    names = _defined_names(tree)
    return Counts(
        lines=len(_code_lines(tree, tokens)),
        nodes=sum(1 for _ in ast.walk(tree)),
        comments=sum(token.type == tokenize.COMMENT for token in tokens),
        arguments=len(arguments),
        annotated=sum(argument.annotation is not None for argument in arguments),
        names=len(names),
        letters=sum(map(len, names)),
        public=len(_public_names(tree)),
    )


def _code_lines(tree: ast.Module, tokens: list[tokenize.TokenInfo]) -> set[int]:
    """The numbers of the lines on which code stands; a string over many lines stands on all."""
    docstring_lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            last = docstring.end_lineno or docstring.lineno
            docstring_lines.update(range(docstring.lineno, last + 1))
    lines: set[int] = set()
    for token in tokens:
        is_docstring = token.type == tokenize.STRING and token.start[0] in docstring_lines
        if token.type not in NOT_CODE and not is_docstring:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    """All arguments of a function but self and cls."""
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [starred for starred in (arguments.vararg, arguments.kwarg) if starred]
    return [argument for argument in every if argument.arg not in ("self", "cls")]


def _defined_names(tree: ast.Module) -> set[str]:
    """The names of functions, classes, arguments and variables that a file defines."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            names.add(node.name)
        if isinstance(node, (*FUNCTIONS, ast.Lambda)):
            names.update(argument.arg for argument in _arguments(node.args))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def _public_names(tree: ast.Module) -> set[str]:
    """The names without a leading underscore that the top level of a file defines."""
    names = set()
    for statement in tree.body:
        if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            names.add(statement.name)
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for node in (node for target in targets for node in ast.walk(target)):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    names.add(node.id)
    return {name for name in names if not name.startswith("_")}


def without_tables(text: str) -> str:
    """The text without the lines from `# fmt: off` to `# fmt: on`, these two included."""
    kept = []
    in_table = False
    for line in text.splitlines(keepends=True):
        mark = line.strip()
        in_table = in_table or mark == "# fmt: off"
        if not in_table:
            kept.append(line)
        in_table = in_table and mark != "# fmt: on"
    return "".join(kept)


def count_rooms(folder: Path, tables: bool = True) -> tuple[dict[str, Counts], list[Path]]:
    """The counts of each room of a folder and of "all", and the files that could not be read.

    tables: whether those aligned by hand are counted, too.
    Raises FileNotFoundError where there is no file of Python.
    """
    rooms: dict[str, Counts] = {}
    left_out = []
    for path in sorted(folder.rglob("*.py")):
        try:
            with tokenize.open(path) as file:  # decodes as the file declares
                text = file.read()
            found = count(text if tables else without_tables(text))
        except (SyntaxError, ValueError, tokenize.TokenError):
            left_out.append(path)
            continue
        parts = path.relative_to(folder).parts
        for room in (parts[0] if len(parts) > 1 else ".", "all"):
            rooms[room] = _add(rooms.get(room, Counts()), found)
    if not rooms:
        raise FileNotFoundError(f"{folder} has no file of Python")
    rooms["all"] = rooms.pop("all")  # the last row
    return rooms, left_out


def _add(one: Counts, other: Counts) -> Counts:
    return Counts(*(a + b for a, b in zip(one, other)))


def density(folders: list[str], tables: bool = True) -> str:
    """What was counted in these folders, a table of each; tables: see `count_rooms`.

    Raises FileNotFoundError for a folder that has no file of Python.
    """
    return "\n\n".join("\n".join(_table(Path(folder), tables)) for folder in folders)


def _table(folder: Path, tables: bool) -> Iterator[str]:
    """The lines of one folder's table."""
    rooms, left_out = count_rooms(folder, tables)
    width = max(len(str(folder)), *map(len, rooms))
    yield f"{folder!s:{width}}" + "".join(f"  {column:>12}" for column in COLUMNS)
    for room, counts in rooms.items():
        figures = (
            f"{counts.lines}",
            f"{counts.nodes / max(counts.lines, 1):.1f}",
            f"{1000 * counts.comments / max(counts.nodes, 1):.1f}",
            f"{counts.annotated / counts.arguments:.0%}" if counts.arguments else "-",
            f"{counts.letters / counts.names:.1f}" if counts.names else "-",
            f"{counts.public}",
        )
        yield f"{room:{width}}" + "".join(f"  {figure:>12}" for figure in figures)
    if left_out:
        yield f"left out, no Python of this version: {', '.join(map(str, left_out))}"
