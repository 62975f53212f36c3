"""Serving generated sites."""

from __future__ import annotations

import asyncio
import mimetypes
import re
from pathlib import Path

from docsfy_jupyter.errors import NoSite, NotFound
from docsfy_jupyter.models import Variant
from docsfy_jupyter.server.addressing import Address, decode_segment, named_by, resolve
from docsfy_jupyter.server.base import DocsfyHandler

# A generated page is a model's text on Jupyter's origin: after the sanitiser this is the second fence.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
# Anything that a repository brought along (an SVG, say) may show itself and do nothing else.
FILE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:"
MISSING = "404.html"  # what a site has for whoever asks for a page that it has not
_RELATIVE = re.compile(rb' (?:href|src)="(?![#/]|[A-Za-z][A-Za-z0-9+.-]*:)')
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html; charset=utf-8", ".md": "text/plain; charset=utf-8"}


class SiteHandler(DocsfyHandler):
    """``docs/{name}/[{branch}/]{provider}/{model}/{path}``: the last good site."""

    for_people = True

    async def get_site(self) -> None:
        """Send one file of the last good site."""
        await self.manager.ready()
        segments = self.raw_path.split("/")[2:]
        row, rest = self._split([decode_segment(raw) if raw else "" for raw in segments])
        if not rest:
            self.redirect(f"{self.request.path}/")
            return
        site = await asyncio.to_thread(self.manager.folder(row.key).sites.current)
        if site is None:
            raise NoSite(f"{row.address} has no site yet; generate it first.")
        try:
            path = await asyncio.to_thread(_inside, site, "/".join(rest) or "index.html")
            content = await asyncio.to_thread(path.read_bytes)
        except NotFound:
            path = site / MISSING
            if not self.is_opened() or not await asyncio.to_thread(path.is_file):
                raise
            content = _as_seen_from(len(rest) - 1, await asyncio.to_thread(path.read_bytes))
            self.set_status(404)
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self.set_header("Content-Security-Policy", PAGE_POLICY if path.suffix in _TYPES else FILE_POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-cache")
        self.finish(content, set_content_type=kind)

    def _split(self, segments: list[str]) -> tuple[Variant, list[str]]:
        if len(segments) < 3:
            raise NotFound("A site is docs/name/provider/model/ or docs/name/branch/provider/model/.")
        address, rest = named_by(self.manager.feed, segments) or (Address(*segments[:3]), segments[3:])
        return resolve(self.manager.feed, address, self.caller), rest


def _as_seen_from(depth: int, page: bytes) -> bytes:
    """Have the links of a page of the site's top folder lead where they should for who asked `depth` folders below it."""
    return _RELATIVE.sub(rb"\g<0>" + b"../" * depth, page)


def _inside(site: Path, relative: str) -> Path:
    """Return a file of the site; nothing outside it, whatever the path says."""
    root = site.resolve()
    path = (root / relative).resolve()
    if path.is_dir():
        path = path / "index.html"
    if not path.is_relative_to(root) or not path.is_file():
        raise NotFound(f"The site has no {relative[:200]!r}.")
    return path
