"""The rows in memory, with a revision number and a condition: polls, held polls and listings are served from here.

What every poll asks (a variant by its name, the newest rows, what changed since) is looked up, never searched for: with ten
thousand variants a search takes milliseconds, and a thousand panels ask three hundred times a second.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from contextlib import suppress

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
        self.members_revision = self.revision  # when a row was added or removed last
        self._rows: dict[VariantKey, Variant] = {}
        self._of_name: dict[str, dict[VariantKey, Variant]] = {}
        self._of_run: dict[str, VariantKey] = {}
        self._by_time: list[tuple[str, ...]] = []  # oldest first
        self._revisions: dict[VariantKey, int] = {}  # what changed last is last
        self._changed = asyncio.Event()

    def put(self, variant: Variant) -> None:
        """Add or replace a row; an equal row changes nothing."""
        key = variant.key
        before = self._rows.get(key)
        if before == variant:
            return
        if before is not None:
            self._forget_places(before)
        insort(self._by_time, _place(variant))
        self._of_run[variant.generation_id] = key
        self._rows[key] = variant
        self._of_name.setdefault(key.name, {})[key] = variant
        self.revision += 1
        self._revisions.pop(key, None)
        self._revisions[key] = self.revision
        if before is None:
            self.members_revision = self.revision
        self._wake()

    def remove(self, key: VariantKey) -> None:
        """Forget a row."""
        row = self._rows.pop(key, None)
        if row is None:
            return
        self._forget_places(row)
        self._of_name[key.name].pop(key)
        if not self._of_name[key.name]:
            del self._of_name[key.name]
        self._revisions.pop(key, None)
        self.revision += 1
        self.members_revision = self.revision
        self._wake()

    def _forget_places(self, row: Variant) -> None:
        del self._by_time[bisect_left(self._by_time, _place(row))]
        self._of_run.pop(row.generation_id, None)

    def get(self, key: VariantKey) -> Variant | None:
        """Return a row, None where there is none."""
        return self._rows.get(key)

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> Iterator[Variant]:
        """Return every row, in no order."""
        return iter(list(self._rows.values()))

    def named(self, name: str) -> list[Variant]:
        """Return the rows of a project, in no order."""
        return list(self._of_name.get(name, {}).values())

    def of_run(self, generation_id: str) -> Variant | None:
        """Return the row whose latest run has this id."""
        key = self._of_run.get(generation_id)
        return None if key is None else self._rows[key]

    def names(self) -> list[str]:
        """Return the names of all projects, in no order."""
        return list(self._of_name)

    def newest(self, offset: int = 0, limit: int | None = None) -> list[Variant]:
        """Return rows by the time of their last change, the newest first.

        Parameters
        ----------
        offset, limit : int
            Leave out so many, return at most so many.
        """
        end = len(self._by_time) - offset
        places = self._by_time[max(0, end - limit) if limit is not None else 0 : max(0, end)]
        return [self._rows[VariantKey(*place[1:])] for place in reversed(places)]

    def changed_after(self, revision: int) -> list[Variant]:
        """Return the rows that changed after a revision, the newest first; all, where that number was never given yet.

        Such a number comes from a server before this one, whose clock was ahead.
        """
        if revision > self.revision:
            return self.newest()
        found = []
        for key in reversed(self._revisions):
            if self._revisions[key] <= revision:
                break
            found.append(self._rows[key])
        return sorted(found, key=_place, reverse=True)

    async def wait(self, revision: int, timeout: float) -> bool:
        """Wait until anything changed after ``revision``; False when ``timeout`` seconds passed and nothing has."""
        if self.revision > revision:
            return True
        event = self._changed
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await event.wait()
        return self.revision > revision  # a change may come in the very moment in which the time is up

    def _wake(self) -> None:
        woken, self._changed = self._changed, asyncio.Event()
        woken.set()


def _place(row: Variant) -> tuple[str, ...]:
    """Return what orders a row among others: plain texts, since an order of dataclasses takes ten times as long."""
    return row.updated_at, row.name, row.branch, row.ai_provider, row.ai_model, row.owner
