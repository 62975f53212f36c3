"""Every row of the contract's tables of progress and activity log: as the pure functions say it, and as the browser shows it."""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from panel_states import ABC, CASES, NOW, Case, answer
from panels import StatusPage
from playwright.sync_api import expect

from docsfy_jupyter.cli.output import checks_of, run_line
from docsfy_jupyter.errors import NotFound
from docsfy_jupyter.models import Finding, Variant, VariantKey
from docsfy_jupyter.progress import describe
from docsfy_jupyter.screen import html_form, local_time, plain_form
from docsfy_jupyter.widgets.seen import Seen


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_row_is_described_as_the_contract_says(case: Case) -> None:
    progress = describe(case.row)
    assert (progress.label, progress.percent, progress.text) == (case.label, case.percent, case.text)
    assert tuple((entry.kind, entry.text) for entry in progress.log) == case.log


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_screen_says_the_same(case: Case) -> None:
    shown = answer(case.row)
    assert (shown["label"], shown["percent"], shown["text"]) == (case.label, case.percent, case.text)
    assert [(entry["kind"], entry["text"]) for entry in shown["log"]] == list(case.log)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("queued", ["Abort"]),
        ("rendering", ["Abort"]),
        ("ready", ["View documentation", "Download", "Regenerate", "Delete…"]),
        ("failed pages", ["Retry 1 failed page", "Regenerate", "Delete…"]),
        ("aborted pages", ["Continue (2 pages left)", "View last documentation", "Download", "Regenerate", "Delete…"]),
        ("failed cloning", ["Regenerate", "Delete…"]),
    ],
)
def test_what_can_be_done_follows_the_status(name: str, wanted: list[str]) -> None:
    assert [action["label"] for action in answer(CASES[name].row)["actions"]] == wanted


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("failed cloning", {}, "It has no pages and no site."),
        ("failed cloning", {"total_cost_usd": 0.0, "site": True, "plan_json": ABC}, "Its pages and its site are lost."),
        ("failed pages", {"total_cost_usd": 2.5}, "Its pages are lost, and with them what its runs cost ($2.50)."),
        ("ready", {"total_cost_usd": 0.2, "untold_calls": 1}, "Its pages and its site are lost, and with them what its runs cost (at least $0.20)."),
        ("ready", {"untold_calls": 2}, "Its pages and its site are lost, and with them what its runs cost (unknown)."),
    ],
)  # fmt: skip
def test_who_deletes_is_told_what_is_lost_and_what_stays(name: str, changes: dict[str, Any], told: str) -> None:
    question = answer(CASES[name].row.changed(**changes))["delete_question"]
    assert question == f"Delete demo/main/local/static? {told} The history of its runs stays."


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_text_form_begins_alike_and_ends_with_its_time(case: Case) -> None:
    row: Variant = case.row
    begins = f"demo · local/static · {row.status.value} · {case.text}"
    moment = datetime.fromisoformat(NOW)
    assert plain_form(row, moment).startswith(begins)
    assert re.search(r" · as of 2026-11-25 \d\d:\d2 UTC([+-]\d\d:\d\d)?$", plain_form(row, moment))
    text = re.sub(r"<[^>]*>", "", html_form(row, moment, "p"))
    assert text.startswith(begins)
    assert re.search(r"as of 2026-11-25 \d\d:\d2 UTC([+-]\d\d:\d\d)?$", text)


@pytest.fixture
def enter_zone() -> Iterator[Callable[[str], None]]:
    """Put this process into a time zone until the test is over."""
    with pytest.MonkeyPatch.context() as patch:

        def enter(zone: str) -> None:
            patch.setenv("TZ", zone)
            time.tzset()

        yield enter
    time.tzset()


@pytest.mark.parametrize(
    ("zone", "minutes", "seconds"),
    [
        ("UTC0", "2026-11-25 10:42 UTC", "2026-11-25 10:42:00 UTC"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-11-25 11:42 UTC+01:00", "2026-11-25 11:42:00 UTC+01:00"),
        ("IST-5:30", "2026-11-25 16:12 UTC+05:30", "2026-11-25 16:12:00 UTC+05:30"),
        ("NST3:30", "2026-11-25 07:12 UTC-03:30", "2026-11-25 07:12:00 UTC-03:30"),
    ],
)
def test_a_time_is_local_and_says_its_zone(zone: str, minutes: str, seconds: str, enter_zone: Callable[[str], None]) -> None:
    enter_zone(zone)
    moment = datetime.fromisoformat(NOW)
    assert (local_time(moment), local_time(moment, "seconds")) == (minutes, seconds)
    run = {"ended_at": NOW, "outcome": "ready", "name": "a", "branch": "b", "ai_provider": "c", "ai_model": "d", "started_by": "e"}
    assert run_line({**run, "started_at": NOW, "cost_usd": None, "error_message": None}).startswith(f"{seconds}  ready")


def test_the_text_forms_list_what_was_not_found() -> None:
    finding = Finding("p1", "name", "gone_<b>()")
    row = CASES["ready"].row.changed(findings=3, finding_list=(finding,), unmentioned=("--depth",), unmentioned_total=1)
    moment = datetime.fromisoformat(NOW)
    assert " · main · 3 mentions not found in the repository · as of " in plain_form(row, moment)
    still = html_form(row, moment, "p")
    title = json.loads(row.plan_json or "")["navigation"][0]["pages"][0]["title"]
    assert (
        f"<details><summary>3 mentions not found in the repository</summary><p>{title}</p><ul><li>{html.escape(finding.text)}</li></ul>"
        "<p>… and 2 more</p></details>"
    ) in still
    assert "<details><summary>1 public name or option on no page</summary><ul><li>--depth</li></ul></details>" in still
    assert checks_of(row).splitlines() == [
        "3 mentions not found in the repository:", f"  {title}", "    name gone_<b>()", "  … and 2 more",
        "1 public name or option on no page:", "    --depth",
    ]  # fmt: skip
    assert checks_of(CASES["ready"].row) == ""


@pytest.mark.browser
def test_where_there_is_no_row_the_live_panel_hides_its_still_too() -> None:
    still = Seen().failed(NotFound("no"), NOW).still(VariantKey("<n>", "", "local", "static", ""), "p-1")
    assert still["text/plain"] == "<n> · local/static · not generated yet"
    assert still["text/html"] == '<div class="docsfy-still" data-docsfy-panel="p-1"><p>&lt;n&gt; · local/static · not generated yet</p></div>'


def test_the_browser_shows_the_very_same_texts(open_status: Callable[..., StatusPage]) -> None:
    shown = open_status()
    for name, case in CASES.items():
        shown.show(answer(case.row))
        panel = shown.page.locator(".docsfy-panel")
        expect(panel.locator(".docsfy-chip"), name).to_have_text(case.label)
        bar = panel.get_by_role("progressbar")
        percent = None if case.percent is None else str(case.percent)
        assert bar.get_attribute("aria-valuenow") == percent, name
        assert bar.get_attribute("aria-valuetext") == f"{case.text}, {case.label}", name
        expect(panel.locator(".docsfy-numbers"), name).to_have_text(case.text + (f"{percent} %" if percent else ""))
        lines = panel.get_by_role("log").locator("li")
        read = "lines => lines.map(line => [line.dataset.kind, line.querySelector('.docsfy-text').textContent])"
        assert [tuple(line) for line in lines.evaluate_all(read)] == [*case.log], name
    assert shown.complaints == []
