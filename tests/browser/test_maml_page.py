"""The MAML page in a real browser: both languages at both widths, and no error on its console."""

import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
SIZES = {"wide": (1600, 1000), "narrow": (400, 800)}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    sys.path.append(str(EXAMPLES))
    import maml_explorer

    out = tmp_path_factory.mktemp("maml")
    maml_explorer.main(["--iterations", "2", "--out", str(out)])
    return out / "maml_explorer.html"


@pytest.mark.parametrize("width", SIZES)
def test_it_is_drawn_in_both_languages(opened, file, tmp_path, width):
    page = opened(file, SIZES[width])
    for language in ("en", "zh"):
        if page.locator("body").get_attribute("class") != language:
            page.locator("#language").click()
        page.screenshot(path=tmp_path / f"maml-{language}-{width}.png", full_page=True)
        shown = page.locator("main").inner_text()
        assert bool(re.search("[\u4e00-\u9fff]", shown)) == (language == "zh")
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[width][0]
    assert page.locator("svg polygon").count() == 5 and "NaN" not in page.content()


def test_it_is_drawn_again_when_it_is_seen_again(opened, file):
    """Hidden, as in a tab that is not shown or while it is printed, a plane has no width."""
    page = opened(file)
    page.evaluate("document.body.style.display = 'none'")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.evaluate("speak('zh')")
    page.evaluate("document.body.style.display = ''")
    page.wait_for_function("document.querySelectorAll('svg polygon').length === 5")
    assert "NaN" not in page.content()
