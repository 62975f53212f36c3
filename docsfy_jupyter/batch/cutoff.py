"""A batch whose notebook did not get to its end: what the server says of its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from docsfy_jupyter import errors
from docsfy_jupyter.batch.result import BatchResult, VariantResult, from_row, without_row
from docsfy_jupyter.batch.variants import Wanted
from docsfy_jupyter.client.client import DocsfyClient
from docsfy_jupyter.models import iso, utc_now


def cut_off(client: DocsfyClient, told: Mapping[str, Any], wanted: Sequence[Wanted], began: str, note: str) -> BatchResult:
    """Return the result of a batch that was cut off: runs that go on are ``lost`` to it, and say so.

    Parameters
    ----------
    client : DocsfyClient
        Asked for the present rows; a server that does not answer leaves what was told last.
    told : mapping
        The last progress; empty where nothing was started.
    wanted : sequence of Wanted
        All variants.
    began : str
        ISO time.
    note : str
        Why it was cut off.
    """
    rows = _rows(client)
    known = [VariantResult(**one) for one in told.get("variants", [])]
    if not known:
        known = [without_row(one, "lost", "it was not started") for one in wanted]
    now = [_now(one, result, rows) for one, result in zip(wanted, known, strict=True)]
    return BatchResult(told.get("started_at") or began, iso(utc_now()) or "", tuple(now), tuple(told.get("batch_ids", ())), note)


def abort_unfinished(client: DocsfyClient, told: Mapping[str, Any]) -> None:
    """Abort the runs that a batch has asked for and that are still in progress; those it has joined are in no batch of its."""
    for batch_id in told.get("batch_ids", ()):
        with suppress(errors.DocsfyError):  # nothing of it was started, or the server is gone
            client.abort_batch(batch_id)


def _rows(client: DocsfyClient) -> dict[str, Mapping[str, Any]]:
    try:
        return {row["generation_id"]: row for row in client.listing(limit=10_000)["projects"]}
    except errors.DocsfyError:
        return {}


def _now(wanted: Wanted, known: VariantResult, rows: Mapping[str, Mapping[str, Any]]) -> VariantResult:
    if known.outcome != "generating":
        return known
    row = rows.get(known.generation_id or "")
    if row is None:
        return replace(known, outcome="lost", reason="nobody could say how it ended")
    if row["status"] == "generating":
        return from_row(wanted, row, "lost", "it goes on at the server; the next batch joins it", joined=known.joined)
    return from_row(wanted, row, joined=known.joined)
