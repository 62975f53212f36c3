"""``jupyter docsfy estimate``, and the question before ``generate --force`` pays for everything again."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from panel_states import variant
from servers import Server

from docsfy_jupyter.cli import main
from docsfy_jupyter.cli.commands import status
from docsfy_jupyter.cli.output import run_line
from docsfy_jupyter.models import Status
from docsfy_jupyter.money import compared, dollars, estimate_text, figures, force_question, lasting

Run = Callable[..., tuple[int, str, str]]
FOUND = {
    "name": "demo", "ai_provider": "claude", "ai_model": "sonnet", "pages": 12, "calls": 13, "at_most": False, "tokens": 4500,
    "tokens_in": 4000, "tokens_out": 500, "cost_usd": 1.25, "page_cost_usd": 0.1, "cost_basis": "billed", "seconds": 240.0,
    "basis": "variant", "free": False, "note": "All anew.", "last_pages": 12, "last_cost_usd": 1.3,
    "unavailable": None,
}  # fmt: skip
NOTHING = dict.fromkeys(("pages", "calls", "tokens", "cost_usd", "page_cost_usd", "cost_basis", "seconds", "basis"))


class Typed(io.StringIO):
    """What somebody types at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(shared_server: Server, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*args: str) -> tuple[int, str, str]:
        code = main([args[0], "--url", shared_server.url, "--token", shared_server.token, *args[1:]])
        return code, *capsys.readouterr()

    return command


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "nothing"), (0.00001, "less than $0.0001"), (0.0042, "$0.0042"), (0.05, "$0.05"), (0.1, "$0.10"), (12.345, "$12.35")],
)
def test_amounts_have_cents_or_two_figures(amount: float, text: str) -> None:
    assert dollars(amount) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (99, "99 s"), (100, "2 min"), (5900, "98 min"), (7500, "2 h 5 min")])
def test_times_are_as_exact_as_an_estimate_can_be(seconds: float, text: str) -> None:
    assert lasting(seconds) == text


def test_an_estimate_is_a_sentence_and_what_is_unknown_is_called_so() -> None:
    assert estimate_text(FOUND) == "12 pages, $1.25, about 4 min; by its own history. All anew."
    notional = {**FOUND, "at_most": True, "cost_basis": "notional", "basis": "model", "pages": 1}
    assert estimate_text(notional) == (
        "At most 1 page, at most $1.25 as a subscription counts it, at most 4 min; by what this server did with the same provider "
        "and model. All anew."
    )
    free = {**FOUND, "cost_usd": 0.0, "cost_basis": "free", "free": True, "basis": "rough", "seconds": None}
    assert estimate_text(free) == "12 pages, free; a rough guess. All anew."
    assert estimate_text({**FOUND, **NOTHING}) == "Cost unknown. All anew."
    assert estimate_text({**FOUND, **NOTHING, "page_cost_usd": 0.1}) == "$0.10 a page. All anew."
    assert estimate_text({**FOUND, "unavailable": "No key. Set one."}) == (
        "A run would not start now: No key. Set one. If it could: 12 pages, $1.25, about 4 min; by its own history. All anew."
    )
    nothing = figures({**FOUND, "pages": 0, "calls": 0, "seconds": None, "cost_usd": 0.0})
    assert (nothing["pages"], nothing["cost"], nothing["time"]) == ("0", "nothing", "that of a clone")
    assert set(figures({**FOUND, **NOTHING}).values()) == {"unknown", "nothing is known yet"}


@pytest.mark.parametrize(
    ("foreseen", "cost", "seconds", "text"),
    [
        ({}, "$1.30", 290.0, "$1.25 and 4 min, took $1.30 and 5 min"),
        ({"at_most": True}, "at least $0.30", 20.0, "at most $1.25 and 4 min, took at least $0.30 and 20 s"),
        ({"seconds": None}, "", 20.0, "$1.25, took nothing"),
        ({}, "unknown", 290.0, "4 min, took 5 min"),
        ({"cost_usd": 0.0}, "", None, ""),
    ],
)
def test_an_estimate_is_compared_with_what_came_of_it(
    foreseen: dict[str, float | bool | None], cost: str, seconds: float | None, text: str
) -> None:
    assert compared({**FOUND, **foreseen}, cost, seconds) == text


