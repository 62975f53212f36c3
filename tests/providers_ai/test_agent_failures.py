"""What the agents' failures mean: tried again, waited for, or the end of the run at once; always in the provider's own words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from agents import Agents, ran, recorded_calls
from recording import running

from docsfy_jupyter.errors import ProviderFailed
from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.models import Plan, PlanGroup, PlanPage, Status
from docsfy_jupyter.providers.ai.agent_cli import AgentCliProvider
from docsfy_jupyter.providers.ai.claude import ClaudeProvider
from docsfy_jupyter.providers.ai.cursor import CursorProvider
from docsfy_jupyter.providers.ai.gemini import GeminiProvider
from docsfy_jupyter.providers.base import RunContext

LIMIT = "You've hit your limit · resets 3:20pm"
HOPELESS = [
    ("claude", {"error": LIMIT, "status": 429}, LIMIT),
    ("claude", {"say": LIMIT}, LIMIT),
    ("claude", {"raw": "Invalid API key · Please run /login\n", "exit": 1}, "Invalid API key"),
    ("claude", {"raw": "Invalid API key · Please run /login\n"}, "Invalid API key"),
    (
        "claude",
        {"error": "Failed to authenticate. API Error: 401 bad", "status": 401},
        "Failed to authenticate. API Error: 401 bad",
    ),
    ("claude", {"error": "Your account has no access", "status": 403}, "Your account has no access"),
    ("claude", {"raw": "", "stderr": "error: unknown option '--tools'", "exit": 1}, "too old"),
    ("gemini", {"error": "Invalid auth method selected.", "status": 41}, "Invalid auth method selected."),
    ("gemini", {"error": '{"error": {"code": 401, "message": "denied", "status": "UNAUTHENTICATED"}}'}, "denied"),
    (
        "gemini",
        {"error": '[{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}]'},
        "API key not valid",
    ),
    (
        "cursor",
        {"raw": "", "stderr": "Error: Authentication required. Please run 'agent login' first", "exit": 1},
        "Authentication required",
    ),
]


PASSING = [
    (
        "claude",
        {"error": "API Error: Request rejected (429) · slow down", "status": 429},
        "API Error: Request rejected (429) · slow down",
    ),
    ("claude", {"error": "API Error: 529 overloaded", "status": 529}, "API Error: 529 overloaded"),
    ("claude", {"say": ""}, "the answer is empty"),
    ("claude", {"raw": "Segmentation fault", "exit": 139}, "exit code 139: Segmentation fault"),
    ("claude", {"raw": ""}, "claude printed no answer"),
    ("gemini", {"error": '{"error": {"code": 429, "message": "Resource exhausted"}}', "status": 429}, "Resource exhausted"),
    ("cursor", {"raw": '{"type": "resu'}, 'cursor printed no answer: {"type": "resu'),
]


async def said(provider: AgentCliProvider, act: dict[str, Any], agents: Agents, processes: Processes) -> ProviderFailed | str:
    """Ask for one page, without a manager around."""
    agents.steer(every=act)
    page = PlanPage(slug="page-1", title="Page 1")
    plan = Plan(project_name="demo", navigation=[PlanGroup(group="All", pages=[page])])
    context = RunContext("id", "demo", "m", agents.folder, "0" * 40, "/demo", (), 60.0, processes, lambda *_, **__: None)
    async with provider.open(context) as session:
        try:
            return (await session.write_page(plan, page)).markdown
        except ProviderFailed as error:
            return error


@pytest.mark.case("L06")
async def test_what_a_failure_means(agents: Agents, processes: Processes) -> None:
    providers = {provider.name: provider for provider in (ClaudeProvider(), GeminiProvider(), CursorProvider())}
    for rows, kind in ((HOPELESS, (False, True)), (PASSING, (True, False))):
        for name, act, sentence in rows:
            failed = await said(providers[name], act, agents, processes)
            assert isinstance(failed, ProviderFailed), (act, failed)
            assert (failed.transient, failed.fatal) == kind, act
            assert sentence in failed.message
    failed = await said(
        providers["claude"], {"error": "API Error: 400 no such model", "status": 400, "cost": 0.5}, agents, processes
    )
    assert isinstance(failed, ProviderFailed)
    assert (failed.transient, failed.fatal, failed.details["usage"].cost_usd) == (False, False, 0.5)


async def test_junk_around_an_envelope_and_a_list_of_messages(agents: Agents, processes: Processes) -> None:
    warnings = "(node:1) Warning: {odd\n{odder\n" * 50
    junk = {"raw": warnings + '{"result": "# A\\n\\nText.", "is_error": false}\n'}
    assert await said(ClaudeProvider(), junk, agents, processes) == "# A\n\nText.\n"
    assert await said(ClaudeProvider(), {"verbose": True}, agents, processes) == "# Page 1\n\nText of Page 1.\n"
    assert await said(GeminiProvider(), {"flood": 9000}, agents, processes) == "# Page 1\n\nText of Page 1.\n"


@pytest.mark.case("L06")
async def test_a_hard_limit_stops_the_run_at_once_and_what_passes_is_tried_again(
    agents: Agents, demo_repo: Path, tmp_path: Path
) -> None:
    passing = {"raw": "", "stderr": "socket hang up", "exit": 1}
    agents.steer(pages=5, page_2=[passing, passing, {}], page_3={"error": LIMIT, "status": 429})
    async with running(tmp_path, max_concurrent_pages=1) as manager:
        row = await ran(manager, demo_repo)
        assert (row.status, row.page_count, row.error_message) == (Status.ERROR, 2, LIMIT)
        assert agents.turns() == ["Page 1", "Page 2", "Page 2", "Page 2", "Page 3", "plan"]
        agents.steer(pages=5)
        assert (await ran(manager, demo_repo)).page_count == 5
        assert agents.turns() == ["Page 3", "Page 4", "Page 5"]


async def test_a_busy_vendor_is_waited_for_by_all_calls_and_no_page_fails(
    agents: Agents, demo_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AgentCliProvider, "first_pause", 0.5)
    busy = {"error": "API Error: Request rejected (429)", "status": 429, "cost": 0.25}
    repeated = {"error": "API Error: Repeated 529 Overloaded errors.", "status": None, "cost": 0.25}
    agents.steer(pages=3, page_2=[busy, repeated, {}])
    async with running(tmp_path) as manager:
        row = await ran(manager, demo_repo)
        assert (row.status, row.error_message, row.page_count) == (Status.READY, None, 3)
        assert row.run_cost_usd == pytest.approx(6 * 0.25)
        assert len(await recorded_calls(manager, row)) == 4
        events = await (await manager.ready()).list_events(row.generation_id, 0, 100)
    begun = [call["at"] for call in agents.calls() if call["turn"] == "Page 2"]
    assert begun[1] - begun[0] > 0.5
    assert begun[2] - begun[1] > 1
    assert [event["text"] for event in events if event["kind"] == "provider_pause"] == [
        "claude: API Error: Request rejected (429); all calls wait 0 s",
        "claude: API Error: Repeated 529 Overloaded errors.; all calls wait 1 s",
    ]


async def test_a_plan_is_tried_again_too(agents: Agents, demo_repo: Path, tmp_path: Path) -> None:
    torn = {"error": "API Error: connection reset", "cost": 0.25}
    agents.steer(pages=1, plan=[torn, torn, {}])
    async with running(tmp_path) as manager:
        row = await ran(manager, demo_repo, max_cost_usd=1.5)
        assert (row.status, row.run_cost_usd) == (Status.READY, pytest.approx(4 * 0.25))
        assert agents.turns() == ["Page 1", "plan", "plan", "plan"]


async def test_a_limit_in_place_of_a_plan_is_told(agents: Agents, demo_repo: Path, tmp_path: Path) -> None:
    agents.steer(plan={"say": LIMIT})
    async with running(tmp_path) as manager:
        row = await ran(manager, demo_repo)
        assert (row.status, row.error_message, agents.turns()) == (Status.ERROR, LIMIT, ["plan"])
