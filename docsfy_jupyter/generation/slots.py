"""The queue of runs: at most so many at once, the others wait in order and know their place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Slots:
    """A counting lock whose waiters are told their position.

    Parameters
    ----------
    limit : int
        How many may hold a slot at once.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiting: list[tuple[asyncio.Event, Callable[[int], None]]] = []

    @asynccontextmanager
    async def slot(self, moved: Callable[[int], None]) -> AsyncIterator[None]:
        """Wait for a slot and hold it.

        Parameters
        ----------
        moved : callable
            Called with the position (1 is next) whenever it changes while waiting.
        """
        if self._free > 0 and not self._waiting:
            self._free -= 1
        else:
            await self._wait(moved)
        try:
            yield
        finally:
            self._release()

    async def _wait(self, moved: Callable[[int], None]) -> None:
        turn = asyncio.Event()
        entry = (turn, moved)
        self._waiting.append(entry)
        moved(len(self._waiting))
        try:
            await turn.wait()
        except asyncio.CancelledError:
            if turn.is_set():
                self._release()
            else:
                self._waiting.remove(entry)
                self._tell()
            raise

    def _release(self) -> None:
        if not self._waiting:
            self._free += 1
            return
        turn, _ = self._waiting.pop(0)
        turn.set()
        self._tell()

    def _tell(self) -> None:
        for position, (_, moved) in enumerate(self._waiting, 1):
            moved(position)
