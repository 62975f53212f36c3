"""One gate before a provider's server for all runs: so many calls at once, and none while it asks to be left alone."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 900.0  # seconds; a server that asks for more is taken at its word by an error, not by a silent run


class Gate:
    """Lets calls through.

    Parameters
    ----------
    calls : int
        So many at once.
    """

    def __init__(self, calls: int) -> None:
        self._room = asyncio.Semaphore(calls)
        self._open_at = 0.0  # monotonic

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """Wait for room and for the end of a pause; hold the room while the call is made."""
        async with self._room:
            # a time to come, which another call may put off meanwhile
            while (left := self._open_at - time.monotonic()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(left)
            yield

    def pause(self, seconds: float) -> float:
        """Let no call through for a while; return for how many seconds.

        Parameters
        ----------
        seconds : float
            What the server asks for, at most 15 minutes.
        """
        seconds = min(max(seconds, 0.0), LONGEST)
        self._open_at = max(self._open_at, time.monotonic() + seconds)
        return seconds


def retry_after(header: str | None, tries: int) -> float:
    """Return the seconds to wait that a ``Retry-After`` header asks for; without one, 1, 2, 4 … at most 60.

    Parameters
    ----------
    header : str or None
        Seconds, or an HTTP date (RFC 9110, section 10.2.3).
    tries : int
        How many tries have been made, from 1.
    """
    text = (header or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if math.isfinite(seconds):
        return max(seconds, 0.0)
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return min(2.0 ** (tries - 1), 60.0)
