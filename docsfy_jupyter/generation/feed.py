"""The rows in memory, with a revision number and a condition: polls, held polls and listings are served from here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from docsfy_jupyter.models import Variant, VariantKey


class ChangeFeed:
    """The copy of the rows that reads are answered from.

    Every put has a revision number of its own; a reader that waits is woken by any change. The numbers go on over a restart,
    since they begin at the milliseconds of the clock: what a reader saw before it is older than whatever is put after it.

    Attributes
    ----------
    on_status : callable
        Called with the row of every run that has begun or ended, once that is certain; it must not raise.
    """

    def __init__(self) -> None:
        self.on_status: Callable[[Variant], None] = lambda row: None
        self.revision = time.time_ns() // 1_000_000
        self._rows: dict[VariantKey, Variant] = {}
        self._revisions: dict[VariantKey, int] = {}
        self._changed = asyncio.Event()

    def put(self, variant: Variant) -> None:
        """Add or replace a row; an equal row changes nothing."""
        if self._rows.get(variant.key) == variant:
            return
        self._rows[variant.key] = variant
        self._touch(variant.key)

    def remove(self, key: VariantKey) -> None:
        """Forget a row."""
        if self._rows.pop(key, None) is not None:
            self._revisions.pop(key, None)
            self.revision += 1
            self._wake()

    def get(self, key: VariantKey) -> Variant | None:
        """Return a row, None where there is none."""
        return self._rows.get(key)

    def changed_after(self, key: VariantKey, revision: int) -> bool:
        """Whether a row changed after a revision; always, where that number was never given (the clock was set back)."""
        return revision > self.revision or self._revisions.get(key, 0) > revision

    def rows(self) -> Iterator[Variant]:
        """Return every row, in no order."""
        return iter(list(self._rows.values()))

    async def wait(self, revision: int, timeout: float) -> bool:
        """Wait until anything changed after ``revision``; False when ``timeout`` seconds passed first."""
        if self.revision > revision:
            return True
        event = self._changed
        try:
            async with asyncio.timeout(timeout):
                await event.wait()
        except TimeoutError:
            return False
        return True

    def _touch(self, key: VariantKey) -> None:
        self.revision += 1
        self._revisions[key] = self.revision
        self._wake()

    def _wake(self) -> None:
        woken, self._changed = self._changed, asyncio.Event()
        woken.set()
