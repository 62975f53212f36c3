"""A server extension for tests: the server is killed at one step of a run's end, as by ``kill -9``.

The file that ``XDG_DOCSFY_DIES`` names says which: ``before the site``, ``after the site`` or ``before the row``; while it is not
there nothing happens. The steps are wrapped where they are.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from docsfy_jupyter.site.versions import SiteVersions
from docsfy_jupyter.store.store import Store


def _die(moment: str) -> None:
    order = Path(os.environ["XDG_DOCSFY_DIES"])
    if order.is_file() and order.read_text() == moment:
        os.kill(os.getpid(), signal.SIGKILL)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "dying"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    publish, end_run = SiteVersions.publish, Store.end_run

    def published(self: SiteVersions, version: Path) -> None:
        _die("before the site")
        publish(self, version)
        _die("after the site")

    async def ended(self: Store, *given: Any) -> Any:
        _die("before the row")
        return await end_run(self, *given)

    SiteVersions.publish = published  # type: ignore[method-assign]
    Store.end_run = ended  # type: ignore[method-assign]
