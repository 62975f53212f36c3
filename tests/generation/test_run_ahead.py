"""Pages that are done are rendered while others are still written; a worker that did it ends with its run, or soon after."""

from __future__ import annotations

import asyncio
from pathlib import Path

from recording import alive, finished, lingering, running, start, until

from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.models import Status, VariantKey

MODEL = "pages=20,hold=page-20"


async def reached(manager: Manager, key: VariantKey) -> set[str]:
    """Wait until all pages but one are done; return those whose HTML is there, at least so many as are worth a worker."""
    await until(manager, key, lambda row: row.page_count == 19, 120)
    folder = manager.folder(key).written
    async with asyncio.timeout(60):
        while len(list(folder.glob("*.json"))) < 16:  # as many as one request takes; of the last three none begins before the end
            await asyncio.sleep(0.02)
    return {path.stem for path in folder.glob("*.json")}


async def test_pages_are_rendered_while_others_are_written(tmp_path: Path, demo_repo: Path, mark: str, gate: Path) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, MODEL)
        written = await reached(manager, key)
        assert "page-20" not in written
        times = {slug: (manager.folder(key).written / f"{slug}.json").stat().st_mtime_ns for slug in written}
        gate.unlink()
        assert (await finished(manager, key)).status is Status.READY
        kept = {path.stem: path.stat().st_mtime_ns for path in manager.folder(key).written.glob("*.json")}
        assert set(kept) == {f"page-{number}" for number in range(1, 21)}
        assert {slug: kept[slug] for slug in times} == times
        site = manager.folder(key).sites.current()
        assert site is not None
        assert all((site / f"page-{number}.html").is_file() for number in range(1, 21))
        async with asyncio.timeout(60):
            while lingering(mark):
                await asyncio.sleep(0.05)


async def test_an_abort_keeps_what_is_rendered_for_the_next_run(tmp_path: Path, demo_repo: Path, mark: str, gate: Path) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, MODEL)
        written = await reached(manager, key)
        assert (await manager.abort(key, "me")).status is Status.ABORTED
        assert alive(mark) == []
        gate.unlink()
        times = {slug: (manager.folder(key).written / f"{slug}.json").stat().st_mtime_ns for slug in written}
        await start(manager, demo_repo, MODEL)
        assert (await finished(manager, key)).status is Status.READY
        assert {slug: (manager.folder(key).written / f"{slug}.json").stat().st_mtime_ns for slug in written} == times


async def test_a_stopping_server_ends_a_rendering(tmp_path: Path, demo_repo: Path, mark: str) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, "pages=2,big=1")
        await until(manager, key, lambda row: row.current_stage == "rendering")
        async with asyncio.timeout(60):
            while not lingering(mark):
                await asyncio.sleep(0.01)
    assert alive(mark) + lingering(mark) == []
