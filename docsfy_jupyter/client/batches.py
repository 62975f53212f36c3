"""Pure: many runs asked for in one request and watched in one held poll; and whether variants are up to date."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from docsfy_jupyter import errors
from docsfy_jupyter.client.steps import Request, Steps
from docsfy_jupyter.models import Status, VariantKey

Row = Mapping[str, Any]  # what a list draws of a variant, see `docsfy_jupyter.screen.screen`
_HELD = 20  # seconds that the server may hold an answer
_PACE = 1.0  # seconds between answers, however much goes on
_PAUSES = (0.0, 1.0, 4.0)  # seconds before each try to start runs
_PATIENCE = 30.0  # seconds without any answer: a restart, a proxy that hiccups


def key_of(row: Row) -> VariantKey:
    """Return the key of a row, or of what `freshness` says of one."""
    return VariantKey(*(str(row[part]) for part in ("name", "branch", "ai_provider", "ai_model", "owner")))


def generate_all(bodies: Sequence[Mapping[str, Any]], batch_id: str | None = None) -> Steps[dict[str, Any]]:
    """Start many runs with one request, which is repeated where its answer is lost: nothing is started twice.

    Parameters
    ----------
    bodies : sequence of mapping
        Bodies of ``POST api/generate``, at most 1000; paths must be absolute.
    batch_id : str, optional
        A UUID: what `get_batch` and `abort_batch` know the runs by, also when no answer comes.

    Returns
    -------
    dict
        ``batch_id`` and ``items`` in the given order: what a single request answers, or ``detail`` and ``code``; one that is
        refused because it is generating already has the ``generation_id`` of that run.

    Raises
    ------
    BadRequest, ClientError
    """
    params = {"batch_id": batch_id or str(uuid.uuid4())}
    body = [dict(one) for one in bodies]
    for pause in _PAUSES:
        try:
            return dict((yield Request("POST", "api/generate", params, json=body, timeout=120, delay=pause)).json())
        except errors.ServerUnreachable as error:
            lost = error
    raise lost


def get_batch(batch_id: str) -> Steps[dict[str, Any]]:
    """Return the runs of a batch, their variants and the sums.

    Raises
    ------
    NotFound, ClientError
    """
    return dict((yield Request("GET", f"api/batches/{batch_id}")).json())


def abort_batch(batch_id: str) -> Steps[dict[str, Any]]:
    """Abort every run of a batch that is in progress; returns ``aborted`` addresses and what ``failed``.

    Raises
    ------
    NotFound, ClientError
    """
    return dict((yield Request("POST", f"api/batches/{batch_id}/abort", timeout=120)).json())


def freshness(*, name: str | None = None, q: str | None = None, refresh: bool = False) -> Steps[list[dict[str, Any]]]:
    """Return for each variant the commit that is documented and the one its branch holds now; nothing is cloned.

    Parameters
    ----------
    name, q : str, optional
        Only variants of a project, or whose address or repository contains a text.
    refresh : bool
        Ask every repository anew; the server keeps answers for ten minutes otherwise.

    Returns
    -------
    list of dict
        The variant's key, ``documented``, ``current``, ``state`` (``current``, ``behind`` or ``unknown``) and ``error``.

    Raises
    ------
    ClientError
    """
    given = {"name": name, "q": q, "refresh": "1" if refresh else None}
    params = {key: value for key, value in given.items() if value is not None}
    found: list[dict[str, Any]] = []
    while True:  # the server sends at most 1000 at a time
        answer = (yield Request("GET", "api/freshness", {**params, "offset": str(len(found))}, timeout=600)).json()
        found += answer["variants"]
        if not answer["variants"] or len(found) >= answer["total"]:
            return found


class Finished(Protocol):
    """Decides, after every answer, whether to stop watching before all runs have ended."""

    def __call__(self, rows: Mapping[str, Row]) -> bool:
        """Return True to stop."""
        ...


def watch(
    generation_ids: Iterable[str],
    *,
    timeout: float | None = None,
    on_change: Callable[[Mapping[str, Row]], None] | None = None,
    enough: Finished | None = None,
) -> Steps[dict[str, Row]]:
    """Watch runs until all have ended; one held poll for all of them, at most one answer a second.

    A connection that fails is tried again for 30 s, so that a restart of the server ends in what its rows then say.

    Parameters
    ----------
    generation_ids : iterable of str
        The runs.
    timeout : float, optional
        Seconds; what is known by then is returned.
    on_change : callable, optional
        Called with all rows, by generation id, whenever one of them has changed.
    enough : callable, optional
        Asked after every answer; True ends the watch.

    Returns
    -------
    dict
        The last known row of each run by its generation id; a run that nobody knows any more is missing.

    Raises
    ------
    ServerUnreachable, StoreUnavailable
        The server did not come back in time.
    """
    wanted, rows, keys = set(generation_ids), dict[str, Row](), dict[VariantKey, str]()
    end = None if timeout is None else time.monotonic() + timeout
    revision, silent = 0, True
    while wanted - {run for run, row in rows.items() if _over(row)}:
        left = _HELD if end is None else min(_HELD, end - time.monotonic())
        if left <= 0 and revision:
            break
        listing = yield from _listing(0 if silent else revision, left)
        changed = {row["generation_id"]: row for row in listing["projects"] if row["generation_id"] in wanted}
        changed |= yield from _replaced(listing["projects"], keys, rows)
        if silent:  # everything was listed: what is not there any more will not come back
            wanted -= {run for run in wanted if run not in changed and not _over(rows.get(run, {}))} if revision else set()
        keys |= {key_of(row): run for run, row in changed.items()}
        rows |= changed
        revision, silent = listing["rev"], not listing["projects"]
        if changed and on_change is not None:
            on_change(rows)
        if enough is not None and enough(rows):
            break
    return rows


def _over(row: Row) -> bool:
    return bool(row.get("status", Status.GENERATING) != Status.GENERATING)


def _listing(revision: int, hold: float) -> Steps[dict[str, Any]]:
    params = {"view": "progress", "limit": "10000", "since": str(revision)}
    params |= {"wait": f"{max(hold, 0):.1f}"} if revision else {}
    lost_at: float | None = None
    while True:
        try:
            answer = yield Request("GET", "api/projects", params, timeout=hold + 30, delay=_PACE if revision or lost_at else 0)
        except (errors.ServerUnreachable, errors.StoreUnavailable):
            lost_at = lost_at or time.monotonic()
            if time.monotonic() - lost_at > _PATIENCE:
                raise
            continue
        return dict(answer.json())


def _replaced(listed: Iterable[Row], keys: Mapping[VariantKey, str], rows: Mapping[str, Row]) -> Steps[dict[str, Row]]:
    """Return how runs ended whose variants have another run by now: their rows are gone, but history has them."""
    found: dict[str, Row] = {}
    for row in listed:
        run = keys.get(key_of(row))
        if run is None or run == row["generation_id"] or _over(rows[run]):
            continue
        query = {"name": row["name"], "branch": row["branch"], "provider": row["ai_provider"], "model": row["ai_model"]}
        past = (yield Request("GET", "api/runs", query)).json()["runs"]
        for old in past:
            if old["generation_id"] == run and old["outcome"]:
                found[run] = {**rows[run], **_ended(old)}
    return found


def _ended(run: Mapping[str, Any]) -> dict[str, Any]:
    same = ("stage_times", "error_message", "failed_stage", "page_count")
    changes = {"status": run["outcome"], "run_cost_usd": run["cost_usd"], "total": run["total_pages"] or 0, "current_stage": None}
    return {**changes, **{name: run[name] for name in same}, "last_commit_sha": run["commit_sha"], "updated_at": run["ended_at"]}
