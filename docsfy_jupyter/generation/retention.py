"""How long the details of old runs are kept: once a day what is older goes, if the server's options say so."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from docsfy_jupyter.errors import StoreUnavailable
from docsfy_jupyter.generation.open_store import OpenStore
from docsfy_jupyter.models import utc_now

_DAY = 24 * 3600.0
_RETRY = 60.0


class Retention:
    """Forgets the events and pages of old runs; the runs and what they cost stay.

    Parameters
    ----------
    opened : OpenStore
        The store.
    days : int
        Days after its end that the details of a run are kept; 0 is for ever.
    log : logging.Logger
        Told what was forgotten.
    """

    def __init__(self, opened: OpenStore, days: int, log: logging.Logger) -> None:
        self._opened = opened
        self._days = days
        self._log = log

    async def run(self) -> None:
        """Forget now and once a day, for ever; ends at once where everything is kept."""
        while self._days:
            try:
                await self.forget()
            except StoreUnavailable:  # the health call and the log say so already
                await asyncio.sleep(_RETRY)
            else:
                await asyncio.sleep(_DAY)

    async def forget(self) -> None:
        """Forget what is too old by now.

        Raises
        ------
        StoreUnavailable
        """
        store = await self._opened.ready()
        events, pages = await store.forget_details(utc_now() - timedelta(days=self._days))
        if events or pages:
            self._log.info(
                "docsfy_jupyter: removed %d events and %d page records of runs that ended more than %d days ago",
                events, pages, self._days,
            )  # fmt: skip
