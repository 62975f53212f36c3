"""Opening the file: what is damaged is moved aside and said, what is not ours to change is refused."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

import duckdb

from docsfy_jupyter.errors import StoreUnavailable
from docsfy_jupyter.models import utc_now
from docsfy_jupyter.store.lock import cannot_lock, held_by
from docsfy_jupyter.store.migrations import STEPS, VERSION
from docsfy_jupyter.store.revisions import RevisionFile

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

Connection = duckdb.DuckDBPyConnection


def open_file(folder: Path, revisions: RevisionFile) -> tuple[Connection, list[str]]:
    """Open, or make, the file of a folder whose lock is held; returns what had to be moved aside, one sentence each.

    Raises
    ------
    StoreUnavailable
        Another process holds it, the folder cannot lock, or the file is of a newer version.
    """
    path, wal = folder / FILE, folder / f"{FILE}.wal"
    log = _copy_of(wal)
    try:
        connection, notices = _connect(folder)
        try:
            _migrate(connection, path)
            known = connection.execute("SELECT max(number) FROM revision").fetchall()[0][0]
        except duckdb.Error as error:
            connection.close()
            raise StoreUnavailable(f"{path} cannot be used: {str(error).splitlines()[0]}") from None
        except BaseException:
            connection.close()
            raise
        lost = revisions.read() - known
        if lost > 0 and not notices:
            kept = f" The log as it was is now {_move_aside(log, wal)}." if log is not None else ""
            notices.append(f"The database has lost the last {lost} changes that it had confirmed: its log was damaged.{kept}")
        revisions.write(known)
    finally:
        if log is not None:
            log.unlink(missing_ok=True)
    return connection, notices


def _copy_of(wal: Path) -> Path | None:
    """Copy a log before DuckDB replays and removes it; it is small, and there only after a crash."""
    copy = wal.with_name(f"{wal.name}.before")
    try:
        shutil.copyfile(wal, copy)
    except OSError:  # none there, or no room for a copy
        copy.unlink(missing_ok=True)
        return None
    return copy


def _connect(folder: Path) -> tuple[Connection, list[str]]:
    path, wal = folder / FILE, folder / f"{FILE}.wal"
    notices: list[str] = []
    cut_off = wal.exists()  # a server that stopped as it should leaves no log
    if _no_log(wal):
        # DuckDB takes such a file for one that was torn, and drops it without a word.
        aside = _move_aside(wal)
        notices.append(f"The log of the database was damaged; the changes in it are lost. It is now {aside}.")
    try:
        return _open(path, read_all=cut_off), notices
    except duckdb.Error as error:
        _refuse_what_is_not_damage(error, path)
        reason = str(error).splitlines()[0]
    if wal.exists():
        aside = _move_aside(wal)
        notices.append(f"The log of the database could not be replayed ({reason}); its changes are lost. It is now {aside}.")
        try:
            return _open(path, read_all=True), notices
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
    notices.append(f"The database is damaged ({reason}). It was moved to {_move_aside(path)}; a new, empty one was made.")
    return _open(path), notices


def _open(path: Path, *, read_all: bool = False) -> Connection:
    """Open a file; DuckDB reads its blocks when they are asked for, so that one may be damaged and open all the same."""
    connection = duckdb.connect(str(path), config=_SETTINGS)
    try:
        connection.execute("SET GLOBAL TimeZone = 'UTC'").fetchall()
        tables = connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall() if read_all else []
        for (table,) in tables:
            connection.execute(f'SELECT count(hash(every)) FROM "{table}" AS every').fetchall()  # noqa: S608  the table's own name
    except BaseException:
        with suppress(duckdb.Error):
            connection.close()
        raise
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


def _move_aside(path: Path, name: Path | None = None) -> Path:
    target = path.with_name(f"{(name or path).name}.corrupt-{utc_now():%Y%m%dT%H%M%S%f}")
    os.replace(path, target)
    return target


def _migrate(connection: Connection, path: Path) -> None:
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