def test_the_question_names_pages_and_the_last_price() -> None:
    asked = "of demo anew with claude/sonnet, and pay for them?"
    assert force_question(FOUND) == f"Write all 12 pages {asked} The last time 12 cost $1.30."
    never = {**FOUND, "last_cost_usd": None}
    assert force_question({**never, "pages": 1}) == f"Write the one page {asked} That costs about $1.25."
    assert force_question({**never, **NOTHING}) == f"Write all pages {asked} What that costs is not known."


def test_an_estimate_is_printed_for_people_and_for_programs(run: Run, shared_repo: Path) -> None:
    code, out, err = run("estimate", str(shared_repo), "--name", "guessed")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "guessed · local/static · main"
    assert "  Cost    free" in lines
    assert "  Tokens  not counted" in lines
    assert "No price of" not in out
    code, out, err = run("estimate", str(shared_repo), "--provider", "fake", "--model", "m", "--name", "guessed")
    assert "No price of fake/m is known yet:" in out.splitlines()[-1]
    code, out, err = run("estimate", "https://host.invalid/a/far", "--json", "--provider", "fake", "--model", "m")
    assert (code, err) == (0, "")
    assert json.loads(out)["pages"] is None
    assert run("estimate", str(shared_repo), "--provider", "none")[0] == 2
    code, out, err = run("estimate", str(shared_repo), "--model", "typo", "--name", "guessed")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == "A run would not start now: The local provider has no model 'typo'; its only model is 'static'."
    assert "  Cost    free" in lines


def test_force_asks_before_it_pays_again(run: Run, shared_repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again = ("generate", str(shared_repo), "--provider", "fake", "--model", "pages=2", "--name", "paid", "--force")
    asked = "Write all 2 pages of paid anew with fake/pages=2, and pay for them? What that costs is not known."
    assert run(*again, "--yes")[0] == 0
    code, out, err = run(*again)
    assert (code, out) == (2, "")
    assert err.strip() == f"Error: Nothing was started, since nobody can be asked here: {asked} Pass --yes if so."
    monkeypatch.setattr("sys.stdin", Typed("n\n"))
    code, out, err = run(*again)
    assert (code, out) == (2, "")
    assert err.startswith(f"{asked} [y/N] ")
    assert "Nothing was started." in err
    monkeypatch.setattr("sys.stdin", Typed("y\n"))
    code, out, err = run(*again)
    assert (code, err.splitlines()[-1]) == (0, "✓ Documentation ready!")
    listed = [one for one in json.loads(run("runs", "--json")[1])["runs"] if one["name"] == "paid"]
    assert next((one["estimated_pages"], one["pages_fresh"]) for one in listed) == (2, 2)


def test_force_with_what_is_free_does_not_ask(run: Run, shared_repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Typed(""))
    assert run("generate", str(shared_repo), "--name", "unasked", "--force")[0] == 0


@pytest.mark.parametrize(
    ("cost", "foreseen", "most", "words"),
    [(1.3, 1.25, False, "$1.30 (estimated $1.25)"), (1.3, 2.5, True, "$1.30 (estimated at most $2.50)"), (1.3, None, None, "$1.30"),
     (0.0, 1.25, True, ""), (None, 1.25, False, "cost unknown")],
)  # fmt: skip
def test_a_line_of_a_run_has_its_cost_and_what_was_foreseen(
    cost: float | None, foreseen: float | None, most: bool | None, words: str
) -> None:
    times = {"started_at": "2026-11-25T08:00:00+00:00", "ended_at": "2026-11-25T08:00:09+00:00", "started_by": "me"}
    run = {**FOUND, **times, "branch": "main", "ai_model": "sonnet", "outcome": "ready", "error_message": None, "cost_usd": cost}
    line = run_line({**run, "estimated_cost_usd": foreseen, "estimate_at_most": most})
    assert line.partition("by me")[2].strip() == words


@pytest.mark.parametrize(
    ("cost", "total", "line"), [(0.25, 1.5, "Cost: $0.25; of all its runs: $1.50"), (0.0, 1.5, None), (None, None, None)]
)
def test_what_a_run_has_cost_is_told_where_it_is_known_and_not_nothing(
    capsys: pytest.CaptureFixture[str], cost: float | None, total: float | None, line: str | None
) -> None:
    row = variant(Status.READY, run_cost_usd=cost, total_cost_usd=total)
    client = SimpleNamespace(get=lambda *_, **__: row, url="http://h/docsfy/")
    options = SimpleNamespace(name="demo", provider=None, model=None, branch=None, json=False, output=None, private=None)
    assert status(client, options) == 0  # type: ignore[arg-type]
    assert [found for found in capsys.readouterr().out.splitlines() if "Cost" in found] == ([line] if line else [])
