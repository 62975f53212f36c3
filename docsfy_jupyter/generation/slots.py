"""The queue of runs: at most so many at once, the others wait, take fair turns and know their place."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(eq=False)
class _Turn:
    """One run that wants to work."""

    repository: str
    provider: str
    moved: Callable[[int], None]
    order: tuple[int, int]  # its round, and when it came
    given: asyncio.Event = field(default_factory=asyncio.Event)
    told: int = 0  # the place that it knows


class Slots:
    """A counting lock whose waiters take turns by repository and are told their position.

    Every repository has one turn a round, so that two hundred runs of one do not keep the only run of another waiting: a
    run joins the round that is on, or the one after the last that its repository has a turn in. Within a round who came
    first goes first. A run whose provider has no room is passed over and keeps its place.

    Parameters
    ----------
    limit : int
        How many may hold a slot at once.
    by_provider : mapping of str to int, optional
        How many of one provider may.
    """

    def __init__(self, limit: int, by_provider: Mapping[str, int] | None = None) -> None:
        self._free = limit
        self._by_provider = dict(by_provider or {})
        self._working: Counter[str] = Counter()
        self._waiting: list[_Turn] = []  # in the order of their turns
        self._last_round: dict[str, int] = {}
        self._round = 0
        self._came = 0

    @asynccontextmanager
    async def slot(self, repository: str, provider: str, moved: Callable[[int], None]) -> AsyncIterator[None]:
        """Wait for a slot and hold it.

        Parameters
        ----------
        repository, provider : str
            What the run is about, and who works for it.
        moved : callable
            Called with the position (1 is next) whenever it changes while waiting.
        """
        turn = self._enter(repository, provider, moved)
        self._grant()
        if not turn.given.is_set():
            self._tell()
        try:
            await turn.given.wait()
            yield
        finally:
            if turn.given.is_set():
                self._free += 1
                self._working[provider] -= 1
                self._grant()
            else:
                self._waiting.remove(turn)
            self._tell()

    def _enter(self, repository: str, provider: str, moved: Callable[[int], None]) -> _Turn:
        self._last_round = {name: last for name, last in self._last_round.items() if last >= self._round}
        round_ = max(self._round, self._last_round.get(repository, -1) + 1)
        self._last_round[repository] = round_
        self._came += 1
        turn = _Turn(repository, provider, moved, (round_, self._came))
        self._waiting.append(turn)
        self._waiting.sort(key=lambda waiting: waiting.order)
        return turn

    def _grant(self) -> None:
        """Give every slot that is free to the first in turn whose provider has room."""
        for turn in tuple(self._waiting):
            if self._free == 0:
                return
            if self._working[turn.provider] >= self._by_provider.get(turn.provider, self._working[turn.provider] + 1):
                continue
            self._waiting.remove(turn)
            self._free -= 1
            self._working[turn.provider] += 1
            self._round = max(self._round, turn.order[0])
            turn.given.set()

    def _tell(self) -> None:
        for position, turn in enumerate(self._waiting, 1):
            if turn.told != position:
                turn.told = position
                turn.moved(position)
