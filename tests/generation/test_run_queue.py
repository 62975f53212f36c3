"""The queue: fair turns between repositories, room by provider, places that are told."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from recording import finished, running, start, until

from docsfy_jupyter.errors import AbortPending
from docsfy_jupyter.generation.slots import Slots
from docsfy_jupyter.models import Stage, Status


class Queue:
    """Runs that only wait for their slot and for a word that they may end."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.begun: list[str] = []
        self.places: dict[str, int] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.told: list[tuple[str, int]] = []
        self._ends: dict[str, asyncio.Event] = {}

    def _told(self, name: str) -> Callable[[int], None]:
        def told(position: int) -> None:
            assert self.places.get(name) != position, "nothing changed"
            self.told.append((name, position))
            self.places[name] = position

        return told

    async def _hold(self, name: str, repository: str, provider: str) -> None:
        async with self.slots.slot(repository, provider, self._told(name)):
            self.places.pop(name, None)
            self.begun.append(name)
            await self._ends[name].wait()

    async def add(self, name: str, repository: str, provider: str = "p") -> None:
        self._ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._hold(name, repository, provider))
        await self.settle()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self.tasks.pop(name)
        await self.settle()

    async def abort(self, name: str) -> None:
        task = self.tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.places.pop(name, None)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_a_repository_with_many_runs_does_not_keep_another_waiting() -> None:
    queue = Queue(Slots(1))
    for number in range(5):
        await queue.add(f"a{number}", "a")
    await queue.add("b0", "b")
    await queue.add("b1", "b")
    await queue.add("c0", "c")
    assert queue.begun == ["a0"]
    assert queue.places == {"b0": 1, "c0": 2, "a1": 3, "b1": 4, "a2": 5, "a3": 6, "a4": 7}
    for _ in range(7):
        await queue.end(queue.begun[-1])
    assert queue.begun == ["a0", "b0", "c0", "a1", "b1", "a2", "a3", "a4"]


async def test_a_repository_that_comes_late_joins_the_round_that_is_on() -> None:
    queue = Queue(Slots(1))
    for number in range(6):
        await queue.add(f"a{number}", "a")
    for number in range(3):
        await queue.end(f"a{number}")
    await queue.add("late", "b")
    assert queue.places == {"late": 1, "a4": 2, "a5": 3}


async def test_who_keeps_its_place_is_told_nothing() -> None:
    queue = Queue(Slots(1))
    for number in range(5):
        await queue.add(f"a{number}", "a")
    queue.told.clear()
    await queue.add("a5", "a")
    assert queue.told == [("a5", 5)]
    await queue.abort("a3")
    assert queue.told[1:] == [("a4", 3), ("a5", 4)]


async def test_a_provider_without_room_is_passed_over_and_keeps_its_place() -> None:
    queue = Queue(Slots(3, {"paid": 1}))
    for number in range(3):
        await queue.add(f"paid{number}", f"repo{number}", "paid")
    await queue.add("free", "other", "local")
    assert queue.begun == ["paid0", "free"]
    assert queue.places == {"paid1": 1, "paid2": 2}
    await queue.end("free")
    assert queue.begun == ["paid0", "free"]
    await queue.end("paid0")
    assert queue.begun == ["paid0", "free", "paid1"]


async def test_whatever_comes_goes_and_is_aborted_the_limits_hold_and_everybody_gets_a_turn() -> None:
    rnd = random.Random(11)
    queue = Queue(Slots(3, {"paid": 1}))
    provider: dict[str, str] = {}
    aborted: set[str] = set()
    for number in range(300):
        name = f"run{number}"
        provider[name] = rnd.choice(["paid", "local"])
        await queue.add(name, f"repo{rnd.randrange(4)}", provider[name])
        for known in list(queue.tasks):
            chance = rnd.random()
            if chance < 0.1:
                aborted |= {known} - set(queue.begun)
                await queue.abort(known)
            elif known in queue.begun and chance < 0.5:
                await queue.end(known)
        working = [known for known in queue.tasks if known in queue.begun]
        waiting = [known for known in queue.tasks if known not in queue.begun]
        assert len(working) <= 3
        assert Counter(provider[known] for known in working)["paid"] <= 1
        assert sorted(queue.places.values()) == list(range(1, len(waiting) + 1))
        if len(working) < 3:
            assert all(provider[known] == "paid" for known in waiting)
    while queue.tasks:
        await queue.end(next(known for known in queue.tasks if known in queue.begun))
    assert set(queue.begun) == set(provider) - aborted


async def test_a_run_in_a_full_server_waits_for_its_providers_room(demo_repo: Path, tmp_path: Path) -> None:
    async with running(tmp_path, max_concurrent_generations=4, generations_by_provider={"fake": 1}) as manager:
        first = await start(manager, demo_repo, "pages=1,sleep=60", name="first")
        await until(manager, first, lambda row: row.current_stage is Stage.GENERATING_PAGES)
        second = await start(manager, demo_repo, "pages=1", name="second")
        row = await until(manager, second, lambda row: row.current_stage is Stage.QUEUED)
        assert row.queue_position == 1
        free = await start(manager, demo_repo, "static", "local", name="free")
        assert (await finished(manager, free)).status is Status.READY
        assert manager.find(second).current_stage is Stage.QUEUED
        await manager.abort(first, "me")
        assert (await finished(manager, second)).status is Status.READY


async def test_an_abort_that_takes_longer_than_the_patience_says_what_it_waits_for_and_goes_on(
    demo_repo: Path, tmp_path: Path
) -> None:
    async with running(tmp_path, abort_patience=0.0) as manager:
        key = await start(manager, demo_repo, "pages=1,sleep=60")
        await until(manager, key, lambda row: row.current_stage is Stage.GENERATING_PAGES)
        with pytest.raises(AbortPending, match="turns aborted when its processes are gone"):
            await manager.abort(key, "me")
        assert (await finished(manager, key)).status is Status.ABORTED
