"""A server extension for tests: tells when which step of an abort happened, on the clock that all processes share.

The steps are wrapped where they are, so that what is measured is the server as it is. ``GET /telling`` hands over what happened
since it was last asked.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from tornado.web import RequestHandler

from docsfy_jupyter.generation import ending, killing, manager, process

_BEAT, _LATE = 0.01, 0.03  # seconds
_happened: deque[tuple[float, str, str]] = deque(maxlen=10_000)


def _note(step: str, what: object = "") -> None:
    _happened.append((time.monotonic(), step, str(what)))


class TellingHandler(RequestHandler):
    """What happened."""

    def get(self) -> None:
        """Hand it over."""
        self.finish({"steps": [_happened.popleft() for _ in range(len(_happened))]})


def _wrap(owner: Any, name: str, step: str, what: Callable[..., object] = lambda *_, **__: "") -> None:
    """Note when a coroutine function begins and ends."""
    inner = getattr(owner, name)

    async def noted(*args: Any, **options: Any) -> Any:
        told = what(*args, **options)
        _note(f"{step} begins", told)
        try:
            return await inner(*args, **options)
        finally:
            _note(f"{step} ends", told)

    setattr(owner, name, noted)


def _wrap_signals() -> None:
    inner = killing.signal_group

    def noted(group: int, number: int) -> None:
        _note(f"signal {number}", group)
        inner(group, number)

    killing.signal_group = noted  # type: ignore[assignment]


async def _beat() -> None:
    """Note when the loop was late."""
    while True:
        due = time.monotonic() + _BEAT
        await asyncio.sleep(_BEAT)
        late = time.monotonic() - due
        if late > _LATE:
            _note("loop late", f"{late * 1000:.0f} ms")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "telling"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    _wrap(manager.Manager, "abort", "abort")
    _wrap(process.Processes, "_spawn", "start of a child", lambda _self, argv, *_: os.path.basename(argv[0]))
    _wrap(process, "kill_tree", "kill", lambda pid, *_: pid)
    _wrap(manager, "conclude", "look at what was made")
    _wrap(ending.Endings, "write", "write of the end", lambda _self, ended: ended.row.failed_stage or ended.row.status.value)
    _wrap_signals()
    serverapp.web_app.add_handlers(".*$", [(r"/telling", TellingHandler)])


async def _start_jupyter_server_extension(serverapp: Any) -> None:
    serverapp.settings["telling"] = asyncio.create_task(_beat())
