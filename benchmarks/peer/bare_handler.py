"""The limit of a request: a Jupyter handler that does nothing but ask who it is, in the same server, with an answer as long."""

from __future__ import annotations

from typing import Any

from jupyter_server.base.handlers import APIHandler
from tornado import web


class BareHandler(APIHandler):
    """Answers so many bytes of JSON."""

    @web.authenticated
    def get(self, size: str) -> None:
        self.finish('{"text": "' + "x" * max(int(size) - 12, 0) + '"}')


def _load_jupyter_server_extension(server: Any) -> None:
    server.web_app.add_handlers(".*", [(r"/bare/([0-9]+)", BareHandler)])


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "peer.bare_handler"}]
