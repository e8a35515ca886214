"""The documentation as one static site: what is read here on paper, with links that are checked.

    pip install -e '.[docs,test]'
    python examples/website.py              writes out/site/: open out/site/index.html in a browser

The public API from the docstrings (by pdoc), the course, the explorer's page of a conv4 meta-step
and the MAML page, and every Markdown page, RESULTS.md among them. It needs no server. A link to a
page, a file or a heading that is not there ends the build with a sentence. One to two minutes.
"""

import argparse
import html
import importlib
import os
import re
import shutil
import sys
import time
import urllib.parse
from pathlib import Path

import console  # noqa: F401  from here on Ctrl-C is one sentence
import explain_step
import maml_explorer
import numpy as np
from website_links import broken_links

import tinymeta as tm

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md",
    "examples/RESULTS.md",
    "examples/GLOSSARY.md",
    "examples/API.md",
    "examples/course/README.md",
    "examples/course/简介.md",
    "tinymeta/data/README.md",
    "tests/README.md",
    "benchmarks/results/report.md",
    ".github/CONTRIBUTING.md",
    ".github/CHANGELOG.md",
)
API = "nn nn.init nn.losses nn.optim meta data ranks testing testing.strategies".split()
INNER = ("core.tree", "ops.linalg")  # public ones in rooms that are not, tm.tree and tm.linalg
STYLE = """
:root { color-scheme: light dark; --line: #8886; }
body { max-width: 56rem; margin: 0 auto; padding: 1rem; font: 1rem/1.55 system-ui, sans-serif; }
nav { border-bottom: 1px solid var(--line); padding-bottom: .5rem; }
nav a { margin-right: 1rem; }
img { max-width: 100%; background: white; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
td, th { border: 1px solid var(--line); padding: .25rem .5rem; vertical-align: top; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid var(--line); border-radius: .25rem; }
code { font-size: .9em; }
iframe { width: 100%; height: 40rem; border: 1px solid var(--line); }
"""
PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><style>{style}</style></head><body>
<nav>{nav}</nav>
{body}
</body></html>
"""
PARTS = (
    ("tinymeta", "index.html", "what it is"),
    ("read it", "README.html", "the README: run it, read it, add to it"),
    ("course", "examples/course/README.html", "fourteen chapters with puzzles that are graded"),
    ("简介", "examples/course/简介.html", "中文简介"),
    ("explorer", "explorer.html", "a conv4 meta-step: its graph, passes, memory and chunks"),
    ("MAML step", "maml_step.html", "the README's picture: one MAML step on waves"),
    ("MAML page", "maml_explorer.html", "drag theta, the tasks and the points"),
    ("API", "api/tinymeta.html", "every public name, from its docstring"),
    ("results", "examples/RESULTS.html", "what the examples reach, beside the published figures"),
)


class Site:
    """The pages written so far, in `out`, and the files that they show, which are copied."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.pages = {page: page.removesuffix(".md") + ".html" for page in PAGES}

    def write(self, name: str, title: str, body: str, language: str = "en") -> None:
        """A page at `name`, with the bar of links above it."""
        links = [
            f'<a href="{quoted(relative(target, name))}">{text}</a>' for text, target, _ in PARTS
        ]
        page = PAGE.format(
            language=language, title=html.escape(title), style=STYLE, nav=" ".join(links), body=body
        )
        path = self.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")

    def link(self, target: str, page: str) -> str:
        """A link of the repository's page, as it is on the site; the file it leads to is copied."""
        parts = urllib.parse.urlsplit(target)
        if parts.scheme or not parts.path:
            return target
        path = os.path.normpath(Path(page).parent / urllib.parse.unquote(parts.path))
        source = ROOT / path
        if source.is_dir() and f"{path}/README.md" in self.pages:
            path = f"{path}/README.md"
        elif not source.is_file():
            raise ValueError(f"{page} links to {target}, and there is no such file")
        if path not in self.pages:
            (self.out / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, self.out / path)
        anchor = f"#{parts.fragment}" if parts.fragment else ""
        return quoted(relative(self.pages.get(path, path), page)) + anchor


def relative(target: str, page: str) -> str:
    """The way from a page's folder to another file of the site."""
    return os.path.relpath(target, Path(page).parent).replace(os.sep, "/")


def quoted(path: str) -> str:
    return urllib.parse.quote(path)


# ---- the parts -----------------------------------------------------------------------------------


def write_markdown(site: Site) -> None:
    """Every page of PAGES, with its links turned into the site's."""
    for page, name in site.pages.items():
        body = rendered((ROOT / page).read_text(encoding="utf-8"))

        def turned(found: re.Match, page: str = page) -> str:
            target = html.unescape(found[2])
            return f'{found[1]}="{html.escape(site.link(target, page))}"'

        body = re.sub(r'\b(href|src)="([^"]*)"', turned, body)
        if page.startswith("examples/course/"):  # it names the chapters by their files
            body = re.sub(r"<code>(\d\d_\w+)\.py</code>", r'<a href="\1.html">\1</a>', body)
        title = re.search(r"<h1[^>]*>(.*?)</h1>", body)
        language = "zh" if re.search("[一-鿿]", Path(page).stem) else "en"
        site.write(name, re.sub("<.*?>", "", title[1]) if title else page, body, language)


