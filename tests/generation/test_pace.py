"""When the pages of a run should be done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from recording import finished, running, start, until

from docsfy_jupyter.generation.pace import Pace
from docsfy_jupyter.models import Stage, Status

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
