"""How long the details of old runs stay; runs and costs stay for ever."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import pytest
from recording import finished, running, start

from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.generation.retention import Retention
from docsfy_jupyter.models import utc_now


async def details(manager: Manager, runs: list[str]) -> list[tuple[int, int]]:
    """Count the events and pages of runs."""
    store = await manager.ready()
    return [(len(await store.list_events(run, 0, 5000)), len(await store.list_pages(run))) for run in runs]


async def test_details_of_old_runs_go_but_those_of_each_variants_latest_and_every_run_and_cost_stay(
    demo_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as manager:
        runs = []
        for _ in range(2):
            key = await start(manager, demo_repo, "pages=2", force=True)
            runs.append((await finished(manager, key)).generation_id)
        gone = await start(manager, demo_repo, "pages=1", name="gone")
        runs.append((await finished(manager, gone)).generation_id)
        await manager.delete(gone, "me")
        before = await details(manager, runs)
        assert all(events and pages for events, pages in before)
        store = await manager.ready()
        recorded = await store.list_runs({}, 100, 0)

        retention = Retention(manager._opened, 30, logging.getLogger("test"))
        await retention.forget()
        assert await details(manager, runs) == before, "nothing is older than 30 days"

        later = utc_now() + timedelta(days=31)
        monkeypatch.setattr("docsfy_jupyter.generation.retention.utc_now", lambda: later)
        await retention.forget()
        assert await details(manager, runs) == [(0, 0), before[1], (0, 0)]
        assert await store.list_runs({}, 100, 0) == recorded
        assert {row["deleted"] for row in recorded[0] if row["name"] == "gone"} == {True}


async def test_without_a_limit_nothing_is_ever_removed(tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        assert manager.settings.keep_events_days == 0
        await Retention(manager._opened, 0, logging.getLogger("test")).run()  # ends at once: there is nothing to wait for
