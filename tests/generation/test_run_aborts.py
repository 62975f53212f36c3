"""Aborts in every stage and at any moment: the row, the children, the folders, the last good site."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from pathlib import Path

import pytest
from recording import alive, finished, running, start, until
from servers import commit

from docsfy_jupyter.errors import NotGenerating
from docsfy_jupyter.generation.folders import VariantFolder
from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.models import Stage, Status, Variant, VariantKey
from docsfy_jupyter.requests import GenerateRequest

ABORTED = (Status.ABORTED, None, "Generation aborted by user", ())


def facts(row: Variant) -> tuple[object, ...]:
    return row.status, row.current_stage, row.error_message, row.pages_active


async def test_a_page_that_is_being_kept_when_a_run_is_aborted_is_counted(
    tmp_path: Path, demo_repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, store = threading.Event(), VariantFolder.store_page

    def slowly(folder: VariantFolder, key: str, markdown: str, images: dict[str, str]) -> None:
        begun.set()
        time.sleep(0.3)
        store(folder, key, markdown, images)

    monkeypatch.setattr(VariantFolder, "store_page", slowly)
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, "pages=4")
        await asyncio.to_thread(begun.wait, 60)
        row = await manager.abort(key, "me")
        assert row.status is Status.ABORTED
        plan = row.plan()
        assert plan is not None
        await asyncio.sleep(0.5)  # whatever is still on its way
        kept = list(manager.folder(key).cache.glob("*.md"))
        assert (row.page_count, len(row.pages_done)) == (len(kept), len(kept))
        assert row.page_count > 0


async def clone_from(manager: Manager, url: str, name: str) -> VariantKey:
    body = {"repo_url": url, "branch": "main", "ai_provider": "fake", "ai_model": "pages=1", "name": name}
    return (await manager.generate(GenerateRequest.model_validate(body), "me")).key


async def test_an_abort_in_every_stage_leaves_nothing_but_the_last_good_site(
    tmp_path: Path, demo_repo: Path, mark: str, gate: Path, silent_host: str
) -> None:
    models = {
        Stage.PLANNING: "pages=1,hold=plan,children=1,n=1",
        Stage.INCREMENTAL_PLANNING: "pages=1,hold=plan,children=1,n=2",
        Stage.GENERATING_PAGES: "pages=3,hold=page-2,children=1",
        Stage.RENDERING: "pages=2,big=1",
        Stage.QUEUED: "pages=1,n=3",
    }
    async with running(tmp_path, max_concurrent_generations=5) as manager:
        gate.unlink()
        built = [Stage.INCREMENTAL_PLANNING, Stage.GENERATING_PAGES]
        keys = {stage: await start(manager, demo_repo, models[stage]) for stage in built}
        for key in keys.values():
            assert (await finished(manager, key)).status is Status.READY
        sites = {key: manager.folder(key).sites.current() for key in keys.values()}
        gate.touch()
        commit(demo_repo, {"README.md": "# Demo\n\nAnother text.\n"})
        keys[Stage.CLONING] = await clone_from(manager, silent_host, "silent")
        keys |= {stage: await start(manager, demo_repo, models[stage], force=stage is Stage.GENERATING_PAGES) for stage in models}

        async def abort_in(stage: Stage) -> Variant:
            before = await until(manager, keys[stage], lambda row: row.current_stage is stage)
            row = await manager.abort(keys[stage], "me")
            assert row.page_count >= before.page_count
            return row

        queued = await abort_in(Stage.QUEUED)  # first: the others hold the slots
        rows = [queued, *await asyncio.gather(*[abort_in(stage) for stage in keys if stage is not Stage.QUEUED])]
        assert [facts(row) for row in rows] == [ABORTED] * 6
        assert {row.failed_stage for row in rows} == set(keys)
        assert alive(mark) == []
        assert list(manager.settings.scratch.glob("*")) == []
        assert manager.active == 0
        for key, site in sites.items():
            assert site is not None
            assert manager.folder(key).sites.current() == site
            assert manager.find(key).site
        for key in keys.values():  # half a rendered site is a temporary folder too
            assert list(manager.folder(key).sites.root.glob("v-*")) == list(filter(None, [manager.folder(key).sites.current()]))
        assert sorted(await (await manager.ready()).load_variants(), key=lambda row: row.key) == sorted(
            rows, key=lambda row: row.key
        )


@pytest.mark.case("A05")
async def test_thirty_aborts_at_random_moments_leave_nothing(tmp_path: Path, demo_repo: Path, mark: str) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    outcomes: list[str] = []

    async def one(number: int, manager: Manager) -> None:
        model = f"pages=3,sleep=0.2,children=1,n={number}"
        key = await start(manager, demo_repo, model)
        await asyncio.sleep(dice.uniform(0, 3) if number % 5 else 0)
        try:
            row = await manager.abort(key, "me")
        except NotGenerating:
            assert manager.find(key).status is Status.READY
        else:
            assert facts(row) == ABORTED
        row = await finished(manager, key)
        outcomes.append(row.status.value)
        assert alive(mark, f"DOCSFY_MODEL={model}") == []

    async with running(tmp_path, max_concurrent_generations=6) as manager:
        for first in range(0, 30, 10):
            await asyncio.gather(*[one(number, manager) for number in range(first, first + 10)])
        assert alive(mark) == []
        assert list(manager.settings.scratch.glob("*")) == []
        assert manager.active == 0
        memory = {row.key: row for row in manager.feed.rows()}
        assert {row.key: row for row in await (await manager.ready()).load_variants()} == memory
    assert outcomes.count("aborted") >= 5, f"seed {seed}"


@pytest.mark.case("F14")
async def test_twenty_aborts_while_cloning_from_a_silent_host(tmp_path: Path, mark: str, silent_host: str) -> None:
    async with running(tmp_path, max_concurrent_generations=20) as manager:
        keys = [await clone_from(manager, silent_host, f"silent-{number}") for number in range(20)]
        for key in keys:
            await until(manager, key, lambda row: row.current_stage is Stage.CLONING)
        await asyncio.sleep(1)
        assert any("remote-http" in line for line in alive(mark))
        began = time.monotonic()
        rows = await asyncio.gather(*[manager.abort(key, "me") for key in keys])
        assert time.monotonic() - began < 5
        assert {(*facts(row), row.page_count) for row in rows} == {(*ABORTED, 0)}
        assert alive(mark) == []
        assert list(manager.settings.scratch.glob("*")) == []


@pytest.mark.case("A03")
async def test_an_abort_before_the_first_step_of_a_run(tmp_path: Path, demo_repo: Path, mark: str) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo)
        assert facts(await manager.abort(key, "me")) == ABORTED
        starting = asyncio.create_task(start(manager, demo_repo))
        before = manager.find(key).generation_id
        await until(manager, key, lambda row: row.generation_id != before)
        aborted, _ = await asyncio.gather(manager.abort(key, "me"), starting)
        assert facts(aborted) == ABORTED
        assert (manager.active, alive(mark)) == (0, [])
        await start(manager, demo_repo)
        assert (await finished(manager, key)).status is Status.READY


@pytest.mark.case("F01")
async def test_a_page_that_comes_after_the_abort_changes_nothing(tmp_path: Path, demo_repo: Path, mark: str, gate: Path) -> None:
    async with running(tmp_path, max_concurrent_pages=1) as manager:
        key = await start(manager, demo_repo, "pages=3,late=1,hold=page-2")
        await until(manager, key, lambda row: row.page_count == 1 and row.pages_active == ("page-2",))
        while not alive(mark):
            await asyncio.sleep(0.01)
        row = await manager.abort(key, "me")
        assert (*facts(row), row.page_count) == (*ABORTED, 1)
        await asyncio.sleep(1.5)
        assert manager.find(key) == row
        assert await (await manager.ready()).load_variants() == [row]
        assert alive(mark) == []


@pytest.mark.case("F01")
async def test_an_abort_in_the_tick_of_the_end_is_one_or_the_other(tmp_path: Path, demo_repo: Path) -> None:
    async with running(tmp_path) as manager:
        seen = []
        for steps in (-1, 0, 1, 2, 5, 20):
            key = await start(manager, demo_repo, f"pages=1,n={steps}")
            work = manager._runs[key].work
            while work is None:
                await asyncio.sleep(0)
                work = manager._runs[key].work
            if steps < 0:
                await until(manager, key, lambda row: row.current_stage is Stage.RENDERING)
            else:
                await asyncio.wait({work})
            for _ in range(steps):
                await asyncio.sleep(0)
            try:
                row = await manager.abort(key, "me")
                assert facts(row) == ABORTED
            except NotGenerating:
                row = manager.find(key)
                assert row.status is Status.READY
            seen.append(row.status)
            stored = {found.key: found for found in await (await manager.ready()).load_variants()}
            assert stored[key] == manager.find(key) == row
        assert set(seen) == {Status.ABORTED, Status.READY}


async def test_an_abort_in_any_of_the_first_ticks_of_a_run_is_never_lost(demo_repo: Path, tmp_path: Path) -> None:
    async with running(tmp_path, abort_patience=30.0) as manager:
        for ticks in range(40):
            key = await start(manager, demo_repo, "pages=1,sleep=60")
            for _ in range(ticks):
                await asyncio.sleep(0)
            assert (await manager.abort(key, "me")).status is Status.ABORTED, f"after {ticks} ticks"
