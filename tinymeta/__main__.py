"""`python -m tinymeta` prints the public names on one page, as Markdown; with a command, `train`,
`evaluate` or `predict`, it learns from pictures of one's own (runs/commands.py).

`examples/API.md` is the page that it printed last.
"""

import inspect
import sys
import types
from collections.abc import Iterator

import tinymeta as tm

# By name alone: a command does without most of them, and without waiting for their imports.
_PACKAGES = "tree linalg nn losses optim meta data ranks testing".split()
_INTRODUCTION = """# Public names

Written by `python -m tinymeta > examples/API.md`; `help(tm.grad)` and so on say more. A tensor is a
`tm.Tensor`, or anything that `tm.asarray` takes.
"""


def page() -> str:
    """Every public name of every package: how it is called, and the first sentence of its help."""
    packages = {"tm": tm, **{f"tm.{name}": getattr(tm, name) for name in _PACKAGES}}
    parts = [_INTRODUCTION]
    for prefix, package in packages.items():
        parts.append(f"\n## {prefix}\n\n| | |\n|---|---|\n" + "".join(_rows(package)))
    return "".join(parts)


def _rows(package: types.ModuleType) -> Iterator[str]:
    """A row of the table for each public name that is no module."""
    for name in package.__all__:
        value = getattr(package, name)
        if not isinstance(value, types.ModuleType):
            summary = _summary(value).replace("|", "&#124;")  # a bar would end the cell
            yield f"| `{_call(name, value)}` | {summary} |\n"


def _call(name: str, value: object) -> str:
    """`name(parameters)`, without annotations; the name alone of what users do not call."""
    is_error = inspect.isclass(value) and issubclass(value, Exception)
    if not callable(value) or is_error or value is tm.Tensor:
        return name
    signature = inspect.signature(value)
    parameters = [
        p.replace(annotation=inspect.Parameter.empty, default=_Default.of(p.default))
        for p in signature.parameters.values()
    ]
    plain = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    return f"{name}{plain}"


class _Default(str):
    """A default that is shown by its name, where its own text has addresses of memory in it."""

    __repr__ = str.__str__

    @classmethod
    def of(cls, default: object) -> object:
        hidden = " at 0x" in repr(default) or repr(default).startswith("<")
        if default is inspect.Parameter.empty or not hidden:
            return default
        return cls(getattr(default, "__name__", "..."))


def _summary(value: object) -> str:
    """The first paragraph of its help that is not its signature."""
    paragraphs = (inspect.getdoc(value) or "").split("\n\n")
    if len(paragraphs) > 1 and paragraphs[0].endswith(") -> Tensor"):
        paragraphs = paragraphs[1:]
    return " ".join(paragraphs[0].split())


def _main(arguments: list[str]) -> None:
    try:
        if arguments:
            _run_command(arguments)
        else:
            _print_page()
    except KeyboardInterrupt:  # during the imports; of a training runs/training.py has more to say
        sys.exit("stopped by Ctrl-C")


def _run_command(arguments: list[str]) -> None:
    from .runs import commands  # with all that a training needs

    commands.main(arguments)


def _print_page() -> None:
    try:
        print(page(), end="")
    except ModuleNotFoundError as error:  # hypothesis, which tm.testing needs for its strategies
        sys.exit(f"the page needs {error.name}: pip install 'tinymeta[test]'")


if __name__ == "__main__":
    _main(sys.argv[1:])