def rendered(text: str) -> str:
    """Markdown as HTML; headings have an anchor, as on GitHub."""
    import markdown

    extensions = ["tables", "fenced_code", "toc", "sane_lists"]
    return markdown.markdown(text, extensions=extensions)


def write_course(site: Site) -> None:
    """Each chapter: its cells of text as text, its cells of code as code."""
    chapters = sorted((ROOT / "examples" / "course").glob("[0-9]*.py"))
    for path in chapters:
        cells = re.split(r"^# %%", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
        body = "".join(map(cell_as_html, cells))
        title = re.search(r"<h1[^>]*>(.*?)</h1>", body)
        site.write(f"examples/course/{path.stem}.html", title[1] if title else path.stem, body)


def cell_as_html(cell: str) -> str:
    """A cell, from behind its '# %%' on."""
    kind, _, text = cell.partition("\n")
    if "[markdown]" in kind:
        return rendered(re.sub(r"^# ?", "", text, flags=re.MULTILINE))
    return f"<pre><code>{html.escape(text.strip())}</code></pre>\n"


def write_explorers(site: Site) -> None:
    """The page of one conv4 meta-step, exact beside first order, and the MAML page."""
    net = tm.nn.conv4(5, filters=16)
    rng = np.random.default_rng(0)
    params = net.init(rng)
    glyphs = tm.data.Glyphs().characters(1, per_alphabet=5)
    tasks = tm.data.episodes(glyphs, rng, tasks=4)

    def explained(first_order: bool) -> object:
        method = tm.meta.maml(net, lr=0.4, first_order=first_order)
        return tm.explain(method.meta_grad, params, tasks)

    explained(False).save(site.out / "explorer.html", first_order=explained(True))
    explain_step.main(["--out", str(site.out)])
    maml_explorer.main(["--out", str(site.out)])


def write_api(site: Site) -> None:
    """The public names of the packages, by pdoc, each from its docstring."""
    import pdoc

    rooms = "|".join(map(re.escape, API))
    pdoc.render.configure(docformat="markdown", footer_text=f"tinymeta {tm.__version__}")
    for module in map(importlib.import_module, ("tinymeta", *(f"tinymeta.{k}" for k in API))):
        for name in getattr(module, "__all__", ()):  # pdoc sees no name that is imported on use
            setattr(module, name, getattr(module, name))
    others = rf"!tinymeta\.(?!({rooms})$).*"
    inner = (f"tinymeta.{name}" for name in INNER)
    pdoc.pdoc("tinymeta", others, *inner, output_directory=site.out / "api")


def write_index(site: Site) -> None:
    """The first page: what it is, and where to go."""
    rows = [
        f'<li><a href="{quoted(target)}">{text}</a>: {what}</li>'
        for text, target, what in PARTS[1:]
    ]
    chapters = [
        f'<li><a href="examples/course/{path.stem}.html">{path.stem.replace("_", " ")}</a></li>'
        for path in sorted((ROOT / "examples" / "course").glob("[0-9]*.py"))
    ]
    others = [f'<li><a href="{quoted(name)}">{page}</a></li>' for page, name in site.pages.items()]
    body = (
        "<h1>tinymeta</h1><p>Learning to learn, made visible and exact: a reverse-mode autodiff "
        "engine written from scratch on NumPy and Numba, in which the exact second-order MAML "
        "gradient is not a feature but a consequence.</p>"
        f"<ul>{''.join(rows)}</ul><h2>The course</h2><ul>{''.join(chapters)}</ul>"
        f"<h2>All pages</h2><ul>{''.join(others)}</ul>"
    )
    site.write("index.html", "tinymeta", body)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out/site"), help="folder to write to")
    args = parser.parse_args(arguments)
    start = time.perf_counter()
    site = Site(args.out)
    try:
        for write in (write_markdown, write_course, write_api, write_explorers, write_index):
            write(site)
            print(f"{write.__name__}: after {time.perf_counter() - start:.0f} s", flush=True)
    except ModuleNotFoundError as error:
        sys.exit(f"the site needs {error.name}: pip install 'tinymeta[docs,test]'")
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    if broken := broken_links(args.out):
        sys.exit(f"error: {len(broken)} links lead nowhere, the first of {broken[0]}")
    pages = sum(1 for _ in args.out.rglob("*.html"))
    print(f"{pages} pages, all links lead somewhere: open {args.out / 'index.html'} in a browser")


if __name__ == "__main__":
    main()
