"""A real browser, whose every request and error would be noticed."""

import shutil

import pytest

CHROMIUM = shutil.which("chromium")
ARGUMENTS = """--headless --no-sandbox --disable-gpu --disable-background-networking
    --disable-component-update --disable-sync""".split()


@pytest.fixture(scope="session")
def chromium():
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install it")
    if CHROMIUM is None:
        pytest.skip("needs chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """opened(path, width=.., scheme=..): a page. After the test: no error, no request."""
    pages, noticed = [], []

    def open_page(path, size=(1600, 1000), scheme="light"):
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme
        )
        page, own = context.new_page(), f"file://{path}"
        page.on("console", lambda message: noticed.append(message.text))
        page.on("pageerror", lambda error: noticed.append(str(error)))
        page.on("dialog", lambda dialog: noticed.append(dialog.message))
        page.on("request", lambda r: r.url == own or noticed.append(r.url))
        page.goto(own)
        pages.append(context)
        return page

    yield open_page
    for context in pages:
        context.close()
    assert noticed == []
