"""A server extension that has Jupyter look for idleness four times a second; by itself it looks once a minute."""

from __future__ import annotations

from typing import Any

from tornado.ioloop import PeriodicCallback


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "hasty"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    PeriodicCallback(serverapp.shutdown_no_activity, 250).start()
