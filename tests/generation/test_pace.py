"""When the pages of a run should be done."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from pathlib import Path
from random import Random

import pytest
from recording import finished, running, start, until

from docsfy_jupyter.generation.pace import Pace
from docsfy_jupyter.models import Stage, Status
from docsfy_jupyter.store.records import PageRecord
from docsfy_jupyter.store.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "lanes", "left", "done", "later", "expected"),
    [
        (None, 5, 10, 0, 0, None),
        (10, 5, 10, 0, 0, 20),
        (10, 5, 11, 0, 0, 30),
        (10, 5, 1, 0, 0, 10),
        (10, 5, 0, 3, 9, None),
        (10, 1, 4, 2, 8, 40),
        (10, 1, 3, 3, 12, 12),
        (None, 1, 6, 3, 12, 24),
        (10, 5, 5, 4, 4, 10),
        (10, 5, 1, 4, 30, 5),
        (10, 5, 5, 5, 4, 4),
    ],
)
def test_the_end_is_by_history_and_soon_by_the_runs_own_pace(
    seconds: float | None, lanes: int, left: int, done: int, later: int, expected: float | None
) -> None:
    pace = Pace(seconds, lanes)
    pace.begin(NOW)
    now = NOW + timedelta(seconds=later)
    assert pace.end(left, done, now) == (None if expected is None else now + timedelta(seconds=expected))


def simulated(pages: list[float], lanes: int) -> list[float]:
    """Return when each page of a run is done, in order: whoever is free takes the next one."""
    free, done = [0.0] * lanes, []
    for seconds in pages:
        begin = heappop(free)
        done.append(begin + seconds)
        heappush(free, begin + seconds)
    return sorted(done)


@pytest.mark.parametrize(("count", "lanes", "often"), [(24, 1, 80), (24, 5, 80), (24, 8, 80), (8, 5, 80), (12, 5, 80), (4, 5, 60)])
async def test_half_way_the_end_is_told_within_a_quarter_for_models_of_unequal_speed(
    count: int, lanes: int, often: int, tmp_path: Path
) -> None:
    """The clock is simulated, pages take what chance gives them; 24 pages half-way go by the run itself, few by history.

    Four pages that are all in work at once end with the slowest of them, which no median knows.
    """
    chance = Random(20261125)
    speeds = {"quick": 2.0, "middle": 20.0, "slow": 75.0}

    def pages(model: str, number: int) -> list[float]:
        return [speeds[model] * chance.lognormvariate(0, 0.3) for _ in range(number)]

    store = await Store.open(tmp_path)
    record = PageRecord("old", "p", "P", "vendor", "", "c", (), "h", "1", "k", 0.0, "fresh", None, NOW)
    past = [replace(record, model=model, seconds=seconds) for model in speeds for seconds in pages(model, 60)]
    await store.save_progress([], pages=past)
    for model in speeds:
        median = await store.page_seconds("vendor", model)
        near = 0
        for _ in range(100):
            done = simulated(pages(model, count), lanes)
            pace = Pace(median, lanes)
            pace.begin(NOW)
            half = count // 2
            told = pace.end(count - half, half, NOW + timedelta(seconds=done[half - 1]))
            assert told is not None
            near += abs((told - NOW).total_seconds() / done[-1] - 1) < 0.25
        assert near >= often, f"{model}: {near} of 100"
    await store.close()


async def test_a_run_without_history_says_no_number_and_the_next_one_does(demo_repo: Path, tmp_path: Path) -> None:
    async with running(tmp_path, max_concurrent_pages=1) as manager:
        key = await start(manager, demo_repo, "pages=2,sleep=0.3")
        first = await until(manager, key, lambda row: row.current_stage is Stage.GENERATING_PAGES)
        assert first.eta_at is None
        await finished(manager, key)
        other = await start(manager, demo_repo, "pages=4,sleep=0.3")
        row = await until(manager, other, lambda row: row.current_stage is Stage.GENERATING_PAGES)
        assert row.eta_at is not None
        began = datetime.fromisoformat(row.stage_times["generating_pages"])
        assert 4 * 0.3 < (datetime.fromisoformat(row.eta_at) - began).total_seconds() < 60
        ended = await finished(manager, other)
        assert (ended.status, ended.eta_at) == (Status.READY, None)
