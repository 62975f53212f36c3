"""What a run would take, said before it: from history, else from the repository's size; null where nobody can know."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from agents import Agents, ran
from recording import finished, running, start
from servers import commit, git

from docsfy_jupyter.errors import BadRequest, NameTaken
from docsfy_jupyter.generation.estimate import Work, estimate, pages_of
from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.models import Status, TrackedFile
from docsfy_jupyter.providers.ai.claude import ClaudeProvider
from docsfy_jupyter.providers.base import ProviderOptions
from docsfy_jupyter.providers.prices import Price, Prices
from docsfy_jupyter.requests import GenerateRequest
from docsfy_jupyter.screen import foreseen_text
from docsfy_jupyter.store.costs import CallAverages


async def asked(manager: Manager, repo: Path | str, provider: str = "claude", model: str = "m", **more: Any) -> dict[str, Any]:
    where = {"repo_path": str(repo)} if isinstance(repo, Path) else {"repo_url": repo}
    request = GenerateRequest.model_validate({**where, "ai_provider": provider, "ai_model": model, **more})
    return await manager.estimator.of(await manager.ready(), request, "me")


def some(found: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(found[name] for name in names)


async def test_before_the_first_run_it_is_rough_and_then_by_the_history_of_the_variant(
    agents: Agents, demo_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    agents.steer(pages=4)
    async with running(tmp_path, max_concurrent_pages=2) as manager:
        first = await asked(manager, demo_repo)
        assert some(first, "basis", "pages", "calls", "branch", "free", "cost_usd", "seconds") == (
            "rough", pages_of_repo(demo_repo), pages_of_repo(demo_repo) + 1, "main", False, None, None,
        )  # fmt: skip
        assert first["tokens"] == first["tokens_in"] + first["tokens_out"] > 0
        assert "Guessed from the" in first["note"]
        assert agents.calls() == []
        row = await ran(manager, demo_repo)
        assert (row.status, row.run_cost_usd) == (Status.READY, 1.25)

        same = await asked(manager, demo_repo)
        assert some(same, "basis", "pages", "calls", "cost_usd", "last_pages", "last_cost_usd") == ("variant", 0, 0, 0.0, 4, 1.25)
        assert "Nothing has changed" in same["note"]
        anew = await asked(manager, demo_repo, force=True)
        assert some(anew, "basis", "pages", "calls", "at_most", "tokens_in", "tokens_out") == (
            "variant", 4, 5, False, 5 * 310, 5 * 40,
        )  # fmt: skip
        assert some(anew, "cost_usd", "page_cost_usd", "cost_basis") == (pytest.approx(1.25), pytest.approx(0.25), "billed")
        assert 0 < anew["seconds"] < 60
        commit(demo_repo, {"more.md": "# More"})
        moved = await asked(manager, demo_repo)
        assert some(moved, "pages", "calls", "at_most", "cost_usd") == (4, 5, True, pytest.approx(1.25))

        # another variant of the repository knows how many pages; another model has no history of its own
        other = await asked(manager, demo_repo, model="n")
        assert some(other, "basis", "pages", "cost_usd", "last_pages") == ("rough", 4, None, None)
        # another repository with the same provider and model
        again = await asked(manager, demo_repo, name="again")
        assert some(again, "basis", "pages", "cost_usd") == ("model", 4, pytest.approx(1.25))


def pages_of_repo(repo: Path) -> int:
    return pages_of([TrackedFile(path, "", "100644", 1) for path in git(repo, "ls-files").split()])


async def test_a_resume_is_estimated_by_what_is_missing(agents: Agents, demo_repo: Path, tmp_path: Path) -> None:
    agents.steer(pages=6)
    async with running(tmp_path, max_concurrent_pages=1) as manager:
        row = await ran(manager, demo_repo, max_cost_usd=1.0)
        assert (row.status, row.page_count) == (Status.ERROR, 3)
        found = await asked(manager, demo_repo)
        assert some(found, "pages", "calls", "at_most", "basis") == (3, 3, False, "variant")
        assert found["cost_usd"] == pytest.approx(0.75)
        assert found["cost_basis"] == "notional"
        assert found["note"] == "3 of 6 pages are missing; the others are kept."
        commit(demo_repo, {".docsfy.yaml": "x: ["})
        row = await ran(manager, demo_repo)
        assert (row.status, row.page_count) == (Status.ERROR, 0)
        uncounted = await asked(manager, demo_repo)  # the three pages are there all the same
        assert some(uncounted, "pages", "at_most", "note") == (
            6, True, "The last run did not come to its pages; those that there are stay.",
        )  # fmt: skip


async def test_what_is_free_costs_nothing_and_has_no_time_before_it_has_a_history(demo_repo: Path, tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        before = await asked(manager, demo_repo, "local", "static")
        assert some(before, "cost_usd", "free", "seconds", "tokens", "cost_basis") == (0.0, True, None, None, "free")
        await finished(manager, await start(manager, demo_repo, "static", "local"))
        after = await asked(manager, demo_repo, "local", "static", force=True)
    assert some(after, "basis", "cost_usd", "free") == ("variant", 0.0, True)
    assert after["seconds"] > 0


async def test_a_remote_repository_is_not_asked_and_what_cannot_be_known_is_null(
    agents: Agents, demo_repo: Path, tmp_path: Path
) -> None:
    async with running(tmp_path) as manager:
        found = await asked(manager, "https://nowhere.invalid/owner/far.git")
        nothing = ("branch", "pages", "calls", "tokens", "cost_usd", "page_cost_usd", "seconds", "basis")
        assert some(found, *nothing) == (None,) * len(nothing)
        assert "cloned once" in found["note"]
        await ran(manager, demo_repo)
        later = await asked(manager, "https://nowhere.invalid/owner/far.git", branch="dev")
    assert some(later, "name", "branch", "pages", "cost_usd", "page_cost_usd") == ("far", "dev", None, None, pytest.approx(0.25))
    assert "own calls" in later["note"]


async def test_a_run_that_could_not_start_is_estimated_all_the_same_and_says_why(
    demo_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no claude is there
    async with running(tmp_path / "data") as manager:
        missing = await asked(manager, "https://host.invalid/a/b")
        other = await asked(manager, "https://host.invalid/a/b", "local", "typo")
        fine = await asked(manager, "https://host.invalid/a/b", "local", "static")
    assert missing["unavailable"].startswith("claude not found on the server's PATH. Install it")
    assert missing["unavailable"].endswith(f"PATH of the server: {tmp_path}")
    assert missing["text"].startswith("A run would not start now: claude not found on the server's PATH. Install it with ")
    assert missing["text"].endswith(f", or set ANTHROPIC_API_KEY. If it could: cost unknown. {missing['note']}")
    assert other["unavailable"] == "The local provider has no model 'typo'; its only model is 'static'."
    assert some(fine, "unavailable", "text") == (None, f"Free. {fine['note']}")


async def test_a_run_keeps_the_estimate_that_was_asked_for_it_and_is_compared_with_it(
    agents: Agents, demo_repo: Path, tmp_path: Path
) -> None:
    agents.steer(pages=4)
    async with running(tmp_path) as manager:
        unasked = await ran(manager, demo_repo)
        assert (unasked.status, unasked.foreseen, foreseen_text(unasked)) == (Status.READY, None, "")
        found = await asked(manager, demo_repo, force=True)
        await asked(manager, demo_repo, name="other")
        plain = await ran(manager, demo_repo)  # not forced: not what was asked about
        assert (plain.foreseen["asked"], foreseen_text(plain)) == (False, "")
        forced = await ran(manager, demo_repo, force=True)
        kept = ("pages", "calls", "tokens", "cost_usd", "seconds", "at_most", "basis")
        assert forced.foreseen == {**{name: found[name] for name in kept}, "asked": True}
        assert re.fullmatch(r"\$1\.25 and \d+ s, took \$1\.25 and \d+ s", foreseen_text(forced))
        again = await ran(manager, demo_repo, force=True)  # one estimate, one run
        assert (again.foreseen["asked"], foreseen_text(again)) == (False, "")
        runs, _ = await (await manager.ready()).list_runs({}, 9, 0)
        columns = [f"estimated_{name}" for name in ("pages", "calls", "tokens", "cost_usd")] + ["estimate_at_most", "estimate_basis"]
        assert [some(run, *columns) for run in reversed(runs)] == [
            (None,) * 6,
            (4, 5, 5 * 350, pytest.approx(1.25), True, "variant"),
            (4, 5, 5 * 350, pytest.approx(1.25), False, "variant"),
            (4, 5, 5 * 350, pytest.approx(1.25), False, "variant"),
        ]
        assert some(runs[1], "estimated_seconds", "cost_usd") == (found["seconds"], 1.25)


async def test_only_a_run_that_may_pay_again_has_a_question(agents: Agents, demo_repo: Path, tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        asks = {force: (await asked(manager, demo_repo, force=force))["question"] for force in (False, True)}
        free = await asked(manager, demo_repo, "local", "static", force=True)
    assert (asks[False], free["question"]) == (None, None)
    assert asks[True].startswith("Write all ")


async def test_an_estimate_refuses_what_a_start_refuses(demo_repo: Path, tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        for more, says in (
            ({"branch": "no-such"}, "branch no-such not found in .* Its branches: main"),
            ({"provider": "none"}, "no provider"),
            ({"branch": "-x"}, "branch"),
        ):
            with pytest.raises(BadRequest, match=says):
                await asked(manager, demo_repo, **more)
        with pytest.raises(BadRequest):
            await asked(manager, tmp_path / "nowhere")
        assert list(manager.feed.rows()) == []
        await finished(manager, await start(manager, demo_repo, "static", "local"))
        # another repository of that name has none of its history
        with pytest.raises(NameTaken, match=r"'demo' is taken by .* Pass another name"):
            await asked(manager, "https://host.invalid/other/demo.git", "local", "static")


def test_failed_calls_count_and_a_price_of_today_prices_tokens_of_yesterday() -> None:
    provider = ClaudeProvider()
    provider.options = ProviderOptions(prices=Prices(users={"claude": {"m": Price(10.0, 100.0)}}))
    page = CallAverages(
        answers=10, calls=15, tokens_in=1000, tokens_out=100, tokens_cached=0, cost_usd=None, seconds=8, basis="unknown"
    )
    found = estimate(provider, "m", Work(5, plan=False), {"page": page}, "variant", lanes=2)
    assert (found.pages, found.calls, found.tokens_in, found.cost_usd) == (5, 8, 5000, pytest.approx(5 * 0.02))
    assert found.seconds == 8 * 3  # two at once: two, two, one
    assert found.cost_basis == "notional"


def test_a_repository_gets_more_pages_the_larger_it_is_within_what_a_plan_may_have() -> None:
    file = TrackedFile("a", "", "100644", 1)
    assert [pages_of([file] * number) for number in (0, 4, 100, 1000, 10**5)] == [3, 5, 13, 35, 40]
