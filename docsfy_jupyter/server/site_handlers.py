"""Serving generated sites, and the plain overview page of all variants."""

from __future__ import annotations

import asyncio
import html
import mimetypes
from pathlib import Path
from urllib.parse import quote

from docsfy_jupyter.errors import NoSite, NotFound
from docsfy_jupyter.models import Status, Variant
from docsfy_jupyter.progress import describe
from docsfy_jupyter.server.addressing import Address, decode_segment, matching, resolve
from docsfy_jupyter.server.base import DocsfyHandler

# A generated page is a model's text on Jupyter's origin: after the sanitiser this is the second fence.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
# Anything that a repository brought along (an SVG, say) may show itself and do nothing else.
FILE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html; charset=utf-8", ".md": "text/plain; charset=utf-8"}


class SiteHandler(DocsfyHandler):
    """``docs/{name}/[{branch}/]{provider}/{model}/{path}``: the last good site."""

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
        path = await asyncio.to_thread(_inside, site, "/".join(rest) or "index.html")
        content = await asyncio.to_thread(path.read_bytes)
        self._policy = PAGE_POLICY if path.suffix in _TYPES else FILE_POLICY
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self.set_header("Content-Security-Policy", self._policy)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-cache")
        self.finish(content, set_content_type=kind)

    def _split(self, segments: list[str]) -> tuple[Variant, list[str]]:
        feed = self.manager.feed
        if len(segments) >= 4:
            name, branch, provider, model = segments[:4]
            address = Address(name, provider, model, branch)
            if matching(feed, address):
                return resolve(feed, address, self.caller), segments[4:]
        if len(segments) < 3:
            raise NotFound("A site is docs/name/provider/model/ or docs/name/branch/provider/model/.")
        name, provider, model = segments[:3]
        return resolve(feed, Address(name, provider, model), self.caller), segments[3:]


def _inside(site: Path, relative: str) -> Path:
    """Return a file of the site; nothing outside it, whatever the path says."""
    root = site.resolve()
    path = (root / relative).resolve()
    if path.is_dir():
        path = path / "index.html"
    if not path.is_relative_to(root) or not path.is_file():
        raise NotFound(f"The site has no {relative[:200]!r}.")
    return path


class OverviewHandler(DocsfyHandler):
    """``docsfy/``: a plain page of all variants."""

    async def get_overview(self) -> None:
        """Show all variants to a person."""
        await self.manager.ready()
        rows = sorted(self.manager.feed.rows(), key=lambda row: row.updated_at, reverse=True)
        self.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'")
        self.finish(
            _PAGE.format(rows="".join(self._line(row) for row in rows) or _EMPTY), set_content_type="text/html; charset=utf-8"
        )

    def _line(self, row: Variant) -> str:
        path = "/".join(quote(part, safe="") for part in (row.name, row.branch, row.ai_provider, row.ai_model))
        base = f"{self.base_url}docsfy"
        progress = describe(row)
        links = []
        if row.site:
            links.append(f'<a href="{base}/docs/{path}/">Documentation</a>')
            links.append(f'<a href="{base}/api/projects/{path}/download">Download</a>')
        links.append(f'<a href="{base}/status/{path}">Status</a>')
        note = html.escape(row.error_message or "") if row.status in (Status.ERROR, Status.ABORTED) else ""
        return _ROW.format(
            name=html.escape(row.name),
            ref=html.escape(f"{row.branch} · {row.ai_provider}/{row.ai_model}"),
            status=row.status.value,
            label=html.escape(progress.label),
            pages=html.escape(progress.text),
            note=note,
            links=" · ".join(links),
        )


_ROW = """<tr><td><strong>{name}</strong><br><small>{ref}</small></td><td><span class="chip {status}">{label}</span></td>
<td>{pages}</td><td>{links}<div class="note">{note}</div></td></tr>
"""
_EMPTY = '<tr><td colspan="4">Nothing generated yet. Run <code>jupyter docsfy generate REPOSITORY</code>.</td></tr>'
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>docsfy_jupyter</title><style>
:root {{ --text: #1d2126; --quiet: #57606a; --line: #d8dee4; --back: #ffffff; --link: #0a58ca;
  --ok: #1a7f37; --busy: #0a58ca; --bad: #b42318; --off: #57606a; }}
@media (prefers-color-scheme: dark) {{ :root {{ --text: #e6e9ed; --quiet: #9aa4af; --line: #343b43; --back: #14171a; --link: #79b0ff;
  --ok: #5bd075; --busy: #79b0ff; --bad: #ff8f85; --off: #9aa4af; }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); max-width: 62rem; margin: 0 auto; padding: 2rem 1rem; }}
main {{ overflow-x: auto; }} table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: .7rem .6rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }}
small, .note {{ color: var(--quiet); }} a {{ color: var(--link); }} .chip {{ font-weight: 600; white-space: nowrap; }}
.ready {{ color: var(--ok); }} .generating {{ color: var(--busy); }} .error {{ color: var(--bad); }} .aborted {{ color: var(--off); }}
</style></head><body><h1>Documentation sets</h1><main><table>
<thead><tr><th>Variant</th><th>Status</th><th>Pages</th><th>Open</th></tr></thead><tbody>
{rows}</tbody></table></main></body></html>
"""
