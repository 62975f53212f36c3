"""One DuckDB connection, one writer thread, one reader thread with a cursor of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from docsfy_jupyter.errors import StoreUnavailable
from docsfy_jupyter.store.lock import take_lock
from docsfy_jupyter.store.opening import Connection, open_file
from docsfy_jupyter.store.revisions import RevisionFile
from docsfy_jupyter.store.thread import SerialThread

T = TypeVar("T")

# what a disk, or the memory, has to answer for; everything else is a mistake of ours and keeps its traceback
_OUTSIDE = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.OutOfMemoryException,
    duckdb.TransactionException,
    duckdb.ConnectionException,
)
# DuckDB refuses everything after one of these, until the file is opened again
_INVALID = (duckdb.FatalException, duckdb.InternalException, duckdb.ConnectionException)


class _GivenUp(StoreUnavailable):
    """DuckDB refuses to go on with the file as it is opened."""


class Database:
    """The open file. Statements run in threads: a write waits for its turn, and is one transaction.

    Only ``fetchall`` is used: a half-read result keeps its transaction open, and checkpoints stop.
    """

    def __init__(self, folder: Path, lock: int, revisions: RevisionFile, connection: Connection, notices: list[str]) -> None:
        self.folder = folder
        self.notices = notices
        self._lock = lock
        self._revisions = revisions
        self._revision = revisions.read()
        self._connection = connection
        self._reading = connection.cursor()
        self._in_use = threading.Lock()  # held by a read, and while the connections are replaced
        self._writer = SerialThread("docsfy-writer")
        self._reader = SerialThread("docsfy-reader")
        self._closed = False

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run work in the writer thread as one transaction, rolled back on any exception.

        Raises
        ------
        StoreUnavailable
            The disk is full or gone, or the store is closed; the next write may succeed.
        """
        self._must_be_open()
        return await self._writer.call(lambda: self._guarded("be written", lambda: self._transaction(work)))

    async def alone(self, work: Callable[[Connection], T]) -> T:
        """Run work in the writer thread outside a transaction, for statements that cannot be in one (``ATTACH``)."""
        self._must_be_open()
        return await self._writer.call(lambda: self._guarded("be copied", lambda: work(self._connection)))

    async def read(self, statement: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query; a database that DuckDB has given up is opened again for it."""
        self._must_be_open()
        try:
            return await self._reader.call(lambda: self._query(statement, list(values)))
        except _GivenUp:
            await self._writer.call(self._open_if_given_up)  # between two writes
            return await self._reader.call(lambda: self._query(statement, list(values)))

    async def close(self, limit: float) -> None:
        """Checkpoint, close, free the lock; a second call does nothing.

        Parameters
        ----------
        limit : float
            Seconds.

        Raises
        ------
        StoreUnavailable
            Not closed in time (a disk that hangs). Nothing acknowledged is lost: the next start replays the log.
        """
        if self._closed:
            return
        self._closed = True
        try:
            async with asyncio.timeout(limit):
                await self._reader.call(self._reading.close)  # after the reads that were asked for before
                await self._writer.call(self._shut)
        except TimeoutError:
            raise StoreUnavailable(f"The database in {self.folder} could not be closed within {limit:g} s.") from None
        finally:
            self._reader.end()
            self._writer.end()

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        connection = self._connection
        connection.begin()
        try:
            result = work(connection)
            connection.execute("UPDATE revision SET number = ?", [self._revision + 1]).fetchall()
            self._commit(connection)
        except BaseException:
            with suppress(duckdb.Error):  # a failed commit has rolled back by itself
                connection.rollback()
            raise
        self._revision += 1
        self._revisions.write(self._revision)
        return result

    def _commit(self, connection: Connection) -> None:
        """Commit. A commit may fail after it was one, in the checkpoint that follows: then what it wrote is in the log."""
        wanted = self._revision + 1
        try:
            connection.commit()
        except _INVALID:
            self._open_again()
            if self._revision != wanted:
                raise
            self._revision -= 1  # counted by the caller, like every commit

    def _guarded(self, what: str, work: Callable[[], T]) -> T:
        try:
            try:
                return work()
            except _INVALID:  # nothing of it is written: it is done once more, with the database opened again
                self._open_again()
                return work()
        except _OUTSIDE as error:
            reason = str(error).splitlines()[0]
            raise StoreUnavailable(f"The database in {self.folder} cannot {what} now: {reason}") from error

    def _query(self, statement: str, values: list[Any]) -> list[dict[str, Any]]:
        with self._in_use:
            try:
                cursor = self._reading.execute(statement, values)
                names = [column[0] for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            except _OUTSIDE as error:
                kind = _GivenUp if isinstance(error, _INVALID) else StoreUnavailable
                raise kind(f"The database in {self.folder} cannot be read now: {str(error).splitlines()[0]}") from error

    def _open_if_given_up(self) -> None:
        """Open it again, unless a write has done so meanwhile."""
        try:
            self._connection.execute("SELECT number FROM revision").fetchall()
        except _INVALID:
            self._open_again()

    def _open_again(self) -> None:
        """Replace connections that DuckDB has given up; when that fails, the next write tries again."""
        with self._in_use:
            for connection in (self._reading, self._connection):
                with suppress(duckdb.Error):
                    connection.close()
            with suppress(duckdb.Error, StoreUnavailable):
                self._connection, notices = open_file(self.folder, self._revisions)
                self._reading = self._connection.cursor()
                self._revision = self._revisions.read()
                self.notices += notices

    def _shut(self) -> None:
        with suppress(duckdb.Error):  # a full disk: the log stays, and the next start replays it
            self._connection.execute("CHECKPOINT").fetchall()
        with suppress(duckdb.Error):
            self._connection.close()
        self._revisions.close()
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
        revisions = RevisionFile(folder)
        try:
            connection, notices = open_file(folder, revisions)
        except BaseException:
            revisions.close()
            raise
    except BaseException:
        os.close(lock)
        raise
    return Database(folder, lock, revisions, connection, notices)
