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
STORAGE_VERSION = 68  # what ``storage_compatibility_version`` v1.5.0 writes into the header of a file
_MAGIC = b"DUCK"
_DAMAGE = ("corrupt", "checksum", "not a valid duckdb", "replaying wal", "could not read", "end of file")
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
        self._must_be_open()
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._transaction, work)

    async def alone(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Run work in the writer thread outside a transaction, for statements that cannot be in one (``ATTACH``)."""
        self._must_be_open()
        return await asyncio.get_running_loop().run_in_executor(self._writer, work, self._connection)

    async def read(self, statement: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        self._must_be_open()
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._query, statement, list(values))

    async def close(self) -> None:
        """Checkpoint, close, free the lock; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._reader, self._reading.close)  # after the reads that were asked for before
        await loop.run_in_executor(self._writer, self._shut)
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
            self._connection.close()
            os.close(self._lock)

    def _must_be_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("The database is closed: the server is stopping.")


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
        except duckdb.Error as error:
            connection.close()
            raise StoreUnavailable(f"{folder / FILE} cannot be used: {str(error).splitlines()[0]}") from None
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
    if _no_log(wal):
        # DuckDB takes such a file for one that was torn, and drops it without a word.
        aside = _move_aside(wal)
        notices.append(f"The log of the database was damaged; the changes in it are lost. It is now {aside}.")
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
    written = _storage_version(path)
    if (written or 0) > STORAGE_VERSION or "version number" in text.lower():
        raise StoreUnavailable(
            f"{path} has DuckDB storage version {written}; the installed DuckDB {duckdb.__version__} is used with storage "
            f"version {STORAGE_VERSION}. Install the DuckDB that wrote it, or move the file away; it was not changed."
        ) from None
    damaged = any(words in text.lower() for words in _DAMAGE)
    if isinstance(error, duckdb.OutOfMemoryException) or (isinstance(error, duckdb.IOException) and not damaged):
        raise StoreUnavailable(f"{path} cannot be opened: {text.splitlines()[0]}") from None


def _storage_version(path: Path) -> int | None:
    """Read the header of a file that nobody here has open: reading an open one would drop DuckDB's lock."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError:
        return None
    return int.from_bytes(head[12:20], "little") if head[8:12] == _MAGIC else None


def _no_log(wal: Path) -> bool:
    """Whether a log does not begin as DuckDB's logs do: the first field, number 100, says which entry follows."""
    try:
        with wal.open("rb") as file:
            head = file.read(2)
    except OSError:
        return False
    return len(head) == 2 and head != b"\x64\x00"


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
