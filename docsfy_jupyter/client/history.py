"""The history in the caller's own DuckDB: every run ever made, to be asked with SQL, without touching the server's file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from docsfy_jupyter.client.client import DocsfyClient, connect

TABLES = ("runs", "stages", "pages", "ai_calls", "events", "projects")


def history(client: DocsfyClient | None = None) -> History:
    """Fetch the history of the server.

    Parameters
    ----------
    client : DocsfyClient, optional
        `docsfy_jupyter.connect` otherwise.

    Returns
    -------
    History
        With tables ``runs``, ``stages``, ``pages``, ``ai_calls``, ``events`` and ``projects``; times are in UTC.

    Raises
    ------
    ServerNotFound, StoreUnavailable, ClientError
    """
    return History(client or connect()).refresh()


class History:
    """An in-process DuckDB with the history as tables; `history` makes one.

    Parameters
    ----------
    client : DocsfyClient
        Asked for the tables by `refresh`.

    Attributes
    ----------
    connection : duckdb.DuckDBPyConnection
        For everything beyond `sql`.
    """

    def __init__(self, client: DocsfyClient) -> None:
        self._client = client
        self.connection = duckdb.connect(":memory:")
        self.connection.execute("SET TimeZone = 'UTC'")

    def refresh(self) -> Self:
        """Fetch the tables anew.

        Raises
        ------
        StoreUnavailable, ClientError
            What was fetched before is still there.
        """
        with tempfile.TemporaryDirectory(prefix="docsfy-history-") as folder:
            files = {name: Path(folder) / f"{name}.parquet" for name in TABLES}
            for name, path in files.items():
                self._client.export(name, path)
            for name, path in files.items():
                # a table, not a view of the file: what `sql` returned is read later, when the file may be gone
                self.connection.execute(f"CREATE OR REPLACE TABLE {name} AS FROM read_parquet(?)", [str(path)])
        return self

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """Ask; the relation shows itself as a table.

        It has ``.fetchall()``; ``.df()``, ``.arrow()`` and ``.pl()`` where pandas, pyarrow, polars and pyarrow are installed.

        Raises
        ------
        duckdb.Error
            The query cannot be answered.
        """
        return self.connection.sql(query)

    def close(self) -> None:
        """Forget the tables."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.connection.sql(f'SELECT count(*) FROM {name}').fetchall()[0][0]} {name}" for name in TABLES)  # noqa: S608
        return f"<History of {self._client.url}: {counts}>"
