"""Pure: each verb as steps that yield requests and are sent their answers; nothing here knows how they are sent.

`DocsfyClient` and `AsyncDocsfyClient` take their methods from here, so the two cannot differ.

A variant is named in one way by every verb that takes one: by a `Variant`, a `VariantKey`, or a text with as many of
``provider``, ``model`` and ``branch=`` as it needs. The text is a project's name, ``name/provider/model`` or
``name/branch/provider/model``. What is left out must not leave a choice: of several variants that fit, the default
branch's is meant, and where that does not settle it, `Ambiguous` lists them all.
"""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import quote

import httpx

from docsfy_jupyter import errors
from docsfy_jupyter.client.saving import saving, target_file
from docsfy_jupyter.client.started import Started
from docsfy_jupyter.models import Status, Variant, VariantKey

T = TypeVar("T")
Selector = Variant | VariantKey | str

_HELD = 20  # seconds that the server may hold an answer; its own limit is 25, and proxies cut at 60
_PATIENCE = 30.0  # seconds without any answer that `wait` sits out: a restart, a proxy that hiccups


@dataclass(frozen=True)
class Request:
    """One request.

    Parameters
    ----------
    method, path : str
        The path is relative to the extension's URL.
    params : mapping
        The query.
    json : dict, optional
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
    json: dict[str, Any] | None = None
    etag: str = ""
    timeout: float | None = None
    sink: IO[bytes] | None = None
    delay: float = 0.0


Steps = Generator[Request, httpx.Response, T]


@dataclass(frozen=True)
class Polled:
    """What a poll found.

    Parameters
    ----------
    variant : Variant or None
        The row; None where it is unchanged.
    etag : str
        For the next poll.
    server : str
        What the answering server calls itself; the same over its restarts.
    """

    variant: Variant | None
    etag: str
    server: str = ""


def poll(variant: Selector, etag: str = "", *, hold: float = 0.0) -> Steps[Polled]:
    """Ask whether a variant has changed; costs a 304 where it has not.

    Parameters
    ----------
    variant : Variant, VariantKey or str
        Which one.
    etag : str
        The tag of the poll before; empty the first time.
    hold : float
        Seconds, at most 25, that the server may hold the answer until something changes.

    Returns
    -------
    Polled
        ``variant`` is None when nothing changed; ``etag`` goes into the next poll.

    Raises
    ------
    NotFound, TokenNotAccepted, ClientError
    """
    query = yield from _query(variant)
    return (yield from _polled(query, etag, hold))


def _polled(query: dict[str, str], etag: str, hold: float, delay: float = 0.0) -> Steps[Polled]:
    # the server reads the tag of a held request from the query, that of a plain one from the header
    params = {**query, "wait": str(max(1, int(hold))), "etag": etag} if hold else query
    answer = yield Request("GET", "api/variant", params, etag=etag, timeout=hold + 30 if hold else None, delay=delay)
    if answer.status_code == httpx.codes.NOT_MODIFIED:
        return Polled(None, etag, answer.headers.get("docsfy-server", ""))
    return Polled(Variant.from_json(answer.json()), answer.headers.get("etag", ""), answer.headers.get("docsfy-server", ""))


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
        Forget the cached pages first.
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
    fields = {"branch": branch, "name": name, "force": force, "ai_provider": provider, "ai_model": model, **_source(repo)}
    given = {key: value for key, value in fields.items() if value is not None}
    if twice := sorted(given.keys() & more.keys()):
        raise errors.BadRequest(f"{', '.join(twice)} was passed under two names; pass it once.")
    body = {**given, **{key: value for key, value in more.items() if value is not None}}
    if "repo_path" in body:
        body["repo_path"] = str(Path(body["repo_path"]).expanduser().absolute())
    started = (yield Request("POST", "api/generate", json=body, timeout=60)).json()
    answer = yield Request("GET", f"api/projects/by-id/{started['generation_id']}")
    return Started.from_json(answer.json())


def _source(repo: str | Path | None) -> dict[str, str]:
    if repo is None:
        return {}
    text = str(repo)
    is_url = "://" in text or ("@" in text.split("/", 1)[0].split(":", 1)[0] and ":" in text)
    return {"repo_url": text} if is_url else {"repo_path": text}


def get(
    variant: Selector, provider: str | None = None, model: str | None = None, *, branch: str | None = None
) -> Steps[Variant]:
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
        One page of the list; the server sends at most 1000 otherwise.
    full : bool
        With the plans; rows are slim otherwise.

    Raises
    ------
    BadRequest, ClientError
    """
    given = {"status": status, "provider": provider, "q": q, "limit": limit, "offset": offset, "full": "1" if full else None}
    answer = yield Request("GET", "api/projects", {key: str(value) for key, value in given.items() if value is not None})
    return _rows(answer, "projects")


