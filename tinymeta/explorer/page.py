"""One page of HTML from data: style, scripts and data in it, nothing outside of it.

In: lists, numbers and texts. Out: a text, or a file. The page's policy forbids it every request, so
it shows the same from a disk, a mail or a server, and sends nothing anywhere.

Invariant: data cannot become markup. As JSON in a script element, where `<` would end it, `<` is
written \\u003c; the scripts set texts, never HTML. Cost: O(the data).
"""

import html
import json
import re
from pathlib import Path
from typing import Any

from ..system import disk

FOLDER = Path(__file__).parent
SCRIPTS = "model.js", "graph.js", "passes.js", "memory.js", "threads.js", "main.js"


def page(data: dict[str, Any]) -> str:
    """The page for this data, which has a "title" and what jit/page_data.py writes."""
    parts = {
        "title": html.escape(data["title"]),
        "style": _source("explorer.css"),
        "data": as_json(data),
        "script": "\n".join(map(_source, SCRIPTS)),
    }
    # One pass over the frame, so nothing in a part is taken for a place in the frame.
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _source("page.html"))


def write_page(path: Any, data: dict[str, Any]) -> None:
    """Write the page to a file, whole or not at all. Raises OSError."""
    disk.write(path, page(data))


def as_json(data: Any) -> str:
    """JSON that ends no script element, whatever texts are in it."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _source(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
