"""Pure: when waiting for a run is over, what it returns or raises, and what it says meanwhile."""

from __future__ import annotations

from datetime import datetime

from docsfy_jupyter import errors
from docsfy_jupyter.models import Status, Variant, VariantKey
from docsfy_jupyter.screen import plain_form
from docsfy_jupyter.widgets.seen import Seen, named

_PATIENCE = 120.0  # seconds without any answer, before a wait says that the server is gone
_KINDS: dict[str, type[errors.DocsfyError]] = {
    "missing": errors.NotFound,
    "deleted": errors.NotFound,
    "login": errors.TokenNotAccepted,
    "refused": errors.NotPermitted,
    "ambiguous": errors.Ambiguous,
}


def settled(seen: Seen, now: datetime) -> bool:
    """Return whether there is nothing more to wait for: the run has ended, or nothing can come of it."""
    silent = seen.failing_since is not None and (now - seen.failing_since).total_seconds() > _PATIENCE
    return seen.over or seen.gone or silent


def outcome(seen: Seen, key: VariantKey, on_error: str) -> Variant:
    """Return the row of a run that has ended.

    Raises
    ------
    GenerationFailed, GenerationAborted
        Unless `on_error` is ``"return"``.
    NotFound, TokenNotAccepted, NotPermitted, Ambiguous, ServerUnreachable
        It is not known how the run ended.
    """
    row, notice = seen.variant, seen.notice
    if row is None or not row.status.terminal or notice is not None:
        more = f" {notice.text}" if notice and notice.text and row is not None else ""
        raise _KINDS.get(notice.kind if notice else "", errors.ServerUnreachable)(f"{in_words(seen, key)}.{more}")
    if on_error == "raise" and row.status is Status.ERROR:
        raise errors.GenerationFailed(f"{row.address} failed: {row.error_message}", variant=row)
    if on_error == "raise" and row.status is Status.ABORTED:
        raise errors.GenerationAborted(f"{row.address} was aborted: {row.error_message}", variant=row)
    return row


def in_words(seen: Seen, key: VariantKey) -> str:
    """Say what is known of a variant, for an error's message."""
    row = seen.variant
    if row is None:
        return f"{named(key)} is {seen.words}"
    return f"{row.address} is still {row.status.value} ({row.current_stage})"


def change_line(seen: Seen, key: VariantKey, now: datetime, said: str) -> tuple[str, str | None]:
    """Return what is now said last, and the line to print; None where nothing but the time has changed."""
    line = seen.still(key, "")["text/plain"] if seen.variant is None else plain_form(seen.variant, seen.as_of or now)
    text = line.rpartition(" · ")[0] if seen.variant is not None else line
    return text, None if text == said else line


def check_on_error(on_error: str) -> None:
    """Refuse what a wait cannot do where a run fails.

    Raises
    ------
    ValueError
    """
    if on_error not in ("raise", "return"):
        raise ValueError(f"on_error={on_error!r} is neither 'raise' nor 'return'")