def variants(name: str) -> Steps[builtins.list[Variant]]:
    """Return all variants of a project.

    Raises
    ------
    NotFound, ClientError
    """
    return _rows((yield Request("GET", f"api/projects/{quote(name, safe='')}")), "variants")


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
) -> Steps[Path]:
    """Save the site as ``.tar.gz``.

    Parameters
    ----------
    variant, provider, model, branch
        Which one.
    target : str or Path
        A file, or a folder for ``name-branch-provider-model.tar.gz``. The archive is written aside and renamed, so that
        what stood there stays until the new one is whole.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    NoSite, NotFound, Ambiguous, ClientError
    BadRequest
        `target` lies in no folder.
    OSError
        The file cannot be written.
    """
    row = yield from get(variant, provider, model, branch=branch)
    query = yield from _query(row)
    path = target_file(Path(target), "-".join((row.name, row.branch, row.ai_provider, row.ai_model)))
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
    with saving(path) as file:
        yield Request("GET", "api/history.parquet", {"table": table}, timeout=300, sink=file)
    return path


def wait(
    variant: Selector,
    provider: str | None = None,
    model: str | None = None,
    *,
    branch: str | None = None,
    timeout: float | None = None,
    on_change: Callable[[Variant], None] | None = None,
) -> Steps[Variant]:
    """Wait for the end of a run.

    A connection that fails is tried again for 30 s, so that a restart of the server ends in what its row then says.

    Parameters
    ----------
    variant, provider, model, branch
        Which one.
    timeout : float, optional
        Seconds; for ever otherwise.
    on_change : callable, optional
        Called with every row that differs from the one before.

    Returns
    -------
    Variant
        Its row, ``ready``.

    Raises
    ------
    GenerationFailed, GenerationAborted
        With the row in ``details['variant']``.
    TimeoutError
        With the last status.
    NotFound
        It was deleted meanwhile.
    """
    end = None if timeout is None else time.monotonic() + timeout
    query = yield from _query(variant, provider, model, branch)
    etag, row, lost_at, delay = "", None, None, 0.0
    while True:
        left = _HELD if end is None else min(_HELD, end - time.monotonic())
        if left <= 0 and row is not None:
            raise TimeoutError(f"{row.address} is still {row.status.value} ({row.current_stage}) after {timeout} s")
        try:
            polled = yield from _polled(query, etag, max(left, 1) if etag else 0, delay)
        except (errors.ServerUnreachable, errors.StoreUnavailable):
            lost_at = lost_at or time.monotonic()
            if time.monotonic() - lost_at > _PATIENCE or left <= 0:
                raise
            delay = 1.0
            continue
        etag, lost_at, delay = polled.etag, None, 0.0
        if polled.variant is None:
            continue
        row = polled.variant
        if on_change is not None:
            on_change(row)
        if row.status.terminal:
            return _judged(row)


def _judged(row: Variant) -> Variant:
    if row.status is Status.ERROR:
        raise errors.GenerationFailed(f"{row.address} failed: {row.error_message}", variant=row)
    if row.status is Status.ABORTED:
        raise errors.GenerationAborted(f"{row.address} was aborted: {row.error_message}", variant=row)
    return row


def models() -> Steps[dict[str, Any]]:
    """Return providers, their models and whether each is available."""
    return dict((yield Request("GET", "api/models")).json())


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

    Raises
    ------
    StoreUnavailable, ClientError
    """
    return dict((yield Request("GET", "health")).json())


def version() -> Steps[str]:
    """Return the version of docsfy_jupyter that the server runs."""
    described = (yield Request("GET", "api/openapi.json")).json()
    return str(described["info"]["version"])


def _rows(answer: httpx.Response, name: str) -> builtins.list[Variant]:
    return [Variant.from_json(row) for row in answer.json()[name]]


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
    named = yield from _query(variant, provider, model, branch)
    return (yield Request(method, f"api/variant{action}", {**named, **(query or {})}, timeout=timeout))


def _query(
    variant: Selector, provider: str | None = None, model: str | None = None, branch: str | None = None
) -> Steps[dict[str, str]]:
    """Return the query that names one variant; the query form, since some proxies decode ``%2F`` in a path."""
    if not isinstance(variant, str):
        named = {"name": variant.name, "provider": variant.ai_provider, "model": variant.ai_model}
        # a key without a branch or an owner leaves the choice to the server
        return named | {k: v for k, v in (("branch", variant.branch), ("owner", variant.owner)) if v}
    if "/" not in variant and provider and model:
        named = {"name": variant, "provider": provider, "model": model}
        return {**named, "branch": branch} if branch else named
    rows = yield from variants(variant.split("/", 1)[0])
    return _only([row for row in rows if _fits(row, variant, provider, model, branch)], variant)


def _fits(row: Variant, text: str, provider: str | None, model: str | None, branch: str | None) -> bool:
    return (
        text in (row.name, f"{row.name}/{row.ai_provider}/{row.ai_model}", row.address)
        and provider in (None, row.ai_provider)
        and model in (None, row.ai_model)
        and branch in (None, row.branch)
    )


def _only(rows: builtins.list[Variant], text: str) -> dict[str, str]:
    """Return the query of the one variant that is left; its owner is not in it, since the server prefers the caller's own."""
    found = {row.address: row for row in rows}
    if len(found) > 1:
        found = {address: row for address, row in found.items() if row.is_default_branch} or found
    if not found:
        raise errors.NotFound(f"There is no variant {text} with what was asked for.")
    if len(found) > 1:
        names = sorted(found)
        raise errors.Ambiguous(f"Several variants fit {text}; name one of: {', '.join(names)}.", candidates=names)
    (row,) = found.values()
    return {"name": row.name, "branch": row.branch, "provider": row.ai_provider, "model": row.ai_model}
