"""What was made of a page's Markdown, kept so that the next rendering of its site makes only what has changed."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import jinja2
import markdown_it
import mdit_py_plugins
import nh3
import pygments

from docsfy_jupyter.site.jobs import SitePage

_HERE = Path(__file__).parent
_LIBRARIES = (jinja2, markdown_it, mdit_py_plugins, nh3, pygments)  # importlib.metadata would take a tenth of the process's start
# Of this folder, what a page's own HTML is made with; the frame around it is made anew each time.
_MODULES = ("article.py", "breaks.py", "code.py", "links.py", "markdown.py", "tags.py", "templating.py", "written.py")
_FILES = ("static/code.css", "templates/contents.html.j2")


@dataclass(frozen=True)
class Written:
    """A page's text as HTML, and what the site needs to know of it.

    Parameters
    ----------
    head : str
        Markdown of the title that was put before a text without one.
    anchors : list of str
        Where links may lead.
    diagrams, words : int
        How many.
    sections : list of dict
        For the search.
    asked : list of (tag, target, answer)
        Where links lead: as long as they lead there, the HTML is right.
    body, contents : str
        Sanitised HTML of the text, and of its headings' list.
    """

    head: str
    anchors: list[str]
    diagrams: int
    words: int
    sections: list[dict[str, str]]
    asked: list[tuple[str, str, str | None]]
    body: str
    contents: str

    def dead(self) -> list[str]:
        """Return the targets that lead nowhere, each once; those links became plain text."""
        return list(dict.fromkeys(target for _, target, found in self.asked if found is None))


class WrittenPages:
    """A folder of written pages, a file each, which says what it was made from and is distrusted when it does not fit.

    Parameters
    ----------
    folder : Path, optional
        Without one nothing is found and nothing kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def find(self, page: SitePage, text: str) -> Written | None:
        """Return what was made of this very text by this very renderer; None where nothing was, or the file is damaged."""
        if self._folder is None:
            return None
        try:
            source, digest, payload = (self._folder / f"{page.slug}.json").read_bytes().split(b"\n", 2)
        except (OSError, ValueError):
            return None
        if source.decode("ascii", "replace") != _source(page, text) or digest.decode("ascii", "replace") != _digest(payload):
            return None
        return Written(**json.loads(payload))

    def keep(self, page: SitePage, text: str, written: Written) -> None:
        """Keep what was made of a text; no site fails because that cannot be: it is made again."""
        if self._folder is None:
            return
        payload = json.dumps(vars(written)).encode("ascii")
        target = self._folder / f"{page.slug}.json"
        aside = target.with_name(f"{target.name}.{os.getpid()}.aside")
        content = b"\n".join((_source(page, text).encode("ascii"), _digest(payload).encode("ascii"), payload))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(content)
            aside.replace(target)
        except OSError:
            with suppress(OSError):
                aside.unlink(missing_ok=True)

    def forget_others(self, slugs: Collection[str]) -> None:
        """Remove what was kept of other pages."""
        for path in self._folder.glob("*") if self._folder is not None else ():
            if path.name.partition(".")[0] not in slugs:
                with suppress(OSError):  # as in `keep`; it is tried again each time
                    path.unlink(missing_ok=True)


def _source(page: SitePage, text: str) -> str:
    """Return an address of everything that a page is made from, but for where its links lead."""
    parts = [_renderer(), page.slug, page.title, page.description, text]
    return _digest(json.dumps(parts).encode("ascii"))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@functools.cache
def _renderer() -> str:
    """Return what the code that makes a page is, ours and others'."""
    ours = [_digest((_HERE / name).read_bytes()) for name in (*_MODULES, *_FILES)]
    return "\n".join([*ours, *(f"{library.__name__} {library.__version__}" for library in _LIBRARIES)])
