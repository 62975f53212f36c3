"""The end of a run where the database cannot be written: told at once, tried again, never overtaken."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import duckdb
import pytest
from recording import finished, running, start, until

from docsfy_jupyter.errors import NotGenerating, StoreUnavailable
from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.models import SERVER_RESTARTED, Stage, Status


class BrokenDisk:
    """A real connection whose commits fail as on a full disk while ``broken`` is set."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.broken = False
        self.refused = 0

    def commit(self) -> None:
        if self.broken:
            self.refused += 1
            self.connection.rollback()
            raise duckdb.TransactionException('Failed to commit: Could not write file "x.wal": No space left on device')
        self.connection.commit()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


async def break_disk(manager: Manager) -> BrokenDisk:
    database = (await manager.ready())._database
    disk = BrokenDisk(database._connection)
    database._connection = disk  # type: ignore[assignment]
    disk.broken = True
    return disk


async def stored(manager: Manager) -> Any:
    (row,) = await (await manager.ready()).load_variants()
    return row


async def healthy(manager: Manager) -> None:
    """Wait until everything that ended is written."""
    async with asyncio.timeout(40):
        while True:
            try:
                return await manager.check()
            except StoreUnavailable:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("outcome", [Status.READY, Status.ERROR, Status.ABORTED])
async def test_readers_are_told_at_once_and_the_database_when_it_can(
    tmp_path: Path, demo_repo: Path, gate: Path, outcome: Status
) -> None:
    model = f"pages=2,hold=page-1{',fail=page-1' if outcome is Status.ERROR else ''}"
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, model)
        await until(manager, key, lambda row: row.page_count == 1)
        disk = await break_disk(manager)
        if outcome is Status.ABORTED:
            assert (await manager.abort(key, "me")).status is Status.ABORTED
        gate.unlink()
        row = await finished(manager, key)
        assert (row.status, manager.active) == (outcome, 0)
        assert (await stored(manager)).status is Status.GENERATING
        with pytest.raises(StoreUnavailable, match=r"does not have the end of 1 run yet.*No space left"):
            await manager.check()
        with pytest.raises(StoreUnavailable, match="No space left"):
            await start(manager, demo_repo, model)
        with pytest.raises(StoreUnavailable, match="No space left"):
            await manager.delete(key, "me")
        with pytest.raises(StoreUnavailable, match="No space left"):
            await manager.render(key)
        with pytest.raises(NotGenerating, match=f"it is {outcome.value}"):
            await manager.abort(key, "me")
        assert manager.find(key) == row
        disk.broken = False
        await healthy(manager)
        assert await stored(manager) == row
        store = await manager.ready()
        (run,), _ = await store.list_runs({"outcome": outcome.value}, 9, 0)
        assert (run["generation_id"], run["page_count"]) == (row.generation_id, row.page_count)
        kinds = [event["kind"] for event in await store.list_events(row.generation_id, 0, 99)]
        assert kinds.count("page_done") == row.page_count
        assert kinds[-1] == outcome.value


async def test_an_end_that_was_never_written_is_found_with_its_site(tmp_path: Path, demo_repo: Path, gate: Path) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, "pages=2,hold=page-1")
        await until(manager, key, lambda row: row.page_count == 1)
        disk = await break_disk(manager)
        gate.unlink()
        told = await finished(manager, key)
        assert told.status is Status.READY
    assert disk.refused >= 2
    async with running(tmp_path) as manager:
        assert manager.find(key) == await stored(manager) == told
        store = await manager.ready()
        kinds = [event["kind"] for event in await store.list_events(told.generation_id, 0, 99)]
        assert (kinds.count("page_done"), kinds.count("ready"), kinds.count("error")) == (2, 1, 0)
        await start(manager, demo_repo, "pages=2,hold=page-1")
        assert (await finished(manager, key)).current_stage is Stage.UP_TO_DATE


async def test_an_end_without_a_site_that_was_never_written_is_an_error_and_its_pages_are_used(
    tmp_path: Path, demo_repo: Path, gate: Path
) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, "pages=2,hold=page-1")
        await until(manager, key, lambda row: row.page_count == 1)
        disk = await break_disk(manager)
        assert (await manager.abort(key, "me")).status is Status.ABORTED
    assert disk.refused >= 2
    gate.unlink()
    async with running(tmp_path) as manager:
        row = manager.find(key)
        assert (row.status, row.error_message) == (Status.ERROR, SERVER_RESTARTED)
        assert row.failed_stage in (Stage.PLANNING, Stage.GENERATING_PAGES)  # the last that was written
        await start(manager, demo_repo, "pages=2,hold=page-1")
        row = await finished(manager, key)
        assert (row.status, row.page_count, row.pages_done) == (Status.READY, 2, ("page-1",))
