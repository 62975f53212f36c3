"""Where the links of a site on disk lead."""

from __future__ import annotations

import html.parser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Reader(html.parser.HTMLParser):
    """Collects what an HTML file refers to, and its ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.handlers: list[str] = []
        self.inline_scripts = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember one tag."""
        found = dict(attrs)
        self.targets += [value or "" for name, value in attrs if name in {"href", "src"}]
        self.loads += [value or "" for name, value in attrs if name in {"src", "srcset", "poster"} or (name == "href" and tag == "link")]
        self.ids.update(value or "" for name, value in attrs if name == "id")
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.inline_scripts += tag == "script" and "src" not in found


def broken_links(site: Path) -> list[tuple[str, str]]:
    """Return the links within a site that lead nowhere, those that are not relative, and what would be loaded from elsewhere."""
    readers = {path.name: Reader(path.read_text(encoding="utf-8")) for path in site.glob("*.html")}
    broken = []
    for name, reader in readers.items():
        broken += [(name, target) for target in reader.loads if urlsplit(target).scheme or target.startswith("//")]
        for target in reader.targets:
            parts = urlsplit(target)
            if parts.scheme in {"http", "https", "mailto"}:
                continue
            page = unquote(parts.path) or name
            missing = target.startswith("/") or not (site / page).is_file()
            if missing or (parts.fragment and unquote(parts.fragment) not in readers[page].ids):
                broken.append((name, target))
    return broken
