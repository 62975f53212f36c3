"""A server extension for tests: has DuckDB give up the server's database, as it does after a failed checkpoint."""

from __future__ import annotations

from typing import Any

import duckdb
from tornado.web import RequestHandler

from docsfy_jupyter.server.base import MANAGER_SETTING


class FatalHandler(RequestHandler):
    """``POST /breaking/{when}``: a checkpoint fails ``now``, or the one after the ``next`` commit."""

    def check_xsrf_cookie(self) -> None:
        """Allow it to whoever reaches this server."""

    async def post(self, when: str) -> None:
        """Break it."""
        store = await self.settings[MANAGER_SETTING].ready()

        def give_up(connection: Any) -> str:
            connection.execute("SET debug_checkpoint_abort='before_header'").fetchall()
            if when == "next":
                connection.execute("SET GLOBAL wal_autocheckpoint='1B'").fetchall()
                return "a fatal checkpoint follows the next commit"
            try:
                connection.execute("CHECKPOINT").fetchall()
            except duckdb.FatalException as error:
                return str(error)  # whoever asks next finds a database that has been given up
            raise AssertionError("the checkpoint did not fail")

        self.finish({"said": await store._database._writer.call(lambda: give_up(store._database._connection))})


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "breaking"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    serverapp.web_app.add_handlers(".*$", [(r"/breaking/(now|next)", FatalHandler)])
