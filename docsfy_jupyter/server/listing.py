"""The listing of all variants, as a list page and a WebSocket's first message need it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.models import Variant, VariantKey
from docsfy_jupyter.screen import screen


class Listing:
    """The text of the listing, whose parts are made once a change: dashboards ask for it every three seconds.

    Making one row's text anew takes up to a third of a millisecond; of a thousand rows at every poll that would stall the
    event loop by as many milliseconds.

    Parameters
    ----------
    feed : ChangeFeed
        The rows.
    """

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed
        self._slim = _Texts(lambda row: row.to_json(slim=True))
        self._drawn = _Texts(_summary)
        self._members = -1
        self._choices = ""
        self._server = secrets.token_hex(8)

    @property
    def tag(self) -> str:
        """The tag of every answer until a row changes; of this server process alone, since clocks are set back."""
        return f"{self._server}-{self._feed.revision}"

    def text(self, rows: Sequence[Variant], total: int, *, drawn: bool = False, full: bool = False) -> str:
        """Return the answer for some of the rows.

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
        if full and not drawn:
            texts = [_text(row.to_json()) for row in rows]
        else:
            texts = (self._drawn if drawn else self._slim).of(rows)
        return f'{{"projects": [{", ".join(texts)}], {self._choices}, "total": {total}, "rev": {self._feed.revision}}}'

    def sync(self) -> str:
        """Return a WebSocket's first message: all rows without their plans, newest first, with the choices."""
        self._refresh()
        return f'{{"type": "sync", "projects": [{", ".join(self._slim.of(self._feed.newest()))}], {self._choices}}}'

    def _refresh(self) -> None:
        """Make anew what depends on which rows there are."""
        if self._members == self._feed.members_revision:
            return
        self._members = self._feed.members_revision
        self._slim.forget(self._feed)
        self._drawn.forget(self._feed)
        choices = {
            "known_branches": _members(self._feed.rows(), "name", "branch"),
            "known_models": _members(self._feed.rows(), "ai_provider", "ai_model"),
        }
        self._choices = _text(choices)[1:-1]


class _Texts:
    """Remembers the JSON of every row that was asked for."""

    def __init__(self, shown: Callable[[Variant], dict[str, Any]]) -> None:
        self._shown = shown
        self._made: dict[VariantKey, tuple[Variant, str]] = {}

    def of(self, rows: Iterable[Variant]) -> list[str]:
        return [self._one(row) for row in rows]

    def _one(self, row: Variant) -> str:
        known = self._made.get(row.key)
        if known is None or known[0] is not row:
            known = self._made[row.key] = (row, _text(self._shown(row)))
        return known[1]

    def forget(self, feed: ChangeFeed) -> None:
        """Forget rows that are no more."""
        self._made = {key: made for key, made in self._made.items() if feed.get(key) is not None}


def _summary(row: Variant) -> dict[str, Any]:
    """Return `screen` of a row, without its log."""
    return {name: value for name, value in screen(row).items() if name != "log"}


def _text(data: Any) -> str:
    return json.dumps(data, allow_nan=False)


def _members(rows: Iterable[Variant], group: str, member: str) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(getattr(row, group), set()).add(getattr(row, member))
    return {key: sorted(values) for key, values in sorted(found.items())}
