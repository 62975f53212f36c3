"""``api/ws``: what changes, as it changes, in the messages that docsfy's own clients read."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import unquote

from jupyter_server.base.websocket import WebSocketMixin
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from docsfy_jupyter.errors import BadRequest
from docsfy_jupyter.models import Status, Variant
from docsfy_jupyter.server.base import DocsfyHandler

PING = 25.0  # seconds between messages that only say that the line is alive; docsfy's clients are told of 30
_CALM = 0.1  # seconds between two looks at the rows: a run that is quick changes its row many times a second
_WHEN_KNOWN = ("current_stage", "page_count", "error_message", "generation_id")


class UpdatesHandler(WebSocketMixin, WebSocketHandler, DocsfyHandler):
    """One client that listens: all rows at first, then every change of one, and a ping where nothing changes."""

    _following: asyncio.Task[None] | None = None

    async def prepare(self, **options: Any) -> None:
        """Take a token from the query as one of the header, which a browser's WebSocket lacks, and that of docsfy's commands.

        JupyterHub looks into the query of a WebSocket too, but only where a browser says that it is one.
        """
        given = unquote(self.get_query_argument("token", "", strip=False))
        if given.isascii() and given.isprintable() and given and "Authorization" not in self.request.headers:
            self.request.headers["Authorization"] = f"token {given}"
        await super().prepare(**options)

    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the socket; what is no request for one is told so as every other bad request."""
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise BadRequest("This is a WebSocket: ask for an upgrade, or poll api/projects?since=… instead.")
        await self.manager.ready()
        await super().get(*args, **kwargs)

    async def follow(self) -> None:
        """Follow all variants over a WebSocket: ``sync``, ``progress``, ``status_change`` and ``ping`` messages."""
        feed, listing = self.manager.feed, self.listing
        revision, known = feed.revision, {row.key: row for row in feed.rows()}
        await self.write_message(await listing.sync())
        loop = asyncio.get_running_loop()
        ping_at = loop.time() + PING
        while True:
            await feed.wait(revision, max(ping_at - loop.time(), 0.0))
            if loop.time() >= ping_at:
                await self._send(type="ping")
                ping_at = loop.time() + PING
            changed, revision, before = feed.changed_after(revision), feed.revision, revision
            gone = [key for key in known if feed.get(key) is None] if feed.members_revision > before else ()
            if gone:  # there is no message for a row that was deleted
                await self.write_message(await listing.sync())
            for key in gone:
                del known[key]
            for row in reversed(changed):  # the oldest first
                if not gone:
                    await self._send_change(known.get(row.key), row)
                known[row.key] = row
            await asyncio.sleep(_CALM)

    async def _send_change(self, before: Variant | None, row: Variant) -> None:
        message = change(before, row)
        if message is not None:
            await self._send(**message)

    async def _send(self, **message: Any) -> None:
        await self.write_message(json.dumps(message, allow_nan=False))  # awaited: a slow reader slows nobody but itself

    def open(self, *args: str, **kwargs: str) -> None:
        """Begin to follow."""
        super().open(*args, **kwargs)
        self._following = asyncio.create_task(self._follow_to_the_end())

    async def _follow_to_the_end(self) -> None:
        try:
            await self.follow()
        except WebSocketClosedError:  # it went away while it was written to
            return
        except Exception:
            self.log.exception("docsfy_jupyter: following the variants over a WebSocket failed")
            self.close(1011, "internal error")

    def on_message(self, message: str | bytes) -> None:
        """Take a ``pong``, or anything else: a client has nothing to say here."""

    def on_close(self) -> None:
        """End with the connection."""
        super().on_close()
        if self._following is not None:
            self._following.cancel()


def change(before: Variant | None, row: Variant) -> dict[str, Any] | None:
    """Return the message that tells a change of a row; None where clients see none.

    Parameters
    ----------
    before : Variant or None
        The row as this client knows it, None for a new one.
    row : Variant
        As it is now.
    """
    told = _told(row)
    if before is not None and told == _told(before):
        return None
    kind = "progress" if row.status is Status.GENERATING else "status_change"
    plan = {"plan_json": row.plan_json} if row.plan_json and (before is None or before.plan_json != row.plan_json) else {}
    return {"type": kind, **told, **plan}


def _told(row: Variant) -> dict[str, Any]:
    """Return what a message says of a row, but for its plan, which is long and told once."""
    key = {"name": row.name, "branch": row.branch, "provider": row.ai_provider, "model": row.ai_model, "owner": row.owner}
    facts = {name: getattr(row, name) for name in _WHEN_KNOWN}
    known = {name: value for name, value in facts.items() if value not in (None, "")}
    return {**key, "status": row.status.value, **known}
