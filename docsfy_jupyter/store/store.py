"""The durable rows: variants, runs, events, pages. The only importer of duckdb beside ``database.py``.

A row keeps what people query in columns of its own, and the whole of it as JSON in ``state``, in one write.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docsfy_jupyter.errors import BadRequest
from docsfy_jupyter.models import Status, Variant, VariantKey, iso, money, safe_text, utc_now
from docsfy_jupyter.store.records import CallRecord, Event, PageRecord, ProgressUpdate, Record, RunEnd, RunStart, columns

if TYPE_CHECKING:
    from docsfy_jupyter.store.database import Database
    from docsfy_jupyter.store.opening import Connection

_KEY_COLUMNS = ("name", "branch", "ai_provider", "ai_model", "owner")
_KEY = " AND ".join(f"{name} = ?" for name in _KEY_COLUMNS)
_RUNNING = "status = 'generating' AND generation_id = ?"
_TEXTS = ("status", "generation_id", "repo_url", "current_stage", "plan_json", "error_message", "last_commit_sha")
_TIMES = ("last_generated", "created_at", "updated_at", "started_at")
_NUMBERS = ("page_count", "total_cost_usd")
_PROGRESS = ("current_stage", "page_count", "updated_at", "state")  # what a run in progress changes; the plan once
_TYPES = {"page_count": "INTEGER", "updated_at": "TIMESTAMPTZ", "state": "JSON", "plan_json": "JSON"}
_ROWS_AT_ONCE = 100
RESTART = "the server (it was restarted)"
_RUN_FILTERS = {
    "name": "name = ?",
    "branch": "branch = ?",
    "provider": "ai_provider = ?",
    "model": "ai_model = ?",
    "outcome": "outcome = ?",
    "since": "started_at >= ?",
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
        return [_row(row["state"], row["plan_json"]) for row in rows]

    async def recover(self, message: str) -> list[Variant]:
        """Turn rows that a dead server left in ``generating`` into ``error``, and close their runs.

        Returns
        -------
        list of Variant
            The rows as they are now.
        """

        def work(connection: Connection) -> list[Variant]:
            found = connection.execute("SELECT state, plan_json FROM projects WHERE status = 'generating'").fetchall()
            rows = [_cut_off(_row(*values), message) for values in found]
            for row in rows:
                _update(connection, _record(row), _KEY, _values(row.key))
                _end(connection, _cut_off_run(row, message))
            sql = "UPDATE runs SET outcome = 'error', error_message = ?, ended_at = ?, ended_by = ? WHERE ended_at IS NULL"
            connection.execute(sql, [message, utc_now(), RESTART]).fetchall()
            _insert(connection, "events", [Event(row.generation_id, utc_now(), "error", message, RESTART) for row in rows])
            return rows

        return await self._database.write(work)

    async def begin_run(self, variant: Variant, run: RunStart, event: Event) -> None:
        """Write the row, the run and its first event."""

        def work(connection: Connection) -> None:
            _put(connection, variant)
            _insert(connection, "runs", [run])
            _insert(connection, "events", [event])

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
            _progress(connection, [update.row for update in updates if not update.planned], _PROGRESS)
            _progress(connection, [update.row for update in updates if update.planned], (*_PROGRESS, "plan_json"))
            _insert(connection, "events", events)
            _insert(connection, "pages", pages)
            _insert(connection, "ai_calls", calls)

        if updates or events or pages or calls:
            await self._database.write(work)

    async def end_run(
        self,
        row: Variant,
        end: RunEnd,
        events: Sequence[Event] = (),
        pages: Sequence[PageRecord] = (),
        calls: Sequence[CallRecord] = (),
    ) -> Variant | None:
        """Write the one terminal status of a run.

        Parameters
        ----------
        row : Variant
            As it is to be.
        end : RunEnd
            The same for the history.
        events, pages, calls : sequence
            What the run had to tell and was not written yet.

        Returns
        -------
        Variant or None
            The row as it is now: the given one, or another one where the row did not say ``generating`` for this very run;
            then nothing was written.
        """

        def work(connection: Connection) -> Variant | None:
            where, values = f"{_KEY} AND {_RUNNING}", [*_values(row.key), row.generation_id]
            if not _update(connection, _record(row), where, values):
                return _get(connection, row.key)
            _end(connection, end)
            _insert(connection, "events", events)
            _insert(connection, "pages", pages)
            _insert(connection, "ai_calls", calls)
            return row

        return await self._database.write(work)

    async def save_row(self, row: Variant) -> None:
        """Write a row outside a run."""
        await self._database.write(lambda connection: _put(connection, row))

    async def delete_variant(self, key: VariantKey, user: str) -> bool:
        """Delete a row; its runs stay, marked, so that cost never shrinks."""

        def work(connection: Connection) -> bool:
            row = _get(connection, key)
            if row is None:
                return False
            connection.execute(f"DELETE FROM projects WHERE {_KEY}", _values(key)).fetchall()  # noqa: S608
            connection.execute(f"UPDATE runs SET deleted = TRUE WHERE {_KEY}", _values(key)).fetchall()  # noqa: S608
            _insert(connection, "events", [Event(row.generation_id, utc_now(), "deleted", f"Deleted {key.address}", user)])
            return True

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


def _cut_off(row: Variant, message: str) -> Variant:
    stage, now = row.current_stage, iso(utc_now()) or ""
    changes: dict[str, Any] = {"status": Status.ERROR, "error_message": message, "current_stage": None, "failed_stage": stage}
    return row.changed(**changes, pages_active=(), queue_position=None, eta_at=None, updated_at=now)


def _cut_off_run(row: Variant, message: str) -> RunEnd:
    plan = row.plan()
    return RunEnd(
        generation_id=row.generation_id,
        ended_by=RESTART,
        ended_at=utc_now(),
        outcome=Status.ERROR.value,
        failed_stage=row.failed_stage,
        error_message=message,
        commit_sha=row.last_commit_sha,
        page_count=row.page_count,
        total_pages=len(plan.pages()) if plan else 0,
        pages_fresh=len(row.pages_done),
        pages_cached=max(row.page_count - len(row.pages_done), 0),
        cost_usd=row.run_cost_usd,
        stage_times=row.stage_times,
    )


def _values(key: VariantKey) -> list[Any]:
    return [getattr(key, name) for name in _KEY_COLUMNS]


def _marks(values: Collection[Any]) -> str:
    return ", ".join("?" * len(values))


def _row(state: str, plan_json: str | None) -> Variant:
    return Variant.from_json({"plan_json": plan_json, **json.loads(state)})


def _open(folder: Path) -> Database:
    """Load DuckDB, here and not at the start of a Jupyter server that may never need it, and open the file; blocks."""
    database: Database = import_module("docsfy_jupyter.store.database").open_database(folder)
    return database


def _get(connection: Connection, key: VariantKey) -> Variant | None:
    found = connection.execute(f"SELECT state, plan_json FROM projects WHERE {_KEY}", _values(key)).fetchall()  # noqa: S608
    return _row(*found[0]) if found else None


def _put(connection: Connection, row: Variant) -> None:
    """Write a row whole: an update where it exists, else an insert."""
    record = _record(row)
    if not _update(connection, record, _KEY, _values(row.key)):
        record = {**dict(zip(_KEY_COLUMNS, map(safe_text, _values(row.key)), strict=True)), **record}
        sql = f"INSERT INTO projects ({', '.join(record)}) VALUES ({_marks(record)})"  # noqa: S608
        connection.execute(sql, list(record.values())).fetchall()


def _update(connection: Connection, record: Mapping[str, Any], where: str, values: Sequence[Any], table: str = "projects") -> int:
    """Change columns; returns in how many rows."""
    changes = ", ".join(f"{name} = ?" for name in record)
    sql = f"UPDATE {table} SET {changes} WHERE {where}"  # noqa: S608
    return int(connection.execute(sql, [*record.values(), *values]).fetchall()[0][0])


def _progress(connection: Connection, rows: Sequence[Variant], names: Sequence[str]) -> None:
    """Update some columns of many rows by one statement; a generation id belongs to one row."""
    if not rows:
        return
    records = [_record(row) for row in rows]
    changes = ", ".join(f"{name} = new.{name}" for name in names)
    types = ", ".join(f"?::{_TYPES.get(name, 'VARCHAR')}" for name in ("generation_id", *names))
    given = ", ".join([f"({types})"] * len(records))
    sql = (
        f"UPDATE projects SET {changes} FROM (VALUES {given}) AS new (generation_id, {', '.join(names)}) "  # noqa: S608
        "WHERE projects.generation_id = new.generation_id AND projects.status = 'generating'"
    )
    values = [record[name] for record in records for name in ("generation_id", *names)]
    connection.execute(sql, values).fetchall()


def _end(connection: Connection, end: RunEnd) -> None:
    record = {name: _bound(name, value) for name, value in columns(end).items() if name != "generation_id"}
    _update(connection, record, "generation_id = ? AND ended_at IS NULL", [end.generation_id], "runs")


def _insert(connection: Connection, table: str, records: Sequence[Record]) -> None:
    """Append records of one kind, many by one statement."""
    for first in range(0, len(records), _ROWS_AT_ONCE):
        rows = [columns(record) for record in records[first : first + _ROWS_AT_ONCE]]
        marks = ", ".join([f"({_marks(rows[0])})"] * len(rows))
        sql = f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES {marks}"  # noqa: S608
        connection.execute(sql, [_bound(name, value) for row in rows for name, value in row.items()]).fetchall()


def _bound(name: str, value: Any) -> Any:
    """Make a field storable in its column."""
    if name == "cost_usd":
        return money(value)
    return _json(value) if isinstance(value, Mapping | tuple) else _clean(value)


def _record(row: Variant) -> dict[str, Any]:
    """Return the columns of a row beside its key; ``state`` is the whole row but the plan, which has a column of its own."""
    data: dict[str, Any] = _clean(row.to_json())
    plain = {name: data[name] for name in (*_TEXTS, *_NUMBERS)}
    times = {name: _as_time(data[name]) for name in _TIMES}
    del data["plan_json"]
    return {**plain, **times, "state": json.dumps(data, allow_nan=False)}


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


def _jsonable(row: dict[str, Any], json_column: str) -> dict[str, Any]:
    ready = {name: iso(value) if isinstance(value, datetime) else value for name, value in row.items()}
    return {**ready, json_column: json.loads(row[json_column]) if row[json_column] else {}}


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"since={text[:40]!r} is not an ISO 8601 time.") from None


def _as_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
