"""What a run with a limit does about calls of which nobody tells the cost: cut off, timed out, answered in silence."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from agents import Agents, ran, recorded_calls
from fake_chat_api import Asked, FakeChat, fake_chat
from recording import finished, running, start

from docsfy_jupyter.generation.spending import Budget, DailySpending
from docsfy_jupyter.models import Status
from docsfy_jupyter.money import cost_text
from docsfy_jupyter.providers.ai.openai import OpenAIProvider
from docsfy_jupyter.providers.ai.openai_server import OpenAIServer
from docsfy_jupyter.screen import screen


def test_a_call_that_was_cut_off_counts_as_the_dearest_before_it() -> None:
    day = DailySpending(None)
    budget = Budget(1.0, day)
    for cost in (0.1, 0.3, 0.2):
        budget.add(cost)
    budget.add(None, "refused")
    assert (budget.spent, budget.used_up) == (pytest.approx(0.6), False)
    budget.add(None, "cut off")
    assert (budget.spent, budget.used_up) == (pytest.approx(0.9), False)
    budget.add(None, "cut off")
    assert budget.used_up
    assert day.spent == pytest.approx(1.2)
    assert budget.stopped("2 of 9 pages").startswith(
        "Stopped at the cost limit: $1.20 spent of $1.00 ($0.60 of it is assumed for 2 calls that were cut off, each as the dearest "
        "one before), 2 of 9 pages left."
    )


def test_before_any_cost_is_known_a_call_that_was_cut_off_stops_a_run_with_a_limit_and_no_other() -> None:
    for limit, day_limit, name in ((1.0, None, "max_cost_usd"), (None, 5.0, "max_cost_usd_per_day")):
        budget = Budget(limit, DailySpending(day_limit))
        budget.add(None, "refused")
        assert not budget.used_up
        budget.add(None, "cut off")
        assert budget.used_up
        assert f"Stopped, since {name} cannot be kept: a call was cut off before any had told its cost" in budget.stopped("all")
    free = Budget(None)
    free.add(None, "cut off")
    free.add(None)
    assert not free.used_up


def test_small_amounts_are_not_rounded_away() -> None:
    budget = Budget(0.004)
    budget.add(0.0042)
    assert "$0.0042 spent of $0.004," in budget.stopped("all")
    nothing = Budget(None, DailySpending(0.0))
    assert "$0.00 spent today of $0.00" in nothing.stopped("all")


@pytest.mark.parametrize(
    ("cost", "untold", "text"),
    [(None, 0, ""), (0.0, 0, ""), (0.25, 0, "$0.25"), (0.25, 1, "at least $0.25"), (0.0, 2, "unknown"), (None, 1, "unknown")],
)
def test_a_sum_that_some_calls_are_missing_in_says_so(cost: float | None, untold: int, text: str) -> None:
    assert cost_text(cost, untold) == text


async def test_an_agent_that_is_killed_at_its_time_limit_counts(agents: Agents, demo_repo: Path, tmp_path: Path) -> None:
    agents.steer(pages=6, page_1={"sleep": 60}, page_2={"raw": "", "exit": 139})  # a quarter of a dollar a call
    async with running(tmp_path, max_concurrent_pages=1) as manager:
        row = await ran(manager, demo_repo, max_cost_usd=1.0, ai_cli_timeout=6 / 60)
        calls = await recorded_calls(manager, row)
    # the plan's quarter is known; page 1 and two tries of page 2 are assumed to have cost as much
    assert (row.status, row.page_count, row.run_cost_usd, row.untold_calls) == (Status.ERROR, 0, 0.25, 3)
    assert screen(row)["cost_text"] == "at least $0.25"
    assert agents.turns() == ["Page 1", "Page 2", "Page 2", "plan"]
    assert "$1.00 spent of $1.00 ($0.75 of it is assumed for 3 calls" in str(row.error_message)
    assert "4 of 6 pages left" in str(row.error_message)
    assert [page.slug for page in row.failed_pages] == ["page-1", "page-2"]
    assert [(call["cost_usd"], call["basis"]) for call in calls if call["outcome"] == "failed"] == [(None, "unknown")] * 3


@pytest.mark.parametrize(("run", "day"), [(0.7, None), (None, 0.7), (9.0, 0.7)])
async def test_pages_that_are_in_work_are_counted_before_another_one_begins(
    agents: Agents, demo_repo: Path, tmp_path: Path, run: float | None, day: float | None
) -> None:
    agents.steer(pages=6)  # a quarter of a dollar a call
    async with running(tmp_path, max_concurrent_pages=6, max_cost_usd_per_day=day) as manager:
        row = await ran(manager, demo_repo, max_cost_usd=run)
        assert (row.status, row.page_count, row.run_cost_usd) == (Status.ERROR, 2, 0.75)
        assert "4 of 6 pages left" in str(row.error_message)


async def test_a_plan_that_timed_out_is_not_paid_again_for_nothing(demo_repo: Path, tmp_path: Path) -> None:
    def slow(_: FakeChat, asked: Asked) -> Any:
        return time.sleep(4) if asked.planning else None

    with fake_chat() as chat:
        chat.answer = slow
        async with running(tmp_path) as manager:
            server = OpenAIServer(base_url=chat.url, prices={"m": (1.0, 1.0)})
            manager.providers._makers["chat"] = lambda: OpenAIProvider("chat", server)
            key = await start(manager, demo_repo, "m", "chat", max_cost_usd=5, ai_cli_timeout=0.5 / 60)
            row = await finished(manager, key)
    assert (row.status, row.error_message, row.run_cost_usd) == (Status.ERROR, "timed out after 0.5 s", None)
    assert (len(chat.asked), row.untold_calls, screen(row)["cost_text"]) == (1, 1, "unknown")
