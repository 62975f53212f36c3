"""Markdown files of the repository, with links and images mended for a site."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from docsfy_jupyter.providers.local.analysis import Analysis
from docsfy_jupyter.providers.local.files import source_url

_CODE = re.compile(r"(^(`{3,}|~{3,})[^\n]*\n[\s\S]*?^\2[`~]*[ \t]*$|(`+)(?!`)[^\n]+?(?<!`)\3(?!`))", re.MULTILINE)
_LINKED_IMAGE = re.compile(r"\[!\[([^\]]*)\]\(\s*<?([^)\s>]+)>?[^)]*\)\]\(\s*<?([^)\s>]+)>?[^)]*\)")
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(\s*<?([^)\s>]+)>?(?:\s+[\"'][^)]*[\"'])?\s*\)")
_DEFINITION = re.compile(r"^( {0,3}\[[^\]]+\]:\s*)<?([^\s>]+)>?(.*)$", re.MULTILINE)
_HTML_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""\b(src|alt)\s*=\s*("([^"]*)"|'([^']*)')""", re.IGNORECASE)
_IMAGE_ENDS = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".avif", ".ico")


class Mender:
    """Mends one document.

    Parameters
    ----------
    analysis : Analysis
        Of the checkout.
    path : str
        Where the document is.
    pages : mapping
        Slugs of documents that have a page, by path.
    """

    def __init__(self, analysis: Analysis, path: str, pages: Mapping[str, str]) -> None:
        self.analysis = analysis
        self.folder = posixpath.dirname(path)
        self.pages = pages
        self.images: dict[str, None] = {}

    def mend(self, text: str) -> str:
        """Return the text; `images` then names what it shows."""
        parts: list[str] = []
        at = 0
        for match in _CODE.finditer(text):
            parts += [self._mend_prose(text[at : match.start()]), match.group(0)]
            at = match.end()
        return "".join([*parts, self._mend_prose(text[at:])])

    def _mend_prose(self, text: str) -> str:
        text = _HTML_IMAGE.sub(self._html_image, text)
        text = _LINKED_IMAGE.sub(self._linked_image, text)
        text = _LINK.sub(self._link, text)
        return _DEFINITION.sub(self._definition, text)

    def _local(self, address: str) -> tuple[str, str] | None:
        if re.match(r"^([a-z][a-z0-9+.-]*:|//|#)", address, re.IGNORECASE):
            return None
        target, _, anchor = address.partition("#")
        target = unquote(target.partition("?")[0])
        joined = target.lstrip("/") if target.startswith("/") else posixpath.join(self.folder, target)
        return posixpath.normpath(joined), anchor

    def _image(self, alt: str, address: str) -> str:
        local = self._local(address)
        if local is None:
            return f"[{alt or 'image'}]({address})" if address.startswith(("http://", "https://")) else alt
        path, _ = local
        if path not in self.analysis.checkout or not path.lower().endswith(_IMAGE_ENDS):
            return alt
        self.images[path] = None
        return f"![{alt}](repo-files/{quote(path)})"

    def _html_image(self, match: re.Match[str]) -> str:
        """Keep the tag: within a block of HTML nothing is read as Markdown."""
        values = {m.group(1).lower(): m.group(3) or m.group(4) or "" for m in _ATTRIBUTE.finditer(match.group(0))}
        address = values.get("src", "")
        local = self._local(address)
        if not address or local is None:
            return match.group(0)
        path, _ = local
        if path not in self.analysis.checkout or not path.lower().endswith(_IMAGE_ENDS):
            return values.get("alt", "")
        self.images[path] = None
        source = f'src="repo-files/{quote(path)}"'
        return _ATTRIBUTE.sub(lambda m: source if m.group(1).lower() == "src" else m.group(0), match.group(0))

    def _linked_image(self, match: re.Match[str]) -> str:
        alt, image, address = match.groups()
        shown = self._image(alt, image)
        text = shown if shown.startswith("!") else alt or "link"
        target = self._address(address)
        return f"[{text}]({target})" if target else text

    def _address(self, address: str) -> str | None:
        local = self._local(address)
        if local is None:
            return address
        path, anchor = local
        if path in self.pages:
            return f"{self.pages[path]}.md" + (f"#{anchor}" if anchor else "")
        known = path in self.analysis.checkout or any(p.startswith(path + "/") for p in self.analysis.checkout.files)
        url = source_url(self.analysis.repo_url, self.analysis.commit, path) if known else None
        return url + (f"#{anchor}" if anchor else "") if url else None

    def _link(self, match: re.Match[str]) -> str:
        bang, text, address = match.groups()
        if bang:
            return self._image(text, address)
        target = self._address(address)
        return f"[{text}]({target})" if target else text

    def _definition(self, match: re.Match[str]) -> str:
        head, address, rest = match.groups()
        local = self._local(address)
        if local and local[0].lower().endswith(_IMAGE_ENDS) and local[0] in self.analysis.checkout:
            self.images[local[0]] = None
            return f"{head}repo-files/{quote(local[0])}{rest}"
        target = self._address(address)
        return f"{head}{target}{rest}" if target else ""
