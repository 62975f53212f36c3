"""``max_cost_usd_per_day``: what the calls of all runs of a UTC day may cost together."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from agents import Agents, ran
from recording import finished, running, start, until

from docsfy_jupyter.errors import BadRequest
from docsfy_jupyter.generation import spending
from docsfy_jupyter.generation.spending import Budget, DailySpending
from docsfy_jupyter.models import Stage, Status, utc_now


class Spent:
    """A ledger that knows one sum and counts who asks."""

    def __init__(self, sum_: float) -> None:
        self.sum, self.asked = sum_, 0

    async def spent_since(self, time: datetime) -> float:
        self.asked += 1
        await asyncio.sleep(0)
        assert (time.hour, time.utcoffset()) == (0, timedelta(0))
        return self.sum


async def test_the_ledger_is_asked_once_and_calls_are_added_to_it() -> None:
    day, ledger = DailySpending(1.0), Spent(0.5)
    await asyncio.gather(day.check(ledger), day.check(ledger))
    Budget(None, day).add(0.25)
    await day.check(ledger)
    assert (day.spent, ledger.asked) == (0.75, 1)
    Budget(9.0, day).add(0.25)
    with pytest.raises(BadRequest, match=r"\$1\.00 spent today of \$1\.00 \(max_cost_usd_per_day"):
        await day.check(ledger)


async def test_a_new_day_begins_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    day = DailySpending(1.0)
    await day.check(Spent(0.9))
    budget = Budget(None, day)
    budget.add(0.2)
    assert budget.used_up
    tomorrow = utc_now() + timedelta(days=1)
    monkeypatch.setattr(spending, "utc_now", lambda: tomorrow)
    assert not budget.used_up
    budget.add(0.2)
    assert day.spent == 0.2


async def test_near_the_limit_the_pages_in_work_of_all_runs_count(agents: Agents, demo_repo: Path, tmp_path: Path) -> None:
    agents.steer(pages=6, **{f"page_{number}": {"sleep": 1.0} for number in range(1, 7)})  # a quarter of a dollar a call
    async with running(tmp_path, max_cost_usd_per_day=1.5, max_concurrent_pages=4) as manager:
        keys = [await start(manager, demo_repo, model, "claude") for model in "mno"]
        rows = [await finished(manager, key) for key in keys]
    assert {row.status for row in rows} == {Status.ERROR}
    # the other two may have asked for a plan, whose price nobody knows yet, and have begun a first page when the last of it goes
    assert sum(row.run_cost_usd or 0.0 for row in rows) <= 1.5 + 2 * 2 * 0.25


async def test_a_limit_of_nothing_lets_only_what_is_free_start(agents: Agents, demo_repo: Path, tmp_path: Path) -> None:
    async with running(tmp_path, max_cost_usd_per_day=0.0) as manager:
        with pytest.raises(BadRequest, match="No run that costs can start"):
            await start(manager, demo_repo, "m", "claude")
        row = await finished(manager, await start(manager, demo_repo, "static", "local"))
    assert (row.status, row.run_cost_usd) == (Status.READY, 0.0)


async def test_no_page_begins_beyond_the_day_and_another_day_finishes_the_run(
    agents: Agents, demo_repo: Path, tmp_path: Path
) -> None:
    agents.steer(pages=6)  # a quarter of a dollar a call
    async with running(tmp_path, max_cost_usd_per_day=1.0, max_concurrent_pages=1) as manager:
        row = await ran(manager, demo_repo)
        assert (row.status, row.page_count, row.run_cost_usd) == (Status.ERROR, 3, 1.0)
        assert str(row.error_message).startswith("Stopped at the day's cost limit: $1.00 spent today of $1.00")
        assert "3 of 6 pages left" in str(row.error_message)
        assert len(agents.turns()) == 4
        with pytest.raises(BadRequest, match="max_cost_usd_per_day"):
            await start(manager, demo_repo)
        assert manager.find(row.key) == row
    # a restart forgets nothing of it
    async with running(tmp_path, max_cost_usd_per_day=1.0) as manager:
        with pytest.raises(BadRequest, match=r"\$1\.00 spent today"):
            await start(manager, demo_repo, "m", "claude")
        assert [found.key for found in manager.feed.rows()] == [row.key]
        with pytest.raises(BadRequest, match=r"max_cost_usd_per_day cannot be kept: what gemini/m costs is not known"):
            await start(manager, demo_repo, "m", "gemini")
    async with running(tmp_path, max_cost_usd_per_day=10.0) as manager:
        row = await ran(manager, demo_repo)
        assert (row.status, row.page_count, row.total_cost_usd) == (Status.READY, 6, 1.75)
    assert agents.turns() == ["Page 4", "Page 5", "Page 6"]


async def test_a_run_that_waited_while_others_spent_the_day_makes_no_call(
    agents: Agents, demo_repo: Path, tmp_path: Path
) -> None:
    agents.steer(pages=3, plan={"sleep": 1.0})
    async with running(tmp_path, max_cost_usd_per_day=1.0, max_concurrent_generations=1) as manager:
        first = await start(manager, demo_repo, "m", "claude")
        second = await start(manager, demo_repo, "n", "claude")
        await until(manager, second, lambda row: row.current_stage is Stage.QUEUED)
        assert (await finished(manager, first)).status is Status.READY
        row = await finished(manager, second)
    assert (row.status, row.run_cost_usd) == (Status.ERROR, 0.0)
    assert "the plan and all pages left" in str(row.error_message)
    assert len(agents.turns()) == 4


async def test_a_forced_run_that_waited_while_others_spent_the_day_loses_no_page(
    agents: Agents, demo_repo: Path, tmp_path: Path
) -> None:
    agents.steer(pages=3)
    async with running(tmp_path, max_cost_usd_per_day=2.0, max_concurrent_generations=1) as manager:
        paid = await ran(manager, demo_repo, model="n")
        assert (paid.status, paid.run_cost_usd) == (Status.READY, 1.0)
        agents.steer(pages=3, plan={"sleep": 1.0})
        first = await start(manager, demo_repo, "m", "claude")
        second = await start(manager, demo_repo, "n", "claude", force=True)
        await until(manager, second, lambda row: row.current_stage is Stage.QUEUED)
        await finished(manager, first)
        row = await finished(manager, second)
        assert (row.status, row.run_cost_usd) == (Status.ERROR, 0.0)
    async with running(tmp_path) as manager:
        row = await ran(manager, demo_repo, model="n")
    assert (row.status, row.current_stage, row.page_count) == (Status.READY, Stage.UP_TO_DATE, 3)
