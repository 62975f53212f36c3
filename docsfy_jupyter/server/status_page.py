"""The status page of one variant, and the assets that it shares with the notebook's panel."""

from __future__ import annotations

import asyncio
import html
import json
from typing import Any

from docsfy_jupyter.errors import NotFound
from docsfy_jupyter.server.base import DocsfyHandler
from docsfy_jupyter.server.queries import OwnerQuery
from docsfy_jupyter.view import ASSETS, read_asset

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)


class AssetHandler(DocsfyHandler):
    """``assets/{name}``: the view's module and style sheets."""

    async def get_asset(self) -> None:
        """Send a module or style sheet of the view."""
        name = self.path_parts()["asset"]
        if name not in ASSETS:
            raise NotFound(f"There is no asset {name[:60]!r}.")
        text = await asyncio.to_thread(read_asset, name)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(text, set_content_type=f"text/{'css' if name.endswith('.css') else 'javascript'}; charset=utf-8")


class StatusPageHandler(DocsfyHandler):
    """``status/{name}/[{branch}/]{provider}/{model}``: the page that watches one variant, also one that is not there yet."""

    async def get_status_page(self, query: OwnerQuery) -> None:
        """Send the page of a variant; the state comes to it by its own polling."""
        key = {"branch": None, **self.path_parts(), "owner": query.owner}
        self.set_header("Content-Security-Policy", POLICY)
        self.finish(status_page(self.base_url, key), set_content_type="text/html; charset=utf-8")


def status_page(base_url: str, key: dict[str, Any]) -> str:
    """Return the page's HTML.

    Parameters
    ----------
    base_url : str
        The Jupyter server's, with a slash at both ends.
    key : dict
        ``name``, ``provider``, ``model``, and ``branch`` and ``owner`` or None; every value is escaped.
    """
    options = html.escape(json.dumps({"base": base_url, "key": key}))
    assets = html.escape(f"{base_url}docsfy/assets")
    title = html.escape(f"{key['name']} · {key['provider']}/{key['model']}")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="{assets}/status.css"><link rel="stylesheet" href="{assets}/panel.css">'
        f'<script type="module" src="{assets}/status.js"></script></head><body>'
        f'<nav aria-label="docsfy"><a href="{html.escape(base_url)}docsfy/">All documentation sets</a></nav>'
        f'<main id="docsfy-status" data-options="{options}"></main>'
        "<noscript>This page needs JavaScript to follow the run.</noscript></body></html>\n"
    )
