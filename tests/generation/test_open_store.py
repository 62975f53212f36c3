"""Opening the store: what a killed server left is cleared away, and no failure ends the trying."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from recording import finished, running, start

from docsfy_jupyter.errors import StoreUnavailable
from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.generation.open_store import OpenStore
from docsfy_jupyter.generation.settings import Settings
from docsfy_jupyter.store.store import Store


async def test_a_mistake_while_opening_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = Store.recover
    tries = 0

    async def stumble(store: Store, *values: object) -> object:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ValueError("a row that nobody can read")
        return await real(store, *values)

    monkeypatch.setattr(Store, "recover", stumble)
    opened = OpenStore(Settings(tmp_path), ChangeFeed(), logging.getLogger("test"), "test")
    trying = asyncio.create_task(opened.run())
    while tries == 0:
        await asyncio.sleep(0.02)
    while "a row" not in caplog.text:
        await asyncio.sleep(0.02)
    with pytest.raises(StoreUnavailable, match="a row that nobody can read"):
        await opened.ready()
    assert "a row that nobody can read" in caplog.text
    await trying
    assert await (await opened.ready()).load_variants() == []
    await opened.close()


async def test_what_a_killed_server_left_half_done_is_gone_and_the_good_site_stays(tmp_path: Path, demo_repo: Path) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo)
        await finished(manager, key)
        folder = manager.folder(key)
        good = folder.sites.current()
        half = folder.sites.fresh()
        half.mkdir()
        aside = folder.cache / "x.md.1.aside"
        aside.write_text("half a pa")
        clone = manager.settings.scratch / "a-dead-run" / "clone"
        clone.mkdir(parents=True)
    async with running(tmp_path) as manager:
        assert [path for path in (half, aside, clone) if path.exists()] == []
        assert good is not None
        assert manager.folder(key).sites.current() == good
        await start(manager, demo_repo)
        assert (await finished(manager, key)).current_stage == "up_to_date"


async def test_who_waits_for_the_first_attempt_is_told_of_its_failure_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("docsfy_jupyter.generation.open_store._PATIENCE", 600.0)
    async with running(tmp_path):
        opened = OpenStore(Settings(tmp_path / "data"), ChangeFeed(), logging.getLogger("test"), "test")
        trying = asyncio.create_task(opened.run())
        async with asyncio.timeout(60):
            with pytest.raises(StoreUnavailable, match="is in use by PID"):
                await opened.ready()
        trying.cancel()
        await asyncio.wait([trying])
