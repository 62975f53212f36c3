"""Many runs asked for at once: each accepted or refused by itself, watched and aborted together."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

from docsfy_jupyter.errors import DocsfyError, NotFound
from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.models import Status, Variant, money
from docsfy_jupyter.requests import MAX_BATCH, GenerateRequest, validated
from docsfy_jupyter.server.base import DocsfyHandler

_AT_ONCE = 8  # requests that may ask their repositories for a default branch


async def start_batch(manager: Manager, items: Sequence[object], user: str) -> dict[str, Any]:
    """Start a run for every item that can be accepted.

    Parameters
    ----------
    manager : Manager
        Starts them.
    items : sequence
        Decoded bodies, not validated yet.
    user : str
        Who asks.

    Returns
    -------
    dict
        ``batch_id``, and ``items`` in the given order: what a single request answers, or ``detail`` and ``code``.
    """
    batch_id = str(uuid.uuid4())
    room = asyncio.Semaphore(_AT_ONCE)

    async def started(item: object) -> dict[str, Any]:
        async with room:
            try:
                return accepted(await manager.generate(validated(GenerateRequest, item), user, batch_id))
            except DocsfyError as error:
                # whoever asked may watch the run that is in progress already
                watched = {"generation_id": error.details["generation_id"]} if "generation_id" in error.details else {}
                return {"detail": error.message, "code": error.code, **watched}

    return {"batch_id": batch_id, "items": list(await asyncio.gather(*map(started, items)))}


def accepted(row: Variant) -> dict[str, Any]:
    """Return what a request that started a run is answered."""
    return {"project": row.name, "status": row.status.value, "branch": row.branch, "generation_id": row.generation_id}


class BatchHandler(DocsfyHandler):
    """``api/batches/{batch_id}``."""

    async def _found(self) -> tuple[str, list[dict[str, Any]], list[Variant]]:
        """Return the batch's id, its runs, and the rows whose latest run is one of them."""
        store = await self.manager.ready()
        batch_id = self.path_parts()["batch_id"]
        runs, _ = await store.list_runs({"batch": batch_id}, MAX_BATCH, 0)
        if not runs:
            raise NotFound(f"There is no batch {batch_id[:60]!r}.")
        own = {run["generation_id"] for run in runs}
        return batch_id, runs, [row for row in self.manager.feed.rows() if row.generation_id in own]

    async def get_batch(self) -> None:
        """Answer the runs of a batch, their variants and the sums."""
        batch_id, runs, rows = await self._found()
        live = {row.generation_id: row for row in rows}
        states = [run["outcome"] or Status.GENERATING.value for run in runs]
        costs = [cost for run in runs if (cost := _cost(run, live)) is not None]
        sums = {status.value: states.count(status.value) for status in Status}
        pages = [_pages(run, live) for run in runs]
        self.reply_tagged(
            {
                "batch_id": batch_id,
                "runs": runs,
                "variants": [row.to_json(slim=True) for row in sorted(rows, key=lambda row: row.key)],
                "sums": {
                    **sums,
                    "runs": len(runs),
                    "pages_done": sum(done for done, _ in pages),
                    "pages_total": sum(total for _, total in pages),
                    # what is known of it; nothing beside unknown costs is unknown, not 0
                    "cost_usd": sum(costs) if any(costs) or len(costs) == len(runs) else None,
                },
            }
        )

    async def abort_batch(self) -> None:
        """Abort every run of a batch that is in progress."""
        batch_id, _, rows = await self._found()
        active = [row for row in rows if row.status is Status.GENERATING]
        ends = await asyncio.gather(
            *(self.manager.abort(row.key, self.caller, row.generation_id) for row in active), return_exceptions=True
        )
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, DocsfyError):
                raise end
        failed = [
            {"address": row.address, "detail": end.message, "code": end.code}
            for row, end in zip(active, ends, strict=True)
            if isinstance(end, DocsfyError)
        ]
        aborted = [end.address for end in ends if isinstance(end, Variant)]
        self.reply({"batch_id": batch_id, "aborted": aborted, "failed": failed})


def _cost(run: dict[str, Any], live: dict[str, Variant]) -> float | None:
    """Return what a run cost so far: of one in progress its row knows."""
    row = live.get(run["generation_id"])
    return money(run["cost_usd"]) if run["outcome"] or row is None else row.run_cost_usd


def _pages(run: dict[str, Any], live: dict[str, Variant]) -> tuple[int, int]:
    row = live.get(run["generation_id"])
    if run["outcome"] or row is None:
        return run["page_count"] or 0, run["total_pages"] or 0
    plan = row.plan()
    return row.page_count, len(plan.pages()) if plan else 0
