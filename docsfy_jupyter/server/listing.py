"""Rows as JSON, each made once a change: alone as panels poll it, and in the listing of all."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.models import Variant, VariantKey
from docsfy_jupyter.screen import screen

_MOST_SYNC = 1 << 20  # bytes of one WebSocket message; of longer ones websockets, and docsfy's command line with it, hangs up
_PIECE = 1 << 20  # characters of an answer that are sent at once
_TURN = 0.005  # seconds of the event loop
_MOST_WHOLE = 500  # texts of single rows, some kilobytes each, that are remembered


@dataclass(frozen=True)
class Drawing:
    """A row as JSON, with the tag of that text."""

    row: Variant
    text: str
    tag: str


class Listing:
    """The texts of rows and of their listing: panels and dashboards ask for them every three seconds.

    Making one row's text anew takes up to a third of a millisecond; of five hundred rows at every poll, or of one row for each
    of a thousand panels, that would stall the event loop.

    Parameters
    ----------
    feed : ChangeFeed
        The rows.
    """

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed
        self._slim = _Texts(lambda row: row.to_json(slim=True))
        self._drawn = _Texts(_summary)
        self._progress = _Texts(screen, _MOST_WHOLE)
        self._whole = _Texts(Variant.to_json, _MOST_WHOLE)
        self._members = -1
        self._choices = ""
        self._server = secrets.token_hex(8)

    @property
    def tag(self) -> str:
        """The tag of every answer until a row changes; of this server process alone, since clocks are set back."""
        return f"{self._server}-{self._feed.revision}"

    def progress(self, row: Variant) -> Drawing:
        """Return what a client draws of a row."""
        return self._progress.one(row)

    def whole(self, row: Variant) -> Drawing:
        """Return all fields of a row."""
        return self._whole.one(row)

    async def parts(
        self, rows: Sequence[Variant], total: int, *, drawn: bool = False, full: bool = False
    ) -> AsyncIterator[str]:
        """Yield the answer for some of the rows, in pieces of a megabyte or so; others have their turns meanwhile.

        Parameters
        ----------
        rows : sequence of Variant
            What is shown.
        total : int
            How many there are.
        drawn : bool
            Of each row what a list draws of it, instead of its fields.
        full : bool
            Fields with plan and lists of pages.
        """
        self._refresh()
        end = f'], {self._choices}, "total": {total}, "rev": {self._feed.revision}}}'  # of the rows as they are now
        texts = self._drawn if drawn else self._slim
        draw = _whole_text if full and not drawn else texts.text
        piece, size, before = ['{"projects": ['], 0, ""
        async for text in _in_turns(rows, draw):
            piece.append(before + text)
            size, before = size + len(text), ", "
            if size > _PIECE:
                yield "".join(piece)
                piece, size = [], 0
        yield "".join([*piece, end])

    async def sync(self) -> str:
        """Return a WebSocket's first message: all rows without their plans, newest first, with the choices.

        Of thousands it has the newest that fit into one message, and ``total`` says how many there are.
        """
        self._refresh()
        rows = self._feed.newest()
        rest = f'], {self._choices}, "total": {len(rows)}}}'
        message = '{"type": "sync", "projects": ['
        room = _MOST_SYNC - len(message) - len(rest)
        fitting: list[str] = []
        async for text in _in_turns(rows, self._slim.text):
            room -= len(text) + len(", ")
            if room < 0:
                break
            fitting.append(text)
        return message + ", ".join(fitting) + rest

    def _refresh(self) -> None:
        """Make anew what depends on which rows there are."""
        if self._members == self._feed.members_revision:
            return
        self._members = self._feed.members_revision
        self._slim.forget(self._feed)
        self._drawn.forget(self._feed)
        self._progress.forget(self._feed)
        self._whole.forget(self._feed)
        choices = {
            "known_branches": _members(self._feed.rows(), "name", "branch"),
            "known_models": _members(self._feed.rows(), "ai_provider", "ai_model"),
        }
        self._choices = _text(choices)[1:-1]


class _Texts:
    """Remembers the JSON of every row that was asked for."""

    def __init__(self, shown: Callable[[Variant], dict[str, Any]], most: int | None = None) -> None:
        self._shown = shown
        self._most = most
        self._made: dict[VariantKey, Drawing] = {}

    def text(self, row: Variant) -> str:
        return self.one(row).text

    def one(self, row: Variant) -> Drawing:
        known = self._made.get(row.key)
        if known is None or known.row is not row:
            if self._most is not None and len(self._made) >= self._most:
                self._made.clear()
            text = _text(self._shown(row))
            known = self._made[row.key] = Drawing(row, text, tag_of(text))
        return known

    def forget(self, feed: ChangeFeed) -> None:
        """Forget rows that are no more."""
        self._made = {key: drawing for key, drawing in self._made.items() if feed.get(key) is not None}


def tag_of(text: str) -> str:
    """Return the ETag of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _summary(row: Variant) -> dict[str, Any]:
    """Return `screen` of a row, without its log."""
    return {name: value for name, value in screen(row).items() if name != "log"}


async def _in_turns(rows: Iterable[Variant], draw: Callable[[Variant], str]) -> AsyncIterator[str]:
    """Yield the text of each row, and give the event loop a turn whenever that took a while."""
    began = time.monotonic()
    for row in rows:
        yield draw(row)
        if time.monotonic() - began > _TURN:
            await asyncio.sleep(0)
            began = time.monotonic()


def _whole_text(row: Variant) -> str:
    return _text(row.to_json())


def _text(data: Any) -> str:
    return json.dumps(data, allow_nan=False)


def _members(rows: Iterable[Variant], group: str, member: str) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(getattr(row, group), set()).add(getattr(row, member))
    return {key: sorted(values) for key, values in sorted(found.items())}
