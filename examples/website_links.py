"""The links of a static site, and which of them lead nowhere; of the standard library alone."""

import os
import urllib.parse
from html.parser import HTMLParser
from pathlib import Path


class Links(HTMLParser):
    """The links of a page, and the names that others may link to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        for key, value in attributes:
            if value and key in ("href", "src"):
                self.targets.append(value)
            elif value and key in ("id", "name"):
                self.names.add(value)


def broken_links(folder: Path) -> list[str]:
    """What leads nowhere: 'page: target' of each link to a file or a heading that is not there.

    Links to other hosts are not followed: a site is as good without a network.
    """
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    found = []
    for path, links in pages.items():
        for target in links.targets:
            parts = urllib.parse.urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            to = path
            if parts.path:
                to = Path(os.path.normpath(path.parent / urllib.parse.unquote(parts.path)))
            anchor = urllib.parse.unquote(parts.fragment)
            is_there = to.is_file() and (not anchor or to not in pages or anchor in pages[to].names)
            if not is_there:
                found.append(f"{path.relative_to(folder)}: {target}")
    return found
