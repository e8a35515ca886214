"""What the documentation says is so: examples in docstrings run, links lead somewhere.

The site as a whole is built in continuous integration, by `python examples/website.py`.
"""

import doctest
import importlib
import re
import shutil
import struct
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "examples"))
import explain_step  # noqa: E402
import website  # noqa: E402
from website_links import broken_links  # noqa: E402

import tinymeta as tm  # noqa: E402
from tinymeta.testing import without_compiling  # noqa: E402

WITH_EXAMPLES = sorted(
    path for path in (ROOT / "tinymeta").rglob("*.py") if ">>> " in path.read_text()
)


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_examples_in_docstrings_run(path):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried >= path.read_text().count(">>> ") and not failed


def test_there_are_examples_of_what_is_used_most():
    told = "".join(path.read_text() for path in WITH_EXAMPLES)
    for name in ("grad", "vjp", "jvp", "hvp", "jacobian", "meta.adapt", "data.episodes"):
        assert re.search(rf">>> .*tm\.{name}\(", told), name


@pytest.mark.parametrize("page", website.PAGES)
def test_the_links_of_a_page_lead_to_a_file(page):
    """Without a Markdown renderer: [text](target), but for those in code and of other hosts."""
    text = re.sub(r"```.*?```|`[^`]*`", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path = target.partition("#")[0]
        if path and "://" not in target:
            assert ((ROOT / page).parent / path).exists(), target


def test_every_public_package_is_a_page_of_the_api():
    packages = [getattr(tm, name) for name in tm.__all__]
    public = {each.__name__ for each in packages if isinstance(each, types.ModuleType)}
    assert public <= {f"tinymeta.{name}" for name in (*website.API, *website.INNER)}


def test_links_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top">a</h1><a href="b.html">b</a><a href="#top">top</a><a href="https://x.y/z">z</a>'
        '<a href="sub/%C3%A4.html#there">c</a><img src="lost.png"><a href="b.html#lost">d</a>'
    )
    (tmp_path / "b.html").write_text("<p>")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "ä.html").write_text('<a name="there" href="../a.html#nowhere">')
    found = broken_links(tmp_path)
    assert sorted(found) == [
        "a.html: b.html#lost",
        "a.html: lost.png",
        "sub/ä.html: ../a.html#nowhere",
    ]


def test_a_page_is_written_with_its_links_turned_and_its_pictures_copied(tmp_path):
    pytest.importorskip("markdown")
    site = website.Site(tmp_path)
    website.write_markdown(site)
    website.write_course(site)
    readme = (tmp_path / "README.html").read_text(encoding="utf-8")
    assert 'href="examples/RESULTS.html"' in readme and 'href="examples/RESULTS.md"' not in readme
    assert (tmp_path / "benchmarks" / "results" / "growth.png").exists()
    chapter = (tmp_path / "examples" / "course" / "05_grad_of_grad.html").read_text()
    assert "<h1" in chapter and "<strong>operations of the engine</strong>" in chapter
    assert "# %%" not in chapter and "cube_slope = tm.grad(lambda x: x**3)" in chapter
    missing = {target.split(": ")[1] for target in broken_links(tmp_path)}
    unwritten = {target for _, target, _ in website.PARTS}
    unwritten = tuple(Path(target).name for target in unwritten)
    assert all(target.endswith(unwritten) for target in missing)


def test_a_link_to_a_file_that_is_gone_is_a_sentence(tmp_path):
    site = website.Site(tmp_path)
    with pytest.raises(ValueError, match=r"README.md links to gone.png, and there is no such file"):
        site.link("gone.png", "README.md")


def test_the_pictures_step_has_the_equations_that_the_readme_counts(tmp_path, capsys):
    with without_compiling():
        explain_step.main(["--out", str(tmp_path)])
    said = capsys.readouterr().out
    of_order_2, of_all = re.search(r"^  all +\d+ +\d+ +(\d+) +(\d+)$", said, re.MULTILINE).groups()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{of_order_2} of its {of_all} equations are of order 2" in readme
    assert "first order" in (tmp_path / "maml_step.html").read_text(encoding="utf-8")


@pytest.mark.browser
def test_the_picture_is_drawn_by_chromium(tmp_path):
    pytest.importorskip("playwright", reason="needs playwright: pip install it")
    if not shutil.which("chromium"):
        pytest.skip("needs chromium: apt-get install chromium")
    # In another thread: one has one Playwright at a time, here perhaps that of tests/browser.
    with without_compiling(), ThreadPoolExecutor(1) as pool:
        pool.submit(explain_step.main, ["--out", str(tmp_path), "--picture"]).result()
    header = (tmp_path / "maml_step.png").read_bytes()[:24]
    assert struct.unpack(">II", header[16:]) == tuple(explain_step.SIZE.values())
