"""What runs emit becomes rows of the database: coalesced, one transaction for all runs, at most ten times a second."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TypeVar

from docsfy_jupyter.errors import StoreUnavailable
from docsfy_jupyter.generation.open_store import OpenStore
from docsfy_jupyter.models import Variant
from docsfy_jupyter.store.records import CallRecord, Event, PageRecord, ProgressUpdate
from docsfy_jupyter.store.store import Store

R = TypeVar("R", Event, PageRecord, CallRecord)
Told = tuple[list[Event], list[PageRecord], list[CallRecord]]  # of one run

_PAUSE = 0.1
_LONGEST_PAUSE = 10.0
_PATIENCE = 2.0  # seconds that the end of a run waits for a write that is under way
_MOST_KEPT = 20_000  # events and page records that wait for a database that cannot be written


class ProgressWriter:
    """Holds what is to be written until it is.

    Parameters
    ----------
    opened : OpenStore
        The store, once it is open.
    log : logging.Logger
        Told once when progress cannot be written, and once when it can be again.
    """

    def __init__(self, opened: OpenStore, log: logging.Logger) -> None:
        self._opened = opened
        self._log = log
        self._rows: dict[str, ProgressUpdate] = {}
        self._events: list[Event] = []
        self._pages: list[PageRecord] = []
        self._calls: list[CallRecord] = []
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._pause = _PAUSE

    def row(self, row: Variant, *, planned: bool = False) -> None:
        """Have a row of a run in progress written; only the latest of a run counts."""
        before = self._rows.get(row.generation_id)
        self._rows[row.generation_id] = ProgressUpdate(row, planned or (before is not None and before.planned))
        self._wake.set()

    def event(self, event: Event) -> None:
        """Have an event appended."""
        self._events.append(event)
        self._wake.set()

    def page(self, record: PageRecord) -> None:
        """Have a page record appended."""
        self._pages.append(record)
        self._wake.set()

    def call(self, record: CallRecord) -> None:
        """Have a call of a provider appended."""
        self._calls.append(record)
        self._wake.set()

    async def take(self, generation_id: str) -> Told:
        """Hand over what a run that ends has not got written, and forget it: the end is written with it.

        What is being written is awaited, so that nothing of the run is neither in the database nor with its end. The end would
        wait for it anyway; only where the database hangs it goes on without.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE), self._writing:
                pass
        self._rows.pop(generation_id, None)
        events, self._events = _parted(self._events, generation_id)
        pages, self._pages = _parted(self._pages, generation_id)
        calls, self._calls = _parted(self._calls, generation_id)
        return events, pages, calls

    async def run(self) -> None:
        """Write, for ever; longer and longer pauses while the database refuses."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._pause)
            self._wake.clear()
            try:
                await self.flush()
            except StoreUnavailable as error:
                self._refused(error)
                self._wake.set()
            except Exception:  # noqa: BLE001  a mistake of ours: it is not repeated for ever
                self._log.exception("docsfy_jupyter: progress was lost; the runs go on")
            else:
                self._accepted()

    async def flush(self) -> None:
        """Write what there is, in one transaction; what could not be written is kept.

        Raises
        ------
        StoreUnavailable
            The database cannot be written now.
        """
        store = self._opened.store
        if store is None:
            return
        async with self._writing:
            await self._write(store)

    async def _write(self, store: Store) -> None:
        rows, events, pages, calls = self._rows, self._events, self._pages, self._calls
        self._rows, self._events, self._pages, self._calls = {}, [], [], []
        try:
            await store.save_progress(list(rows.values()), events, pages, calls)
        except StoreUnavailable:
            newer, self._rows = self._rows, rows
            for update in newer.values():
                self.row(update.row, planned=update.planned)
            self._events = [*events, *self._events][-_MOST_KEPT:]
            self._pages = [*pages, *self._pages][-_MOST_KEPT:]
            self._calls = [*calls, *self._calls][-_MOST_KEPT:]
            raise

    def _refused(self, error: StoreUnavailable) -> None:
        if self._pause == _PAUSE:
            self._log.error("docsfy_jupyter: progress cannot be written; the runs go on, it is tried again: %s", error.message)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _accepted(self) -> None:
        if self._pause != _PAUSE:
            self._log.warning("docsfy_jupyter: progress can be written again")
        self._pause = _PAUSE


def _parted(records: list[R], generation_id: str) -> tuple[list[R], list[R]]:
    """Return the records of a run, and the others."""
    own = [record for record in records if record.generation_id == generation_id]
    return own, [record for record in records if record.generation_id != generation_id]
