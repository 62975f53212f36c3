"""The durable rows: variants, runs, events, pages, calls; one verb for each thing that happens to them.

A row keeps what people query in columns of its own, and all of it but the plan as JSON in ``state``, in one write.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docsfy_jupyter.errors import BadRequest
from docsfy_jupyter.models import Status, Variant, VariantKey, iso, utc_now
from docsfy_jupyter.store import costs, statements
from docsfy_jupyter.store.costs import CallAverages
from docsfy_jupyter.store.records import CallRecord, Ending, Event, PageRecord, ProgressUpdate, RunEnd, RunStart, estimated

if TYPE_CHECKING:
    from docsfy_jupyter.store.database import Database
    from docsfy_jupyter.store.opening import Connection

RESTART = "the server (it was restarted)"
_RUN_FILTERS = {
    "name": "name = ?",
    "branch": "branch = ?",
    "provider": "ai_provider = ?",
    "model": "ai_model = ?",
    "outcome": "outcome = ?",
    "since": "started_at >= ?",
    "batch": "batch_id = ?",
}
_TABLES = {
    **{name: f"SELECT * FROM {name}" for name in ("projects", "runs", "events", "pages", "ai_calls")},  # noqa: S608
    "stages": (
        "SELECT runs.generation_id, name, branch, ai_provider, ai_model, stage.key AS stage, "
        "CAST(stage.value ->> '$' AS TIMESTAMPTZ) AS began_at, "
        "coalesce(lead(CAST(stage.value ->> '$' AS TIMESTAMPTZ)) OVER (PARTITION BY runs.generation_id "
        "ORDER BY CAST(stage.value ->> '$' AS TIMESTAMPTZ)), runs.ended_at) AS ended_at "
        "FROM runs, json_each(runs.stage_times) AS stage"
    ),
}
CLOSE_LIMIT = 5.0  # seconds that a clean end may take


class Store:
    """Verbs on the tables; every verb that changes something is one transaction.

    Parameters
    ----------
    database : Database
        The open file.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, data_dir: Path) -> Store:
        """Open the store of a data folder, off the event loop.

        Raises
        ------
        StoreUnavailable
            Held by another process, in a folder that cannot lock, or of a newer version; nothing was changed.
        """
        return cls(await asyncio.to_thread(_open, data_dir))

    @property
    def notices(self) -> list[str]:
        """What had to be moved aside when the file was opened, one sentence each."""
        return self._database.notices

    async def close(self, limit: float = CLOSE_LIMIT) -> None:
        """Checkpoint and close; a second call does nothing.

        Raises
        ------
        StoreUnavailable
            Not closed within ``limit`` seconds; nothing acknowledged is lost.
        """
        await self._database.close(limit)

    async def load_variants(self) -> list[Variant]:
        """Return every row."""
        rows = await self._database.read("SELECT state, plan_json FROM projects")
        return await asyncio.to_thread(lambda: [statements.read_row(row["state"], row["plan_json"]) for row in rows])

    async def recover(
        self,
        message: str,
        ended: Callable[[Variant], Ending | None] = lambda _: None,
        recounted: Callable[[Variant], Variant] = lambda row: row,
    ) -> list[Variant]:
        """End rows that a dead server left in ``generating``, and close their runs.

        Parameters
        ----------
        message : str
            Why the others are an ``error``, for people.
        ended : callable
            Returns how the run of such a row ended, where that is known.
        recounted : callable
            Brings the page count of the others up to date.

        Returns
        -------
        list of Variant
            The rows as they are now.
        """

        def work(connection: Connection) -> list[Variant]:
            found = connection.execute("SELECT state, plan_json FROM projects WHERE status = 'generating'").fetchall()
            rows = [statements.read_row(*values) for values in found]
            endings = [ended(row) or _cut_off(recounted(row), message) for row in rows]
            for ending in endings:
                statements.write_end(connection, ending)
            sql = "UPDATE runs SET outcome = 'error', error_message = ?, ended_at = ?, ended_by = ? WHERE ended_at IS NULL"
            connection.execute(sql, [message, utc_now(), RESTART]).fetchall()
            return [ending.row for ending in endings]

        return await self._database.write(work)

    async def begin_run(self, variant: Variant, run: RunStart, event: Event) -> None:
        """Write the row, the run and its first event."""

        def work(connection: Connection) -> None:
            statements.put(connection, variant)
            statements.insert(connection, "runs", [run])
            statements.insert(connection, "events", [event])

        await self._database.write(work)

    async def save_progress(
        self,
        updates: Sequence[ProgressUpdate],
        events: Sequence[Event] = (),
        pages: Sequence[PageRecord] = (),
        calls: Sequence[CallRecord] = (),
    ) -> None:
        """Write the rows of runs that are still in progress, others are left alone; and append events, pages and calls.

        One transaction of few statements, from rows that the caller has in memory: a statement costs about 1 ms.
        """

        def work(connection: Connection) -> None:
            names = statements.PROGRESS
            statements.save_progress(connection, [update.row for update in updates if not update.planned], names)
            statements.save_progress(connection, [update.row for update in updates if update.planned], (*names, "plan_json"))
            statements.insert(connection, "events", events)
            statements.insert(connection, "pages", pages)
            statements.insert(connection, "ai_calls", calls)

        if updates or events or pages or calls:
            await self._database.write(work)

    async def end_run(self, ending: Ending) -> Variant | None:
        """Write the one terminal status of a run.

        Returns
        -------
        Variant or None
            The row as it is now: that of the ending, or another one where the row did not say ``generating`` for this very run;
            then nothing was written.
        """

        def work(connection: Connection) -> Variant | None:
            return ending.row if statements.write_end(connection, ending) else statements.get(connection, ending.row.key)

        return await self._database.write(work)

    async def save_row(self, row: Variant) -> None:
        """Write a row outside a run."""
        await self._database.write(lambda connection: statements.put(connection, row))

    async def delete_variant(self, key: VariantKey, user: str) -> bool:
        """Delete a row; its runs stay, marked, so that cost never shrinks."""

        def work(connection: Connection) -> bool:
            row = statements.get(connection, key)
            if row is None:
                return False
            connection.execute(f"DELETE FROM projects WHERE {statements.KEY}", statements.key_values(key)).fetchall()  # noqa: S608
            connection.execute(f"UPDATE runs SET deleted = TRUE WHERE {statements.KEY}", statements.key_values(key)).fetchall()  # noqa: S608
            event = Event(row.generation_id, utc_now(), "deleted", f"Deleted {key.address}", user)
            statements.insert(connection, "events", [event])
            return True

        return await self._database.write(work)

    async def forget_details(self, before: datetime) -> tuple[int, int]:
        """Delete the events and pages of runs that ended before a time, but for the latest run of each variant.

        Returns
        -------
        tuple of int
            How many events and how many pages. Runs and calls stay: cost never shrinks.
        """
        old = (
            "generation_id IN (SELECT generation_id FROM runs WHERE ended_at < ?) "
            "AND generation_id NOT IN (SELECT generation_id FROM projects)"
        )

        def work(connection: Connection) -> tuple[int, int]:
            events, pages = (
                int(connection.execute(f"DELETE FROM {table} WHERE {old}", [before]).fetchall()[0][0])  # noqa: S608
                for table in ("events", "pages")
            )
            return events, pages

        return await self._database.write(work)

    async def list_pages(self, generation_id: str) -> list[dict[str, Any]]:
        """Return the page records of a run, oldest first, JSON-able."""
        sql = "SELECT * FROM pages WHERE generation_id = ? ORDER BY occurred_at, slug"
        return [_jsonable(row, "sources") for row in await self._database.read(sql, [generation_id])]

    async def page_seconds(self, provider: str, model: str) -> float | None:
        """Return the median seconds of the latest pages of a provider and model, else of the provider, else None."""
        sql = (
            "SELECT median(seconds) AS seconds FROM (SELECT seconds FROM pages WHERE outcome = 'fresh' AND provider = ? "
            "AND (? OR model = ?) ORDER BY occurred_at DESC LIMIT 500)"
        )
        for any_model in (False, True):
            seconds = (await self._database.read(sql, [provider, any_model, model]))[0]["seconds"]
            if seconds is not None:
                return float(seconds)
        return None

    async def spent_since(self, time: datetime) -> float:
        """Return what all calls since a time have cost, US dollars, as far as it is known."""
        return await costs.spent_since(self._database, time)

    async def call_averages(self, provider: str, model: str, key: VariantKey | None = None) -> dict[str, CallAverages]:
        """Return what an answer has taken, by purpose: of one variant, or of all that a provider and model did."""
        return await costs.averages(self._database, provider, model, key)

    async def last_paid_run(self, key: VariantKey) -> dict[str, Any] | None:
        """Return ``pages`` and ``cost_usd`` of the latest run of a variant that wrote pages, None where there is none."""
        return await costs.last_paid_run(self._database, key)

    async def export_parquet(self, table: str, target: Path) -> None:
        """Write a table as a Parquet file, whole or not at all.

        Raises
        ------
        BadRequest
            No such table.
        """
        if table not in _TABLES:
            raise BadRequest(f"No table {table[:40]!r}; there are {', '.join(_TABLES)}.")
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        await self._database.read(f"COPY ({_TABLES[table]}) TO {_quoted(part)} (FORMAT parquet)")
        await asyncio.to_thread(os.replace, part, target)

    async def snapshot(self, target: Path) -> None:
        """Write a copy of the whole database that other processes may open, whole or not at all."""
        part = target.with_name(f"{target.name}.{os.getpid()}.part")

        def work(connection: Connection) -> None:
            part.unlink(missing_ok=True)
            source = connection.execute("SELECT current_database()").fetchall()[0][0]
            connection.execute(f"ATTACH {_quoted(part)} AS snapshot").fetchall()
            try:
                connection.execute(f'COPY FROM DATABASE "{source}" TO snapshot').fetchall()
            finally:
                connection.execute("DETACH snapshot").fetchall()
            os.replace(part, target)

        await self._database.alone(work)

    async def list_events(self, generation_id: str, after: int, limit: int) -> list[dict[str, Any]]:
        """Return the events of a run after a sequence number, oldest first, JSON-able."""
        sql = "SELECT * FROM events WHERE generation_id = ? AND seq > ? ORDER BY seq LIMIT ?"
        return [_jsonable(row, "details") for row in await self._database.read(sql, [generation_id, after, limit])]

    async def list_runs(self, filters: Mapping[str, str], limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        """Return runs, newest first, JSON-able, and how many fit.

        Raises
        ------
        BadRequest
            ``since`` is no ISO time.
        """
        values: list[Any] = []
        for name, text in filters.items():
            values.append(_time(text) if name == "since" else text)
        where = " AND ".join([_RUN_FILTERS[name] for name in filters] or ["TRUE"])
        total = (await self._database.read(f"SELECT count(*) AS n FROM runs WHERE {where}", values))[0]["n"]  # noqa: S608
        sql = f"SELECT * FROM runs WHERE {where} ORDER BY started_at DESC, generation_id LIMIT ? OFFSET ?"  # noqa: S608
        rows = await self._database.read(sql, [*values, limit, offset])
        return [_jsonable(row, "stage_times") for row in rows], int(total)


def _cut_off(row: Variant, message: str) -> Ending:
    """Return the end of a run that nobody brought to one."""
    now, plan = utc_now(), row.plan()
    changes: dict[str, Any] = {"status": Status.ERROR, "error_message": message, "failed_stage": row.current_stage}
    usual: dict[str, Any] = {"current_stage": None, "queue_position": None, "pages_active": (), "eta_at": None}
    end = RunEnd(
        generation_id=row.generation_id,
        ended_by=RESTART,
        ended_at=now,
        outcome=Status.ERROR.value,
        failed_stage=row.current_stage,
        error_message=message,
        page_count=row.page_count,
        total_pages=len(plan.pages()) if plan else 0,
        pages_fresh=len(row.pages_done),
        pages_cached=max(row.page_count - len(row.pages_done), 0),
        cost_usd=row.run_cost_usd,
        stage_times=row.stage_times,
        **estimated(row),
    )
    event = Event(row.generation_id, now, "error", message, RESTART)
    return Ending(row.changed(**changes, **usual, updated_at=iso(now) or ""), end, (event,))


def _open(folder: Path) -> Database:
    """Load DuckDB, here and not at the start of a Jupyter server that may never need it, and open the file; blocks."""
    database: Database = import_module("docsfy_jupyter.store.database").open_database(folder)
    return database


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _jsonable(row: dict[str, Any], json_column: str) -> dict[str, Any]:
    ready = {name: iso(value) if isinstance(value, datetime) else value for name, value in row.items()}
    return {**ready, json_column: json.loads(row[json_column]) if row[json_column] else {}}


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"since={text[:40]!r} is not an ISO 8601 time.") from None
