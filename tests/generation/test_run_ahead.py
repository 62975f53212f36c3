"""Pages that are done are rendered while others are still written; a worker that does it ends with its run, or soon after."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from recording import alive, finished, lingering, running, start, until

from docsfy_jupyter.generation import workers
from docsfy_jupyter.generation.ahead import PagesAhead
from docsfy_jupyter.generation.folders import VariantFolder
from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.generation.workers import WorkerPool
from docsfy_jupyter.models import Plan, PlanGroup, PlanPage, Status, VariantKey

MODEL = "pages=20,hold=page-20"
PLAN = Plan(navigation=[PlanGroup(pages=[PlanPage(slug=f"page-{number}", title="A page") for number in range(20)])])


async def within(seconds: float, condition: Callable[[], object]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def times(manager: Manager, key: VariantKey) -> dict[str, int]:
    """When the HTML of each page was written that is kept."""
    return {path.stem: path.stat().st_mtime_ns for path in manager.folder(key).written.glob("*.json")}


def running_with(word: str) -> list[psutil.Process]:
    """The children of this process whose command line has a word."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it has ended meanwhile
            if word in " ".join(child.cmdline()):
                found.append(child)
    return found


def rendering() -> list[psutil.Process]:
    """The renderers of this process that are at work, and not waiting for some, with those that they share it with."""
    found = []
    for renderer in running_with("site.worker"):
        with suppress(psutil.Error):
            all_of_it = [renderer, *renderer.children(recursive=True)]
            if sum(process.cpu_times().user for process in all_of_it) > 0.5:  # its imports take less
                found += all_of_it
    return found


def lives(process: psutil.Process) -> bool:
    """Whether a process is more than a name that nobody has collected yet."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


async def ended_by_abort(manager: Manager, key: VariantKey, mark: str) -> None:
    await within(240, rendering)
    renderers = rendering()
    assert (await manager.abort(key, "me")).status is Status.ABORTED
    assert [renderer for renderer in renderers if lives(renderer)] == []
    assert alive(mark) == []


async def test_pages_are_rendered_while_others_are_written(
    tmp_path: Path, demo_repo: Path, mark: str, gate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "IDLE", 0.5)
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, MODEL)
        await until(manager, key, lambda row: row.page_count == 19, 120)
        await within(60, lambda: len(times(manager, key)) >= 8)
        ahead = times(manager, key)
        assert "page-20" not in ahead
        gate.unlink()
        assert (await finished(manager, key)).status is Status.READY
        kept = times(manager, key)
        assert set(kept) == {f"page-{number}" for number in range(1, 21)}
        assert {slug: kept[slug] for slug in ahead} == ahead
        site = manager.folder(key).sites.current()
        assert site is not None
        assert all((site / f"page-{number}.html").is_file() for number in range(1, 21))
        await within(60, lambda: not lingering(mark))


async def test_an_abort_keeps_what_is_rendered_for_the_next_run(tmp_path: Path, demo_repo: Path, mark: str, gate: Path) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, MODEL)
        await within(120, lambda: len(times(manager, key)) >= 8)
        assert (await manager.abort(key, "me")).status is Status.ABORTED
        assert alive(mark) == []
        gate.unlink()
        ahead = times(manager, key)
        await start(manager, demo_repo, MODEL)
        assert (await finished(manager, key)).status is Status.READY
        kept = times(manager, key)
        assert {slug: kept[slug] for slug in ahead} == ahead


async def test_an_abort_ends_the_rendering_of_pages_that_are_done(tmp_path: Path, demo_repo: Path, mark: str, gate: Path) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, "pages=12,big=1,hold=page-12")
        await ended_by_abort(manager, key, mark)


async def test_an_abort_ends_the_rendering_of_the_site(tmp_path: Path, demo_repo: Path, mark: str) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, "pages=2,big=1")
        await until(manager, key, lambda row: row.current_stage == "rendering")
        await ended_by_abort(manager, key, mark)


async def test_a_stopping_server_ends_a_rendering(tmp_path: Path, demo_repo: Path, mark: str) -> None:
    async with running(tmp_path) as manager:
        await start(manager, demo_repo, "pages=2,big=1")
        await within(240, rendering)
    assert alive(mark) + lingering(mark) == []


def some_pages(folder: Path, code: str, processes: Processes) -> tuple[PagesAhead, VariantFolder]:
    """Eight pages that are done, and a program that is to render them."""
    variant = VariantFolder(folder, VariantKey("demo", "main", "fake", "m", "me"))
    keys = {page.slug: f"key-{page.slug}" for page in PLAN.pages()}
    for key in keys.values():
        variant.store_page(key, "# A page\n", {})
    pool = WorkerPool(processes, [sys.executable, "-c", code], 2, idle=60)
    return PagesAhead(pool, variant, PLAN, keys), variant


async def test_a_renderer_that_dies_is_no_end_of_the_run(tmp_path: Path, processes: Processes) -> None:
    ahead, _ = some_pages(tmp_path, "import sys; sys.stdin.readline(); sys.exit('no')", processes)
    async with ahead:
        for page in PLAN.pages():
            ahead.add(page)
    assert running_with("sys.exit") == []


async def test_facts_of_a_page_that_are_damaged_are_no_end_of_the_run(tmp_path: Path, processes: Processes) -> None:
    ahead, variant = some_pages(tmp_path, "", processes)
    (variant.cache / "key-page-3.json").write_text('{"images": [1]}')
    async with ahead:
        for page in PLAN.pages():
            ahead.add(page)


async def test_however_often_it_is_cancelled_nothing_is_left(tmp_path: Path, processes: Processes) -> None:
    started = tmp_path / "started"
    code = f"import pathlib, sys, time; sys.stdin.readline(); pathlib.Path({str(started)!r}).touch(); time.sleep(300)"
    ahead, _ = some_pages(tmp_path, code, processes)

    async def run() -> None:
        async with ahead:
            for page in PLAN.pages():
                ahead.add(page)
            await within(60, started.exists)

    work = asyncio.create_task(run())
    await within(60, started.exists)
    await asyncio.sleep(0.1)
    for _ in range(3):
        work.cancel()
        await asyncio.sleep(0.01)
    await asyncio.wait([work])
    assert work.cancelled()
    assert running_with("time.sleep(300)") == []
