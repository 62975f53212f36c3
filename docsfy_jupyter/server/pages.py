"""The pages that a person opens: the overview of all variants, the status of one, and the assets that draw them."""

from __future__ import annotations

import asyncio
import hashlib

from docsfy_jupyter.errors import NotFound
from docsfy_jupyter.server.addressing import Address, decode_segment, named_by
from docsfy_jupyter.server.base import DocsfyHandler
from docsfy_jupyter.server.frame import POLICY, page, status_page
from docsfy_jupyter.server.queries import OwnerQuery
from docsfy_jupyter.view import ASSETS, read_asset


class AssetHandler(DocsfyHandler):
    """``assets/{name}``: the view's module and style sheets."""

    def check_xsrf_cookie(self) -> None:
        """Let modules in: for the way in which browsers fetch them JupyterHub wants a header that they cannot have."""

    async def get_asset(self) -> None:
        """Send a module or style sheet of the view."""
        name = self.path_parts()["asset"]
        if name not in ASSETS:
            raise NotFound(f"There is no asset {name[:60]!r}.")
        text = await asyncio.to_thread(read_asset, name)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")
        tag = hashlib.sha256(text.encode()).hexdigest()[:32]
        self.set_header("Etag", f'"{tag}"')
        if tag in self.request.headers.get("If-None-Match", ""):
            self.set_status(304)
            self.finish()
            return
        self.finish(text, set_content_type=f"text/{'css' if name.endswith('.css') else 'javascript'}; charset=utf-8")


class PageHandler(DocsfyHandler):
    """Base of the pages."""

    for_people = True

    def send_page(self, text: str) -> None:
        """Send a page whose module may read and act; its requests prove by Jupyter's XSRF cookie where they come from."""
        _ = self.xsrf_token  # asking for it sets the cookie
        self.set_header("Content-Security-Policy", POLICY)
        self.finish(text, set_content_type="text/html; charset=utf-8")


class StatusPageHandler(PageHandler):
    """``status/{name}/[{branch}/]{provider}/{model}``: the page that watches one variant, also one that is not there yet."""

    async def get_status_page(self, query: OwnerQuery) -> None:
        """Send the page of a variant; the state comes to it by its own polling."""
        named = self.path_parts()
        if "path" in named:
            await self.manager.ready()
        found = named_by(self.manager.feed, [decode_segment(raw) for raw in self.raw_path.split("/")[2:]])
        if found is not None and not found[1]:
            address = found[0]
        elif "path" not in named:
            address = Address(**named)  # not there yet
        else:
            raise NotFound("A status page is status/name/provider/model or status/name/branch/provider/model.")
        key = {"name": address.name, "branch": address.branch, "provider": address.provider, "model": address.model}
        self.send_page(status_page(self.base_url, {**key, "owner": query.owner}))


class OverviewHandler(PageHandler):
    """``docsfy/``: all variants and the latest runs."""

    async def get_overview(self) -> None:
        """Send the overview of all variants; what it shows comes by its own polling."""
        top = "<header><h1>Documentation sets</h1></header>"
        self.send_page(page(self.base_url, "Documentation sets", "overview", {"base": self.base_url}, top))
