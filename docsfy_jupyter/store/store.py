"""The durable rows: variants, runs, events, pages. The only importer of duckdb beside ``database.py``.

A row keeps what people query in columns of its own, and the whole of it as JSON in ``state``, in one write.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from docsfy_jupyter.errors import BadRequest
from docsfy_jupyter.models import Status, Variant, VariantKey, iso, money, safe_text, utc_now
from docsfy_jupyter.store.database import Database, as_time, open_database
from docsfy_jupyter.store.records import CallRecord, Event, PageRecord, ProgressUpdate, RunEnd, RunStart

_KEY = "name = ? AND branch = ? AND ai_provider = ? AND ai_model = ? AND owner = ?"
_TEXTS = (
    "name",
    "branch",
    "ai_provider",
    "ai_model",
    "owner",
    "status",
    "generation_id",
    "repo_url",
    "current_stage",
    "plan_json",
    "error_message",
    "last_commit_sha",
)
_TIMES = ("last_generated", "created_at", "updated_at", "started_at")
_COLUMNS = (*_TEXTS, *_TIMES, "page_count", "total_cost_usd", "state")
_RUN_FILTERS = {
    "name": "name = ?",
    "branch": "branch = ?",
    "provider": "ai_provider = ?",
    "model": "ai_model = ?",
    "outcome": "outcome = ?",
    "since": "started_at >= ?",
}
_TABLES = ("projects", "runs", "events", "pages", "ai_calls")

Connection = duckdb.DuckDBPyConnection


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
        return cls(await asyncio.to_thread(open_database, data_dir))

    @property
    def notices(self) -> list[str]:
        """What had to be moved aside when the file was opened, one sentence each."""
        return self._database.notices

    async def close(self) -> None:
        """Checkpoint and close; a second call does nothing."""
        await self._database.close()

    async def load_variants(self) -> list[Variant]:
        """Return every row."""
        rows = await self._database.read("SELECT state FROM projects")
        return [Variant.from_json(json.loads(row["state"])) for row in rows]

    async def recover(self, message: str) -> list[Variant]:
        """Turn rows that a dead server left in ``generating`` into ``error``, and close their runs.

        Returns
        -------
        list of Variant
            The rows as they are now.
        """

        def work(connection: Connection) -> list[Variant]:
            found = connection.execute("SELECT state FROM projects WHERE status = 'generating'").fetchall()
            rows = [_cut_off(Variant.from_json(json.loads(state)), message) for (state,) in found]
            for row in rows:
                _put(connection, row)
            sql = "UPDATE runs SET outcome = 'error', error_message = ?, ended_at = ? WHERE ended_at IS NULL"
            connection.execute(sql, [message, utc_now()]).fetchall()
            _events(connection, [Event(row.generation_id, utc_now(), "error", message) for row in rows])
            return rows

        return await self._database.write(work)

    async def begin_run(self, variant: Variant, run: RunStart, event: Event) -> None:
        """Write the row, the run and its first event."""

        def work(connection: Connection) -> None:
            _put(connection, variant)
            names = (
                "generation_id, name, branch, ai_provider, ai_model, owner, repo_url, started_by, batch_id, forced, started_at"
            )
            key = run.key
            values: list[Any] = [run.generation_id, key.name, key.branch, key.ai_provider, key.ai_model, key.owner, run.repo_url]
            values += [run.started_by, run.batch_id, run.forced, run.started_at]
            connection.execute(f"INSERT INTO runs ({names}) VALUES ({_marks(values)})", values).fetchall()  # noqa: S608
            _events(connection, [event])

        await self._database.write(work)

    async def save_progress(self, updates: Sequence[ProgressUpdate]) -> None:
        """Write changed fields of rows whose run is still in progress; others are left alone."""

        def work(connection: Connection) -> None:
            for update in updates:
                row = _generating(connection, update.key, update.generation_id)
                if row is not None:
                    _update(connection, row.changed(**update.changes))

        await self._database.write(work)

    async def end_run(self, key: VariantKey, generation_id: str, changes: Mapping[str, Any], end: RunEnd, event: Event) -> bool:
        """Write the one terminal status of a run.

        Returns
        -------
        bool
            False when the row does not say ``generating`` for this very run; nothing is written then.
        """

        def work(connection: Connection) -> bool:
            row = _generating(connection, key, generation_id)
            if row is None:
                return False
            _put(connection, row.changed(**changes))
            values: list[Any] = [end.ended_by, end.ended_at, end.outcome, end.failed_stage, _clean(end.error_message)]
            values += [end.commit_sha, end.page_count, end.total_pages, end.pages_fresh, end.pages_cached, money(end.cost_usd)]
            values += [_json(dict(end.stage_times)), generation_id]
            sql = (
                "UPDATE runs SET ended_by = ?, ended_at = ?, outcome = ?, failed_stage = ?, error_message = ?, commit_sha = ?, "
                "page_count = ?, total_pages = ?, pages_fresh = ?, pages_cached = ?, cost_usd = ?, stage_times = ? "
                "WHERE generation_id = ?"
            )
            connection.execute(sql, values).fetchall()
            _events(connection, [event])
            return True

        return await self._database.write(work)

    async def save_row(self, key: VariantKey, changes: Mapping[str, Any]) -> None:
        """Write changed fields of a row outside a run."""

        def work(connection: Connection) -> None:
            row = _get(connection, key)
            if row is not None:
                _put(connection, row.changed(**changes))

        await self._database.write(work)

    async def delete_variant(self, key: VariantKey, user: str) -> bool:
        """Delete a row; its runs stay, marked, so that cost never shrinks."""

        def work(connection: Connection) -> bool:
            row = _get(connection, key)
            if row is None:
                return False
            connection.execute(f"DELETE FROM projects WHERE {_KEY}", _values(key)).fetchall()  # noqa: S608
            connection.execute(f"UPDATE runs SET deleted = TRUE WHERE {_KEY}", _values(key)).fetchall()  # noqa: S608
            _events(connection, [Event(row.generation_id, utc_now(), "deleted", f"Deleted {key.address}", user)])
            return True

        return await self._database.write(work)

    async def add_events(self, events: Sequence[Event]) -> None:
        """Append events."""
        if events:
            await self._database.write(lambda connection: _events(connection, events))

    async def add_pages(self, pages: Sequence[PageRecord]) -> None:
        """Append page records."""
        if not pages:
            return

        def work(connection: Connection) -> None:
            for page in pages:
                values: list[Any] = [page.generation_id, page.slug, safe_text(page.title), page.provider, page.model]
                values += [page.commit_sha, _json(list(page.sources)), page.prompt_hash, page.generator_version]
                values += [page.cache_key, page.seconds, page.outcome, safe_text(page.failure) if page.failure else None, page.at]
                connection.execute(f"INSERT INTO pages VALUES ({_marks(values)})", values).fetchall()  # noqa: S608

        await self._database.write(work)

    async def add_calls(self, calls: Sequence[CallRecord]) -> None:
        """Append calls of providers."""
        if not calls:
            return

        def work(connection: Connection) -> None:
            for call in calls:
                values: list[Any] = [call.generation_id, call.slug, call.purpose, call.provider, call.model, call.tokens_in]
                values += [call.tokens_out, call.tokens_cached, money(call.cost_usd), call.basis, _clean(call.seconds)]
                values += [call.outcome, call.at]
                connection.execute(f"INSERT INTO ai_calls VALUES ({_marks(values)})", values).fetchall()  # noqa: S608

        await self._database.write(work)

    async def list_pages(self, generation_id: str) -> list[dict[str, Any]]:
        """Return the page records of a run, oldest first, JSON-able."""
        sql = "SELECT * FROM pages WHERE generation_id = ? ORDER BY occurred_at, slug"
        return [_jsonable(row, "sources") for row in await self._database.read(sql, [generation_id])]

    async def run_costs(self, key: VariantKey) -> float | None:
        """Return what all runs of a variant cost, deleted ones too; None when no cost is known."""
        sql = f"SELECT sum(cost_usd) AS cost FROM runs WHERE {_KEY}"  # noqa: S608
        return money((await self._database.read(sql, _values(key)))[0]["cost"])

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
        await self._database.read(f"COPY {table} TO {_quoted(part)} (FORMAT parquet)")
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


def _cut_off(row: Variant, message: str) -> Variant:
    stage, now = row.current_stage, iso(utc_now()) or ""
    changes: dict[str, Any] = {"status": Status.ERROR, "error_message": message, "current_stage": None, "failed_stage": stage}
    return row.changed(**changes, pages_active=(), queue_position=None, eta_at=None, updated_at=now)


def _values(key: VariantKey) -> list[str]:
    return [key.name, key.branch, key.ai_provider, key.ai_model, key.owner]


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


def _get(connection: Connection, key: VariantKey) -> Variant | None:
    found = connection.execute(f"SELECT state FROM projects WHERE {_KEY}", _values(key)).fetchall()  # noqa: S608
    return Variant.from_json(json.loads(found[0][0])) if found else None


def _generating(connection: Connection, key: VariantKey, generation_id: str) -> Variant | None:
    row = _get(connection, key)
    return row if row and row.status is Status.GENERATING and row.generation_id == generation_id else None


def _put(connection: Connection, row: Variant) -> None:
    """Write a row whole: an update where it exists, else an insert."""
    if _get(connection, row.key) is not None:
        _update(connection, row)
        return
    record = _record(row)
    sql = f"INSERT INTO projects ({', '.join(_COLUMNS)}) VALUES ({_marks(record)})"  # noqa: S608
    connection.execute(sql, record).fetchall()


def _update(connection: Connection, row: Variant) -> None:
    changes = ", ".join(f"{name} = ?" for name in _COLUMNS[5:])
    values = [*_record(row)[5:], *_values(row.key)]
    connection.execute(f"UPDATE projects SET {changes} WHERE {_KEY}", values).fetchall()  # noqa: S608


def _record(row: Variant) -> list[Any]:
    data: dict[str, Any] = _clean(row.to_json())
    times: list[datetime | None] = [as_time(data[name]) for name in _TIMES]
    return [*[data[name] for name in _TEXTS], *times, data["page_count"], data["total_cost_usd"], _json(data)]


def _clean(value: Any) -> Any:
    """Make a value storable at any depth: no lone surrogates, no NUL, no NaN (which is unknown: None)."""
    if isinstance(value, str):
        return safe_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {safe_text(str(name)): _clean(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(part) for part in value]
    return value


def _json(value: Any) -> str:
    return json.dumps(_clean(value), default=lambda other: safe_text(str(other)), allow_nan=False)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _events(connection: Connection, events: Sequence[Event]) -> None:
    sql = "INSERT INTO events (generation_id, occurred_at, kind, text, user_name, details) VALUES (?, ?, ?, ?, ?, ?)"
    for event in events:
        details = _json(dict(event.details))
        values = [event.generation_id, event.at, event.kind, safe_text(event.text), event.user_name, details]
        connection.execute(sql, values).fetchall()


def _jsonable(row: dict[str, Any], json_column: str) -> dict[str, Any]:
    ready = {name: iso(value) if isinstance(value, datetime) else value for name, value in row.items()}
    return {**ready, json_column: json.loads(row[json_column]) if row[json_column] else {}}


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"since={text[:40]!r} is not an ISO 8601 time.") from None
