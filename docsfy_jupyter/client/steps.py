"""Pure: what a verb yields, and how it names its variant.

A variant is named in one way by every verb that takes one: by a `Variant`, a `VariantKey`, or a text with as many of
``provider``, ``model`` and ``branch=`` as it needs. The text is a project's name, ``name/provider/model`` or
``name/branch/provider/model``. What is left out must not leave a choice: of several variants that fit, the default
branch's is meant, and where that does not settle it, `Ambiguous` lists them all.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, TypeVar
from urllib.parse import quote

import httpx

from docsfy_jupyter import errors
from docsfy_jupyter.models import Variant, VariantKey

T = TypeVar("T")
Selector = Variant | VariantKey | str


@dataclass(frozen=True)
class Request:
    """One request.

    Parameters
    ----------
    method, path : str
        The path is relative to the extension's URL.
    params : mapping
        The query.
    json : dict or list, optional
        The body.
    etag : str
        What the caller has already; an unchanged answer is 304.
    timeout : float, optional
        Seconds, where the client's own limit does not fit.
    sink : binary file, optional
        Receives the body of a good answer, which is JSON otherwise.
    delay : float
        Seconds to wait before sending.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    json: dict[str, Any] | list[dict[str, Any]] | None = None
    etag: str = ""
    timeout: float | None = None
    sink: IO[bytes] | None = None
    delay: float = 0.0


Steps = Generator[Request, httpx.Response, T]


def rows_of(answer: httpx.Response, name: str) -> list[Variant]:
    """Return the rows of a listing."""
    return [Variant.from_json(row) for row in answer.json()[name]]


def variants(name: str) -> Steps[list[Variant]]:
    """Return all variants of a project.

    Raises
    ------
    NotFound, ClientError
    """
    return rows_of((yield Request("GET", f"api/projects/{quote(name, safe='')}")), "variants")


def query_of(
    variant: Selector, provider: str | None = None, model: str | None = None, branch: str | None = None
) -> Steps[dict[str, str]]:
    """Return the query that names one variant; the query form, since some proxies decode ``%2F`` in a path.

    Raises
    ------
    BadRequest
        `variant` is nothing that can name one.
    NotFound, Ambiguous, ClientError
    """
    if not isinstance(variant, Variant | VariantKey | str) or (isinstance(variant, str) and not variant.strip()):
        shown = repr(variant)[:60]
        raise errors.BadRequest(
            f"A variant is named by its row, its VariantKey or a text like 'name' or 'name/provider/model', not by {shown}."
        )
    if not isinstance(variant, str):
        named = {"name": variant.name, "provider": variant.ai_provider, "model": variant.ai_model}
        # a key without a branch or an owner leaves the choice to the server
        return named | {k: v for k, v in (("branch", variant.branch), ("owner", variant.owner)) if v}
    if "/" not in variant and provider and model:
        named = {"name": variant, "provider": provider, "model": model}
        return {**named, "branch": branch} if branch else named
    rows = yield from variants(variant.split("/", 1)[0])
    fitting = [row for row in rows if _fits(row, variant, provider, model, branch)]
    if not fitting:
        parts = (("provider", provider), ("model", model), ("branch", branch))
        asked = "".join(f", {name} {value}" for name, value in parts if value)
        there = sorted({row.address for row in rows})
        raise errors.NotFound(f"There is no variant {variant}{asked}. There is: {', '.join(there)}.", candidates=there)
    return _only(fitting, variant)


def _fits(row: Variant, text: str, provider: str | None, model: str | None, branch: str | None) -> bool:
    return (
        text in (row.name, f"{row.name}/{row.ai_provider}/{row.ai_model}", row.address)
        and provider in (None, row.ai_provider)
        and model in (None, row.ai_model)
        and branch in (None, row.branch)
    )


def _only(rows: list[Variant], text: str) -> dict[str, str]:
    """Return the query of the one variant that is left; its owner is not in it, since the server prefers the caller's own."""
    found = {row.address: row for row in rows}
    if len(found) > 1:
        found = {address: row for address, row in found.items() if row.is_default_branch} or found
    if len(found) > 1:
        names = sorted(found)
        raise errors.Ambiguous(f"Several variants fit {text}; name one of: {', '.join(names)}.", candidates=names)
    (row,) = found.values()
    return {"name": row.name, "branch": row.branch, "provider": row.ai_provider, "model": row.ai_model}
