"""Pure: asking whether a variant has changed, once or until its run ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from docsfy_jupyter import errors
from docsfy_jupyter.client.steps import Request, Selector, Steps, query_of
from docsfy_jupyter.models import Status, Variant

_HELD = 20  # seconds that the server may hold an answer; its own limit is 25, and proxies cut at 60
_PATIENCE = 30.0  # seconds without any answer that `wait` sits out: a restart, a proxy that hiccups


@dataclass(frozen=True)
class Polled:
    """What a poll found.

    Parameters
    ----------
    variant : Variant or None
        The row; None where it is unchanged.
    etag : str
        For the next poll.
    server : str
        What the answering server calls itself; the same over its restarts.
    """

    variant: Variant | None
    etag: str
    server: str = ""


def poll(variant: Selector, etag: str = "", *, hold: float = 0.0) -> Steps[Polled]:
    """Ask whether a variant has changed; costs a 304 where it has not.

    Parameters
    ----------
    variant : Variant, VariantKey or str
        Which one.
    etag : str
        The tag of the poll before; empty the first time.
    hold : float
        Seconds, at most 25, that the server may hold the answer until something changes.

    Returns
    -------
    Polled
        ``variant`` is None when nothing changed; ``etag`` goes into the next poll.

    Raises
    ------
    NotFound, TokenNotAccepted, ClientError
    """
    query = yield from query_of(variant)
    return (yield from _polled(query, etag, hold))


def _polled(query: dict[str, str], etag: str, hold: float, delay: float = 0.0) -> Steps[Polled]:
    # the server reads the tag of a held request from the query, that of a plain one from the header
    params = {**query, "wait": str(max(1, int(hold))), "etag": etag} if hold else query
    answer = yield Request("GET", "api/variant", params, etag=etag, timeout=hold + 30 if hold else None, delay=delay)
    if answer.status_code == httpx.codes.NOT_MODIFIED:
        return Polled(None, etag, answer.headers.get("docsfy-server", ""))
    return Polled(Variant.from_json(answer.json()), answer.headers.get("etag", ""), answer.headers.get("docsfy-server", ""))


def wait(
    variant: Selector,
    provider: str | None = None,
    model: str | None = None,
    *,
    branch: str | None = None,
    timeout: float | None = None,
    on_change: Callable[[Variant], None] | None = None,
) -> Steps[Variant]:
    """Wait for the end of a run.

    A connection that fails is tried again for 30 s, so that a restart of the server ends in what its row then says.

    Parameters
    ----------
    variant, provider, model, branch
        Which one.
    timeout : float, optional
        Seconds; for ever otherwise.
    on_change : callable, optional
        Called with every row that differs from the one before.

    Returns
    -------
    Variant
        Its row, ``ready``.

    Raises
    ------
    GenerationFailed, GenerationAborted
        With the row in ``details['variant']``.
    TimeoutError
        With the last status.
    NotFound
        It was deleted meanwhile.
    """
    end = None if timeout is None else time.monotonic() + timeout
    query = yield from query_of(variant, provider, model, branch)
    etag, row, lost_at, delay = "", None, None, 0.0
    while True:
        left = _HELD if end is None else min(_HELD, end - time.monotonic())
        if left <= 0 and row is not None:
            raise TimeoutError(f"{row.address} is still {row.status.value} ({row.current_stage}) after {timeout} s")
        try:
            polled = yield from _polled(query, etag, max(left, 1) if etag else 0, delay)
        except (errors.ServerUnreachable, errors.StoreUnavailable):
            lost_at = lost_at or time.monotonic()
            if time.monotonic() - lost_at > _PATIENCE or left <= 0:
                raise
            delay = 1.0
            continue
        etag, lost_at, delay = polled.etag, None, 0.0
        if polled.variant is None:
            continue
        row = polled.variant
        if on_change is not None:
            on_change(row)
        if row.status.terminal:
            return _judged(row)


def _judged(row: Variant) -> Variant:
    if row.status is Status.ERROR:
        raise errors.GenerationFailed(f"{row.address} failed: {row.error_message}", variant=row)
    if row.status is Status.ABORTED:
        raise errors.GenerationAborted(f"{row.address} was aborted: {row.error_message}", variant=row)
    return row
