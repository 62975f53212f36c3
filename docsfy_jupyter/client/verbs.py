"""Pure: each verb as steps that yield requests and are sent their answers; nothing here knows how they are sent.

`DocsfyClient` and `AsyncDocsfyClient` take their methods from here, so the two cannot differ.

How each verb that takes a variant lets it be named: see `docsfy_jupyter.client.steps`.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx

from docsfy_jupyter import errors
from docsfy_jupyter.client.asking import asked
from docsfy_jupyter.client.saving import check_archive_name, check_target, saving, target_file
from docsfy_jupyter.client.started import Started
from docsfy_jupyter.client.steps import Request, Selector, Steps, query_of, rows_of
from docsfy_jupyter.models import Variant, VariantKey

_MOST_LISTED = 10_000  # rows that the server sends in one answer


def generate(
    repo: str | Path | None = None,
    *,
    provider: str | None = None,
    model: str | None = None,
    branch: str | None = None,
    name: str | None = None,
    force: bool = False,
    **more: Any,
) -> Steps[Started]:
    """Start a run; in a notebook, a cell that ends with the result shows its live panel.

    Parameters
    ----------
    repo : str or Path, optional
        A URL or a path; or pass ``repo_url=`` or ``repo_path=``.
    provider, model : str, optional
        The server's defaults otherwise (``local``, which needs no key). ``ai_provider=`` and ``ai_model=`` say the same.
    branch, name : str, optional
        A branch or tag, and the project's name; the repository's own otherwise.
    force : bool
        Forget the cached pages first, and pay for them again where the provider costs: a program is not asked. What people are
        asked is ``estimate(…, force=True)["question"]``.
    **more : Any
        Every other field of ``POST api/generate``, such as ``credential_env=`` or ``ai_cli_timeout=`` (minutes).

    Returns
    -------
    Started
        Its row, a `Variant` that says ``generating``.

    Raises
    ------
    BadRequest, SourceRefused, ProviderUnavailable, Conflict, ClientError
    """
    started = yield from asked("generate", repo, more, provider=provider, model=model, branch=branch, name=name, force=force)
    answer = yield Request("GET", f"api/projects/by-id/{started['generation_id']}")
    return Started.from_json(answer.json())


def estimate(
    repo: str | Path | None = None,
    *,
    provider: str | None = None,
    model: str | None = None,
    branch: str | None = None,
    name: str | None = None,
    force: bool = False,
    **more: Any,
) -> Steps[dict[str, Any]]:
    """Return what a run would take, before it is started; nothing is started or cloned.

    Parameters
    ----------
    repo, provider, model, branch, name, force, **more
        As for `generate`.

    Returns
    -------
    dict
        ``pages``, ``calls``, ``tokens``, ``cost_usd``, ``seconds``, each None where nobody can know it; ``basis`` says where
        they come from: ``variant`` (its own history), ``model`` (this server's with the same provider and model), ``rough``
        (the repository's size); ``note`` what they assume; ``unavailable`` why the provider could not start with this model
        now, None where it could; and what else ``POST api/estimate`` answers.

    Raises
    ------
    BadRequest, SourceRefused, ProviderUnavailable, Conflict, ClientError
    """
    return (yield from asked("estimate", repo, more, provider=provider, model=model, branch=branch, name=name, force=force))


def get(variant: Selector, provider: str | None = None, model: str | None = None, *, branch: str | None = None) -> Steps[Variant]:
    """Return the present row of a variant.

    Raises
    ------
    NotFound, Ambiguous, ClientError
    """
    answer = yield from _on_variant("GET", "", variant, provider, model, branch)
    return Variant.from_json(answer.json())


def list_variants(
    *,
    status: str | None = None,
    provider: str | None = None,
    q: str | None = None,
    limit: int | None = None,
    offset: int | None = None,
    full: bool = False,
) -> Steps[builtins.list[Variant]]:
    """Return the server's variants, newest first.

    Parameters
    ----------
    status, provider : str, optional
        Only those.
    q : str, optional
        Only those whose address or repository contains this text, whatever its case.
    limit, offset : int, optional
        One page of the list, of at most 10,000; all rows otherwise, asked for in several pages where there are many.
    full : bool
        With the plans; rows are slim otherwise.

    Raises
    ------
    BadRequest, ClientError
    """
    given = {"status": status, "provider": provider, "q": q, "limit": limit, "full": "1" if full else None}
    params = {key: str(value) for key, value in given.items() if value is not None}
    if limit is not None:
        return rows_of((yield Request("GET", "api/projects", {**params, "offset": str(offset or 0)})), "projects")
    return (yield from _all_pages(params, offset or 0))


def _all_pages(params: Mapping[str, str], offset: int) -> Steps[builtins.list[Variant]]:
    """Ask for page after page, and for what has changed meanwhile: such a row is at the front now, where nobody looks again."""
    found: dict[VariantKey, Variant] = {}
    place, total, revision = offset, 0, None
    while True:
        answer = yield Request("GET", "api/projects", {**params, "offset": str(place)})
        rows, told = rows_of(answer, "projects"), answer.json()
        found |= {row.key: row for row in rows}
        gone, total = max(total - told["total"], 0), told["total"]
        # behind rows that were deleted the others have moved up
        place = max(place - gone, offset) if gone else place + len(rows)
        if not gone and (not rows or place >= total):
            break
        revision = told["rev"] if revision is None else revision
    if revision is None or offset:
        return builtins.list(found.values())
    changed = yield Request("GET", "api/projects", {**params, "since": str(revision), "limit": str(_MOST_LISTED)})
    found |= {row.key: row for row in rows_of(changed, "projects")}
    return sorted(found.values(), key=lambda row: (row.updated_at, row.key), reverse=True)


def events(
    variant: Selector,
    provider: str | None = None,
    model: str | None = None,
    *,
    branch: str | None = None,
    after: int = 0,
    limit: int = 500,
) -> Steps[builtins.list[dict[str, Any]]]:
    """Return the events of the latest run, oldest first.

    Parameters
    ----------
    variant, provider, model, branch
        Which one.
    after : int
        Only events whose ``seq`` is greater.
    limit : int
        At most so many, up to 5000.

    Raises
    ------
    NotFound, Ambiguous, ClientError
    """
    paged = {"after": str(after), "limit": str(limit)}
    answer = yield from _on_variant("GET", "/events", variant, provider, model, branch, query=paged)
    return builtins.list(answer.json()["events"])


def abort(
    variant: Selector,
    provider: str | None = None,
    model: str | None = None,
    *,
    branch: str | None = None,
    generation_id: str | None = None,
) -> Steps[Variant]:
    """Abort the run of a variant; returns its row when every process of the run is dead.

    With a `generation_id` only that run is aborted: a newer one makes it a `Conflict`.

    Raises
    ------
    NotFound, NotGenerating, AbortPending, ClientError
    """
    only = {"generation_id": generation_id} if generation_id else None
    answer = yield from _on_variant("POST", "/abort", variant, provider, model, branch, query=only)
    return Variant.from_json(answer.json()["variant"])


def delete(variant: Selector, provider: str | None = None, model: str | None = None, *, branch: str | None = None) -> Steps[None]:
    """Delete a variant with its pages and its site.

    Raises
    ------
    NotFound, Ambiguous, AlreadyGenerating, ClientError
    """
    yield from _on_variant("DELETE", "", variant, provider, model, branch)


def render(
    variant: Selector, provider: str | None = None, model: str | None = None, *, branch: str | None = None
) -> Steps[Variant]:
    """Render a variant again from its page cache; nothing is generated.

    Raises
    ------
    NotFound, Ambiguous, Conflict, RenderFailed, ClientError
    """
    answer = yield from _on_variant("POST", "/render", variant, provider, model, branch, timeout=600)
    return Variant.from_json(answer.json())


def download(
    variant: Selector,
    provider: str | None = None,
    model: str | None = None,
    *,
    branch: str | None = None,
    target: str | Path = ".",
    overwrite: bool = False,
) -> Steps[Path]:
    """Save the site as ``.tar.gz``.

    Parameters
    ----------
    variant, provider, model, branch
        Which one.
    target : str or Path
        A file, or a folder for ``name-branch-provider-model.tar.gz``. The archive is written aside and renamed, so that
        what stood there stays until the new one is whole.
    overwrite : bool
        Replace a file that is there; it is an error otherwise.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    NoSite, NotFound, Ambiguous, ClientError
    BadRequest
        `target` lies in no folder, cannot be written, is there already, or is named as another kind of archive.
    OSError
        The file cannot be written.
    """
    check_archive_name(Path(target))
    row = yield from get(variant, provider, model, branch=branch)
    query = yield from query_of(row)
    if str(target).endswith(("/", os.sep)) and not os.path.isdir(target):
        raise errors.BadRequest(f"{target} is no folder; make it, or name a file.")
    path = target_file(Path(target), "-".join((row.name, row.branch, row.ai_provider, row.ai_model)))
    check_target(path, overwrite=overwrite)
    with saving(path) as file:
        yield Request("GET", "api/variant/download", query, timeout=300, sink=file)
    return path


def export(table: str, target: str | Path) -> Steps[Path]:
    """Save one table of the history as a Parquet file, written aside and renamed; `history` does so for all of them.

    Parameters
    ----------
    table : str
        ``runs``, ``stages``, ``pages``, ``ai_calls``, ``events`` or ``projects``.
    target : str or Path
        The file.

    Raises
    ------
    BadRequest, StoreUnavailable, ClientError
    OSError
        The file cannot be written.
    """
    path = Path(target)
    check_target(path, overwrite=True)
    with saving(path) as file:
        yield Request("GET", "api/history.parquet", {"table": table}, timeout=300, sink=file)
    return path


def models(*, refresh: bool = False) -> Steps[dict[str, Any]]:
    """Return providers, their models and whether each is available.

    Parameters
    ----------
    refresh : bool
        Have the server try what the providers talk to, which takes seconds.
    """
    request = Request("POST", "api/models/refresh", timeout=120) if refresh else Request("GET", "api/models")
    return dict((yield request).json())


def listing(**filters: str | int) -> Steps[dict[str, Any]]:
    """Return what a dashboard draws: ``{projects, total, server, …}``; the filters are those of `list_variants`."""
    params = {name: str(value) for name, value in filters.items()}
    answer = yield Request("GET", "api/projects", {**params, "view": "progress"})
    return {**answer.json(), "server": answer.headers.get("docsfy-server", "")}


def runs(**filters: str) -> Steps[dict[str, Any]]:
    """Return ``{runs, total}`` of the history, newest first; filters as for ``GET api/runs``."""
    return dict((yield Request("GET", "api/runs", filters)).json())


def health() -> Steps[dict[str, Any]]:
    """Return what the server says of itself when it is well.

    Returns
    -------
    dict
        Its ``status``, its ``data_dir`` on its own disk, the ``user`` as whom it knows the caller, and what they ``may`` do:
        a list of ``read``, ``execute`` (start, render, abort) and ``write`` (delete).

    Raises
    ------
    StoreUnavailable, ClientError
    """
    answer = yield Request("GET", "health")
    told = {"data_dir": "docsfy-data-dir", "user": "docsfy-user"}
    may = answer.headers.get("docsfy-may", "").split(", ")
    return {**answer.json(), "may": may, **{name: unquote(answer.headers.get(header, "")) for name, header in told.items()}}


def version() -> Steps[str]:
    """Return the version of docsfy_jupyter that the server runs."""
    described = (yield Request("GET", "api/openapi.json")).json()
    return str(described["info"]["version"])


def _on_variant(
    method: str,
    action: str,
    variant: Selector,
    provider: str | None,
    model: str | None,
    branch: str | None,
    *,
    query: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> Steps[httpx.Response]:
    named = yield from query_of(variant, provider, model, branch)
    return (yield Request(method, f"api/variant{action}", {**named, **(query or {})}, timeout=timeout))
