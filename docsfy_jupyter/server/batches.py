"""Many runs asked for at once: each accepted or refused by itself, watched and aborted together."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from docsfy_jupyter.errors import Conflict, DocsfyError, NotFound
from docsfy_jupyter.generation.manager import Batch, Manager
from docsfy_jupyter.models import Status, Variant, money
from docsfy_jupyter.requests import MAX_BATCH, GenerateRequest, validated
from docsfy_jupyter.server.base import DocsfyHandler
from docsfy_jupyter.sources.rules import comparable

_AT_ONCE = 8  # requests that may ask their repositories for a default branch
_REMEMBERED, _RUNS_REMEMBERED = 100, 2000  # answers, and runs in them: as many lists of the greatest length would take 60 MB
BATCHES_SETTING = "docsfy_batches"


@dataclass(frozen=True)
class _Asked:
    """A list that was asked for: which, of how many runs, and their start."""

    digest: bytes
    runs: int
    task: asyncio.Task[dict[str, Any]]


class Batches:
    """Starts lists of runs, each list once: the same id and list again, since an answer was lost, get the same answer.

    Parameters
    ----------
    manager : Manager
        Starts them.
    """

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._asked: dict[tuple[str, str], _Asked] = {}  # by user and id; who asked last is last
        self._given_up: set[tuple[str, str]] = set()  # users' batches that are aborted while they are being started

    async def start(self, items: Sequence[Mapping[str, Any]], user: str, batch_id: str) -> dict[str, Any]:
        """Start a run for every item that can be accepted.

        Parameters
        ----------
        items : sequence of mapping
            Decoded bodies, not validated yet.
        user : str
            Who asks.
        batch_id : str
            Chosen by whoever asks, or anew.

        Returns
        -------
        dict
            ``batch_id``, and ``items`` in the given order: what a single request answers, or ``detail`` and ``code``.

        Raises
        ------
        Conflict
            The id is that of another list.
        """
        known, digest = self._asked.get((user, batch_id)), _digest(items)
        if known is not None and known.digest != digest:
            raise Conflict(f"The batch {batch_id} was started with another list; choose another batch_id.")
        # not of the request: whoever asked may be gone before all are started
        asked = known or _Asked(digest, len(items), asyncio.create_task(self._started(items, user, batch_id)))
        self._asked.pop((user, batch_id), None)
        self._asked[user, batch_id] = asked
        self._forget_old()
        return await asyncio.shield(asked.task)

    def _forget_old(self) -> None:
        """Keep the latest answers, as many as there is room for."""
        done = [key for key, one in reversed(self._asked.items()) if one.task.done()]
        runs = accumulate(self._asked[key].runs for key in done)
        for place, (key, sum_) in enumerate(zip(done, runs, strict=True)):
            if place >= _REMEMBERED or sum_ > _RUNS_REMEMBERED:
                del self._asked[key]

    async def give_up(self, batch_id: str, user: str) -> None:
        """Start no more runs of a user's batch, else of whoever has one of that id; returns once those being started are."""
        named = {key for key in self._asked if key[1] == batch_id}
        keys = named & {(user, batch_id)} or named
        tasks = [task for key in keys if not (task := self._asked[key].task).done()]
        if tasks:
            self._given_up |= keys
            await asyncio.wait(tasks)
            self._given_up -= keys

    async def _started(self, items: Sequence[Mapping[str, Any]], user: str, batch_id: str) -> dict[str, Any]:
        room, batch = asyncio.Semaphore(_AT_ONCE), self._manager.batch(batch_id)
        answers: dict[int, dict[str, Any]] = {}
        places: dict[str, list[int]] = {}
        for number, item in enumerate(items):
            places.setdefault(comparable(str(item.get("repo_url") or item.get("repo_path"))), []).append(number)

        async def start_in_turn(numbers: Sequence[int]) -> None:  # of two that ask for one variant the first has it
            for number in numbers:
                async with room:
                    answers[number] = await self._start_one(items[number], user, batch)

        await asyncio.gather(*map(start_in_turn, places.values()))
        return {"batch_id": batch_id, "items": [answers[number] for number in range(len(items))]}

    async def _start_one(self, item: Mapping[str, Any], user: str, batch: Batch) -> dict[str, Any]:
        try:
            if (user, batch.batch_id) in self._given_up:
                raise Conflict("The batch was aborted before this run was started.")
            return accepted(await self._manager.generate(validated(GenerateRequest, item), user, batch))
        except DocsfyError as error:
            # whoever asked may watch the run that is in progress already, or name the faulty fields in words of their own
            more = {name: value for name, value in error.details.items() if name in ("generation_id", "faults")}
            return {"detail": error.message, "code": error.code, **more}


def _digest(items: Sequence[Mapping[str, Any]]) -> bytes:
    """Return what stands for a list of bodies: the same for equal ones, however their fields are ordered."""
    return hashlib.sha256(json.dumps(items, sort_keys=True).encode()).digest()


def accepted(row: Variant) -> dict[str, Any]:
    """Return what a request that started a run is answered."""
    return {"project": row.name, "status": row.status.value, "branch": row.branch, "generation_id": row.generation_id}


class BatchHandler(DocsfyHandler):
    """``api/batches/{batch_id}``."""

    @property
    def _batch_id(self) -> str:
        """The id as it is kept, however a UUID is written."""
        text = self.path_parts()["batch_id"]
        try:
            return str(uuid.UUID(text))
        except ValueError:
            return text

    async def _found(self) -> tuple[str, list[dict[str, Any]], list[Variant]]:
        """Return the batch's id, its runs (of two users who chose one id the caller's), and the rows whose latest run is one."""
        store = await self.manager.ready()
        batch_id = self._batch_id
        runs, _ = await store.list_runs({"batch": batch_id}, MAX_BATCH, 0)
        if not runs:
            raise NotFound(f"There is no batch {batch_id[:60]!r}.")
        runs = [run for run in runs if run["started_by"] == self.caller] or runs
        rows = (self.manager.feed.of_run(run["generation_id"]) for run in runs)
        return batch_id, runs, [row for row in rows if row is not None]

    async def get_batch(self) -> None:
        """Answer the runs of a batch, their variants and the sums."""
        batch_id, runs, rows = await self._found()
        live = {row.generation_id: row for row in rows}
        states = [run["outcome"] or Status.GENERATING.value for run in runs]
        costs = [cost for run in runs if (cost := _cost(run, live)) is not None]
        more_unknown = len(costs) < len(runs) or any(row.untold_calls for row in rows)
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
                    "cost_usd": sum(costs) if any(costs) or not more_unknown else None,
                    "cost_at_least": more_unknown,
                },
            }
        )

    async def abort_batch(self) -> None:
        """Abort every run of a batch that is in progress."""
        batches: Batches = self.settings[BATCHES_SETTING]
        await batches.give_up(self._batch_id, self.caller)
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
