"""The HTML of the server's own pages, as text: those that the view fills, and what is said where there is nothing to see."""

from __future__ import annotations

import html
import json
from typing import Any

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
_TITLES = {403: "Not allowed", 404: "Page not found"}


def status_page(base_url: str, key: dict[str, Any]) -> str:
    """Return the HTML of a status page.

    Parameters
    ----------
    base_url : str
        The Jupyter server's, with a slash at both ends.
    key : dict
        ``name``, ``provider``, ``model``, and ``branch`` and ``owner`` or None; every value is escaped.
    """
    title = f"{key['name']} · {key['provider']}/{key['model']}"
    return page(base_url, title, "status", {"base": base_url, "key": key}, _way_back(base_url))


def page(base_url: str, title: str, module: str, options: dict[str, Any], top: str) -> str:
    """Return a page that one of the view's modules fills.

    Parameters
    ----------
    base_url, title : str
        As they are; escaped here.
    module : str
        The module's name without its ending; the page's element has the same name.
    options : dict
        What the module gets, as data.
    top : str
        HTML that stands before it.
    """
    assets = html.escape(f"{base_url}docsfy/assets")
    return (
        f'{_head(assets, title)}<link rel="stylesheet" href="{assets}/panel.css">'
        f'<script type="module" src="{assets}/{module}.js"></script></head><body>{top}'
        f'<main id="docsfy-{module}" data-options="{html.escape(json.dumps(options))}"></main>'
        "<noscript>This page needs JavaScript: it follows what the server does.</noscript></body></html>\n"
    )


def error_page(base_url: str, status: int, detail: str) -> str:
    """Return the page that tells somebody why there is nothing to see.

    Parameters
    ----------
    base_url : str
        The Jupyter server's, with a slash at both ends.
    status : int
        Of HTTP.
    detail : str
        What happened, for people; escaped here.
    """
    title = _TITLES.get(status, "This page cannot be shown")
    return (
        f"{_head(html.escape(f'{base_url}docsfy/assets'), title)}</head><body>{_way_back(base_url)}"
        f"<main><h1>{title}</h1><p>{html.escape(detail)}</p></main></body></html>\n"
    )


def _head(assets: str, title: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{html.escape(title)}</title><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="{assets}/page.css">'
    )


def _way_back(base_url: str) -> str:
    return f'<nav aria-label="docsfy"><a href="{html.escape(base_url)}docsfy/">All documentation sets</a></nav>'
