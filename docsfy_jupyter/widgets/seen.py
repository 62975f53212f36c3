"""Pure: what a panel knows of its variant, and how an answer of the server changes it."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from docsfy_jupyter import errors
from docsfy_jupyter.client.waiting import Polled
from docsfy_jupyter.models import Variant, VariantKey, iso
from docsfy_jupyter.screen import html_form, plain_form, screen, still_html

Kind = Literal["loading", "missing", "deleted", "login", "refused", "unreachable", "ambiguous"]
_STOPPING = ("login", "refused", "ambiguous")  # asking again cannot help until somebody does something
_QUIET_FAILURES = 3  # in a row, before a panel says that it is not connected


@dataclass(frozen=True)
class Notice:
    """What is said in place of a variant's state."""

    kind: Kind
    text: str = ""
    candidates: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-able."""
        return {"kind": self.kind, "text": self.text, "candidates": list(self.candidates)}


@dataclass(frozen=True)
class Seen:
    """All that a panel knows.

    Parameters
    ----------
    variant : Variant or None
        The last row; None before the first, and where there is none.
    notice : Notice or None
        What is wrong or missing, in one sentence.
    as_of : datetime or None
        When `variant` was true, aware.
    failures : int
        Polls in a row without an answer.
    failing_since : datetime or None
        When the first of them was.
    server : str
        What the answering server calls itself.
    """

    variant: Variant | None = None
    notice: Notice | None = field(default_factory=lambda: Notice("loading"))
    as_of: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    server: str = ""

    @property
    def over(self) -> bool:
        """Whether asking again by itself makes no sense: the run has ended, or a person must act first."""
        stopped = self.notice is not None and self.notice.kind in _STOPPING
        return stopped or (self.variant is not None and self.variant.status.terminal)

    @property
    def gone(self) -> bool:
        """Whether there is no such variant, as far as is known."""
        return self.notice is not None and self.notice.kind in ("missing", "deleted")

    @property
    def offline_since(self) -> datetime | None:
        """Since when the panel says that it is not connected; None while single failures are passed over."""
        return self.failing_since if self.failures >= _QUIET_FAILURES else None

    def answered(self, polled: Polled, now: datetime) -> Seen:
        """Return what is known after an answer; an unchanged row is the row of before."""
        return Seen(polled.variant or self.variant, None, now, server=polled.server or self.server)

    def failed(self, error: Exception, now: datetime) -> Seen:
        """Return what is known after a poll that raised."""
        if isinstance(error, errors.NotFound):
            gone = self.variant is not None or (self.notice is not None and self.notice.kind == "deleted")
            candidates = tuple(error.details.get("candidates") or ())
            there = Notice("deleted", "This variant was deleted.") if gone else Notice("missing", "", candidates)
            return Seen(None, there, None, server=self.server)
        if isinstance(error, errors.TokenNotAccepted):
            return replace(self, notice=Notice("login", str(error)))
        if isinstance(error, errors.NotPermitted):
            return replace(self, notice=Notice("refused", str(error)))
        if isinstance(error, errors.Ambiguous):
            return replace(self, notice=Notice("ambiguous", str(error)))
        count, since = self.failures + 1, self.failing_since or now
        notice = self.notice if self.variant else Notice("unreachable", str(error) or type(error).__name__)
        return replace(self, notice=notice, failures=count, failing_since=since)

    def to_json(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return what the view draws: the state, and the log beside it.

        The time is left out while a run goes on: an unchanged state is then equal to the one before, and sends nothing.
        """
        view = screen(self.variant) if self.variant else None
        log: list[dict[str, Any]] = view.pop("log") if view else []
        return {
            "view": view,
            "notice": self.notice.to_json() if self.notice else None,
            "offline_since": iso(self.offline_since),
            "as_of": iso(self.as_of) if self.over else None,
        }, log

    def still(self, key: VariantKey, panel_id: str) -> dict[str, str]:
        """Return the forms for exports, previews and notebooks without a kernel, as a MIME bundle."""
        if self.variant is not None and self.as_of is not None:
            return {
                "text/plain": plain_form(self.variant, self.as_of),
                "text/html": html_form(self.variant, self.as_of, panel_id),
            }
        words = f"{named(key)} · {self.words}"
        # HTML here too: beside a live panel, which hides its still, the same words would stand twice
        return {"text/plain": words, "text/html": still_html(panel_id, f"<p>{html.escape(words)}</p>")}

    @property
    def step(self) -> tuple[Any, ...]:
        """What is worth a new still where it changes: one for each page would swell the notebook's history."""
        row = self.variant
        return (row and (row.status, row.current_stage, row.generation_id), self.notice and self.notice.kind)

    @property
    def words(self) -> str:
        """What a text form says where there is no row."""
        known = {"loading": "not asked yet", "missing": "not generated yet", "deleted": "deleted"}
        return known.get(self.notice.kind, self.notice.text) if self.notice else ""


def named(key: VariantKey) -> str:
    """Name a variant as text forms do, with its branch where that is known."""
    return " · ".join(filter(None, (key.name, f"{key.ai_provider}/{key.ai_model}", key.branch)))


def traits(row: Variant | None, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a panel that can be observed."""
    if row is None:
        return {"status": None, "stage": None, "error_message": None, "page_count": 0, "total": 0}
    return {
        "page_count": row.page_count,
        "total": state["view"]["total"],
        "stage": row.current_stage.value if row.current_stage else None,
        "error_message": row.error_message,
        "status": row.status.value,
    }
