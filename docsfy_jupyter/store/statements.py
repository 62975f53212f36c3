"""What is written to which columns: rows and records as SQL. Every function works within the transaction of its caller."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from docsfy_jupyter.models import Variant, VariantKey, money, safe_text
from docsfy_jupyter.store.records import Ending, Record, columns

if TYPE_CHECKING:
    from docsfy_jupyter.store.opening import Connection

_KEY_COLUMNS = ("name", "branch", "ai_provider", "ai_model", "owner")
KEY = " AND ".join(f"{name} = ?" for name in _KEY_COLUMNS)
RUNNING = "status = 'generating' AND generation_id = ?"
_TEXTS = ("status", "generation_id", "repo_url", "current_stage", "plan_json", "error_message", "last_commit_sha")
_TIMES = ("last_generated", "created_at", "updated_at", "started_at")
_NUMBERS = ("page_count", "total_cost_usd")
PROGRESS = ("current_stage", "page_count", "updated_at", "state")  # what a run in progress changes; the plan once
_TYPES = {"page_count": "INTEGER", "updated_at": "TIMESTAMPTZ", "state": "JSON", "plan_json": "JSON"}
_ROWS_AT_ONCE = 100


def key_values(key: VariantKey) -> list[Any]:
    """Return what belongs to the marks of `KEY`."""
    return [getattr(key, name) for name in _KEY_COLUMNS]


def _marks(values: Collection[Any]) -> str:
    return ", ".join("?" * len(values))


def read_row(state: str, plan_json: str | None) -> Variant:
    """Read a row; files of schema 1 have the plan within the state too."""
    return Variant.from_json({"plan_json": plan_json, **json.loads(state)})


def get(connection: Connection, key: VariantKey) -> Variant | None:
    """Return a row, None where there is none."""
    found = connection.execute(f"SELECT state, plan_json FROM projects WHERE {KEY}", key_values(key)).fetchall()  # noqa: S608
    return read_row(*found[0]) if found else None


def put(connection: Connection, row: Variant) -> None:
    """Write a row whole: an update where it exists, else an insert."""
    record = row_record(row)
    if not update(connection, record, KEY, key_values(row.key)):
        record = {**dict(zip(_KEY_COLUMNS, map(safe_text, key_values(row.key)), strict=True)), **record}
        sql = f"INSERT INTO projects ({', '.join(record)}) VALUES ({_marks(record)})"  # noqa: S608
        connection.execute(sql, list(record.values())).fetchall()


def update(connection: Connection, record: Mapping[str, Any], where: str, values: Sequence[Any], table: str = "projects") -> int:
    """Change columns; returns in how many rows."""
    changes = ", ".join(f"{name} = ?" for name in record)
    sql = f"UPDATE {table} SET {changes} WHERE {where}"  # noqa: S608
    return int(connection.execute(sql, [*record.values(), *values]).fetchall()[0][0])


def save_progress(connection: Connection, rows: Sequence[Variant], names: Sequence[str]) -> None:
    """Update some columns of many rows by one statement; a generation id belongs to one row."""
    if not rows:
        return
    records = [row_record(row) for row in rows]
    changes = ", ".join(f"{name} = new.{name}" for name in names)
    types = ", ".join(f"?::{_TYPES.get(name, 'VARCHAR')}" for name in ("generation_id", *names))
    given = ", ".join([f"({types})"] * len(records))
    sql = (
        f"UPDATE projects SET {changes} FROM (VALUES {given}) AS new (generation_id, {', '.join(names)}) "  # noqa: S608
        "WHERE projects.generation_id = new.generation_id AND projects.status = 'generating'"
    )
    values = [record[name] for record in records for name in ("generation_id", *names)]
    connection.execute(sql, values).fetchall()


def write_end(connection: Connection, ending: Ending) -> bool:
    """End a run, in its row and in the history; False, and nothing is written, where the row does not say that it generates."""
    row, end = ending.row, ending.end
    if not update(connection, row_record(row), f"{KEY} AND {RUNNING}", [*key_values(row.key), row.generation_id]):
        return False
    record = {name: _bound(name, value) for name, value in columns(end).items() if name != "generation_id"}
    update(connection, record, "generation_id = ? AND ended_at IS NULL", [end.generation_id], "runs")
    for table, records in (("events", ending.events), ("pages", ending.pages), ("ai_calls", ending.calls)):
        insert(connection, table, records)
    return True


def insert(connection: Connection, table: str, records: Sequence[Record]) -> None:
    """Append records of one kind, many by one statement."""
    for first in range(0, len(records), _ROWS_AT_ONCE):
        rows = [columns(record) for record in records[first : first + _ROWS_AT_ONCE]]
        marks = ", ".join([f"({_marks(rows[0])})"] * len(rows))
        sql = f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES {marks}"  # noqa: S608
        connection.execute(sql, [_bound(name, value) for row in rows for name, value in row.items()]).fetchall()


def _bound(name: str, value: Any) -> Any:
    """Make a field storable in its column."""
    if name in ("cost_usd", "estimated_cost_usd"):
        return money(value)
    return _json(value) if isinstance(value, Mapping | tuple) else _clean(value)


def row_record(row: Variant) -> dict[str, Any]:
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


def _as_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
