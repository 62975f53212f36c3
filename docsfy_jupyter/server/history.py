"""The history as files: one table as Parquet, or the whole database; for notebooks that ask it questions of their own."""

from __future__ import annotations

from docsfy_jupyter.server.base import DocsfyHandler
from docsfy_jupyter.server.queries import TableQuery


class HistoryHandler(DocsfyHandler):
    """``api/history.parquet`` and ``api/snapshot``."""

    async def export_history(self, query: TableQuery) -> None:
        """Send one table of the history as Parquet."""
        store = await self.manager.ready()
        async with self.scratch() as folder:
            path = folder / f"{query.table}.parquet"
            await store.export_parquet(query.table, path)
            await self.send_file(path, path.name, "application/vnd.apache.parquet")

    async def export_snapshot(self) -> None:
        """Send a consistent copy of the database."""
        store = await self.manager.ready()
        async with self.scratch() as folder:
            path = folder / "docsfy.duckdb"
            await store.snapshot(path)
            await self.send_file(path, path.name, "application/vnd.duckdb.file")
