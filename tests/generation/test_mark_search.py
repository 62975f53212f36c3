"""Marked processes are searched for once for all who wait, and never by a search that began before somebody asked."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from docsfy_jupyter.generation import killing


@contextmanager
def marked_process(mark: str) -> Iterator[int]:
    process = subprocess.Popen(["sleep", "60"], env={"PATH": "/bin:/usr/bin", killing.MARKER: mark, "LAST": "1"})
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


async def test_who_asks_during_a_search_shares_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()
    real, searches = killing.marked, []

    def marked() -> dict[str, list[int]]:
        searches.append(real())
        begun.release()
        assert go_on.wait(30)
        return searches[-1]

    monkeypatch.setattr(killing, "marked", marked)
    search = killing.MarkSearch()
    with ExitStack() as ends:
        old = ends.enter_context(marked_process("test-search:old"))
        first = asyncio.create_task(search.of("test-search:old"))
        assert await asyncio.to_thread(begun.acquire, timeout=30)
        young = ends.enter_context(marked_process("test-search:young"))
        later = [asyncio.create_task(search.of(f"test-search:{name}")) for name in ("young", "old", "none", "young")]
        await asyncio.sleep(0)
        go_on.set()
        assert [one.pid for one in await first] == [old]
        assert [[one.pid for one in await task] for task in later] == [[young], [old], [], [young]]
    assert len(searches) == 2
    assert "test-search:young" not in searches[0]


async def test_who_goes_away_leaves_the_search_to_the_others() -> None:
    search = killing.MarkSearch()
    with marked_process("test-search:one") as pid:
        impatient, patient = (asyncio.create_task(search.of("test-search:one")) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        assert [one.pid for one in await patient] == [pid]
        assert impatient.cancelled()
