"""One DuckDB connection, one writer thread, one reader thread with a cursor of its own."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from docsfy_jupyter.errors import StoreUnavailable
from docsfy_jupyter.models import utc_now
from docsfy_jupyter.store.lock import cannot_lock, held_by, take_lock
from docsfy_jupyter.store.migrations import STEPS, VERSION

T = TypeVar("T")
FILE = "docsfy.duckdb"
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "memory_limit": "512MB",
    "wal_autocheckpoint": "1MB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "storage_compatibility_version": "v1.5.0",
}


class Database:
    """The open file. Statements run in threads: a write waits for its turn, and is one transaction.

    Only ``fetchall`` is used: a half-read result keeps its transaction open, and checkpoints stop.
    """

    def __init__(self, folder: Path, lock: int, connection: duckdb.DuckDBPyConnection, notices: list[str]) -> None:
        self.folder = folder
        self.notices = notices
        self._lock = lock
        self._connection = connection
        self._reading = connection.cursor()
        self._writer = ThreadPoolExecutor(1, "docsfy-writer")
        self._reader = ThreadPoolExecutor(1, "docsfy-reader")
        self._closed = False

    async def write(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Run work in the writer thread as one transaction, rolled back on any exception."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._transaction, work)

    async def read(self, statement: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._query, statement, list(values))

    async def close(self) -> None:
        """Checkpoint, close, free the lock; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._writer, self._shut)
        self._writer.shutdown(wait=False)
        self._reader.shutdown(wait=False)

    def _transaction(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        self._connection.begin()
        try:
            result = work(self._connection)
            self._connection.commit()
        except BaseException:
            self._connection.rollback()
            raise
        return result

    def _query(self, statement: str, values: list[Any]) -> list[dict[str, Any]]:
        cursor = self._reading.execute(statement, values)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _shut(self) -> None:
        try:
            self._connection.execute("CHECKPOINT").fetchall()
        finally:
            self._reading.close()
            self._connection.close()
            os.close(self._lock)


def open_database(folder: Path) -> Database:
    """Open, or make, the database of a folder; blocks.

    Raises
    ------
    StoreUnavailable
        Another process holds it, the folder cannot lock, or the file is of a newer version.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    lock = take_lock(folder)
    try:
        connection, notices = _connect(folder)
        try:
            _migrate(connection, folder / FILE)
        except BaseException:
            connection.close()
            raise
    except BaseException:
        os.close(lock)
        raise
    return Database(folder, lock, connection, notices)


def _connect(folder: Path) -> tuple[duckdb.DuckDBPyConnection, list[str]]:
    path, wal = folder / FILE, folder / f"{FILE}.wal"
    notices: list[str] = []
    try:
        return _open(path), notices
    except duckdb.Error as error:
        _refuse_what_is_not_damage(error, path)
        reason = str(error).splitlines()[0]
    if wal.exists():
        aside = _move_aside(wal)
        notices.append(f"The log of the database could not be replayed ({reason}); its changes are lost. It is now {aside}.")
        try:
            return _open(path), notices
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
    notices.append(f"The database is damaged ({reason}). It was moved to {_move_aside(path)}; a new, empty one was made.")
    return _open(path), notices


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path), config=_SETTINGS)
    connection.execute("SET GLOBAL TimeZone = 'UTC'").fetchall()
    return connection


def _refuse_what_is_not_damage(error: duckdb.Error, path: Path) -> None:
    text = str(error)
    holder = re.search(r"PID (\d+)", text)
    if "lock" in text.lower() and ("not supported" in text.lower() or "No locks available" in text):
        raise cannot_lock(path.parent, text.splitlines()[0]) from None
    if "Could not set lock" in text or "Conflicting lock" in text:
        raise held_by(holder.group(1) if holder else "unknown", path.parent) from None
    if re.search(r"version", text, re.I) and re.search(r"(newer|version number|storage version)", text, re.I):
        raise StoreUnavailable(
            f"{path} was written by another version of DuckDB than {duckdb.__version__}: {text.splitlines()[0]} "
            "Install that version, or move the file away; it was not changed."
        ) from None
    if isinstance(error, duckdb.IOException) and ("Permission denied" in text or "No space left" in text):
        raise StoreUnavailable(f"{path} cannot be opened: {text.splitlines()[0]}") from None


def _move_aside(path: Path) -> Path:
    target = path.with_name(f"{path.name}.corrupt-{utc_now():%Y%m%dT%H%M%S%f}")
    os.replace(path, target)
    return target


def _migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ)").fetchall()
    found = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchall()[0][0]
    if found > VERSION:
        raise StoreUnavailable(
            f"{path} has schema {found}, this docsfy_jupyter knows {VERSION}: update docsfy_jupyter, or move the file away; "
            "it was not changed."
        )
    for number, statements in enumerate(STEPS[found:], found + 1):
        connection.begin()
        try:
            for statement in statements:
                connection.execute(statement).fetchall()
            connection.execute("INSERT INTO schema_version VALUES (?, ?)", [number, utc_now()]).fetchall()
            connection.commit()
        except BaseException:
            connection.rollback()
            raise


def as_time(text: str | None) -> datetime | None:
    """Read an ISO time of a row."""
    return datetime.fromisoformat(text) if text else None
