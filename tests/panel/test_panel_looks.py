"""Every state of the panel in light and dark, wide and narrow: pictures for people, and checks of what a person would see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from appearance import SCREENSHOTS, faults, violations
from panel_states import CASES, HTML, LONG, answer, at, plan, variant
from panels import StatusPage
from playwright.sync_api import expect

from docsfy_jupyter.models import FailedPage, Stage, Status

pytestmark = pytest.mark.browser
Open = Callable[..., StatusPage]

TITLES = [LONG if number % 3 == 1 else f"Page {number}" for number in range(1, 201)]
MANY = plan(*TITLES)
DONE = tuple(f"p{number}" for number in range(1, 121))
COMMIT = {"last_commit_sha": "0123456789abcdef0123456789abcdef01234567", "last_generated": at(10), "site": True}
FORESEEN = {"cost_usd": 3.1, "seconds": 30.0, "at_most": True}
AMBIGUOUS = "Several variants fit; name the branch: demo/feature/a/local/static, demo/feature/b/local/static."

ROWS = {
    "starting": variant(),
    "queued": variant(stage=Stage.QUEUED, queue_position=3),
    "cloning": CASES["cloning"].row,
    "planning": CASES["planning"].row,
    "incremental-planning": variant(stage=Stage.INCREMENTAL_PLANNING, plan_json=MANY, **COMMIT),
    "generating-200": variant(
        stage=Stage.GENERATING_PAGES, plan_json=MANY, page_count=120, pages_done=DONE, pages_active=("p121", "p122", "p124"),
        page_times={slug: at(41, number % 60) for number, slug in enumerate(DONE)}, eta_at=at(55), run_cost_usd=1.25, **COMMIT,
    ),
    "rendering": CASES["rendering"].row,
    "checking": CASES["checking"].row,
    "ready": variant(Status.READY, plan_json=MANY, page_count=200, findings=2, run_cost_usd=3.5, name="demo", foreseen=FORESEEN, **COMMIT),
    "up-to-date": CASES["up to date"].row,
    "error-html": variant(
        Status.ERROR, plan_json=MANY, page_count=198, failed_stage=Stage.GENERATING_PAGES, error_message=f"2 of 200 pages failed: {HTML}",
        failed_pages=(FailedPage("p4", HTML), FailedPage("p7", "timeout")), **COMMIT,
    ),
    "aborted": variant(
        Status.ABORTED, plan_json=plan("A", "B", LONG), page_count=1, pages_done=("p1",), failed_stage=Stage.GENERATING_PAGES,
        error_message="Generation aborted by user",
    ),
    "long-names": variant(
        Status.READY, plan_json=plan("A"), page_count=1, name="a-project-with-a-name-" * 4, branch="feature/" + "x" * 80,
        ai_provider="claude", ai_model="vendor/" + "model-" * 12 + "[1m]", repo_url="https://git.example/" + "group/" * 20 + "demo", **COMMIT,
    ),
}  # fmt: skip
ANSWERS: dict[str, tuple[int, dict[str, Any]]] = {
    **{name: (200, answer(row)) for name, row in ROWS.items()},
    "not-generated": (
        404,
        {"code": "not_found", "detail": "", "candidates": ["demo/main/local/statics", "demo/dev/local/static"]},
    ),
    "several-branches": (409, {"code": "ambiguous", "detail": AMBIGUOUS}),
    "login-expired": (401, {"code": "forbidden", "detail": "Forbidden"}),
}
# what follows the first answer: the first, the next, how often it is asked
LATER: dict[str, tuple[str, tuple[int, dict[str, Any]], int]] = {
    "disconnected": ("generating-200", (0, {}), 3),
    "login-expired-in-a-run": ("planning", (403, {}), 1),
    "deleted": ("rendering", (404, {"code": "not_found", "detail": "", "candidates": []}), 1),
}
FORMS = ("form", "refused", "asked-to-pay", "asked-to-delete")


def shown_in(shown: StatusPage, state: str) -> None:
    """Bring a page into a state."""
    if state == "asked-to-delete":
        shown.show(answer(ROWS["long-names"].changed(total_cost_usd=12.5)))
        shown.page.get_by_role("button", name="Delete…").click()
        shown.page.get_by_role("alertdialog").wait_for()
        return
    if state in FORMS:
        shown.show(ANSWERS["ready"][1])
        shown.page.get_by_role("button", name="Regenerate").first.click()
        shown.page.locator(".docsfy-foreseen").wait_for()
        if state == "refused":
            why = {"detail": f"The name 'demo' is taken by https://github.com/else/demo. {LONG}"}
            shown.page.route("**/api/estimate", lambda route: route.fulfill(status=409, json=why), times=1)
            shown.page.get_by_label("Model").fill("other")
            shown.page.get_by_label("Model").press("Tab")
            shown.page.locator(".docsfy-foreseen.docsfy-bad").wait_for()
            shown.complaints.clear()
        if state == "asked-to-pay":
            shown.page.get_by_label("Write every page again").check()
            shown.page.locator(".docsfy-form button").click()
            shown.page.get_by_role("alertdialog").wait_for()
        return
    if state in ANSWERS:
        status, body = ANSWERS[state]
        shown.show(body, status)
        return
    first, (status, body), times = LATER[state]
    shown.show(ANSWERS[first][1])
    shown.then(status, body)
    shown.poll(times)


@pytest.mark.parametrize("width", [900, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_state_is_whole_and_can_be_read(open_status: Open, scheme: str, width: int) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    shown = open_status(dark=scheme == "dark", width=width)
    wrong: dict[str, list[str]] = {}
    for state in (*ANSWERS, *LATER, *FORMS):
        shown_in(shown, state)
        name = f"panel-{state}-{scheme}-{'wide' if width > 400 else 'narrow'}.png"
        shown.page.screenshot(path=SCREENSHOTS / name, full_page=True, animations="disabled")
        if found := faults(shown.page):
            wrong[state] = found
    assert wrong == {}
    assert shown.complaints == []


def test_the_checks_see_what_they_are_for(open_status: Open) -> None:
    shown = open_status()
    shown_in(shown, "ready")
    style = "--docsfy-quiet: #bbb; --docsfy-edge: #eee; width: 400px"
    shown.page.locator(".docsfy-panel").evaluate("(panel, style) => panel.setAttribute('style', style)", style)
    title = "title => title.setAttribute('style', 'width: 20px; overflow: hidden; white-space: nowrap')"
    shown.page.locator(".docsfy-title").evaluate(title)
    shown.page.locator(".docsfy-chip").evaluate("chip => chip.setAttribute('style', 'margin-right: -2000px')")
    found = " | ".join(faults(shown.page))
    assert "has a contrast of 1." in found
    assert "the edge of button" in found
    assert "is cut: " in found
    assert "leaves the frame" in found
    assert "in a window of 900" in found


AXE_STATES = ("generating-200", "ready", "asked-to-pay", "asked-to-delete", "error-html", "not-generated", "login-expired", "deleted", "disconnected")


@pytest.mark.parametrize(("scheme", "width", "states"), [("light", 900, AXE_STATES), ("dark", 320, AXE_STATES[:4])])
def test_axe_finds_no_violation(open_status: Open, axe: str, scheme: str, width: int, states: tuple[str, ...]) -> None:
    shown = open_status(dark=scheme == "dark", width=width)
    wrong: dict[str, list[Any]] = {}
    for state in states:
        shown_in(shown, state)
        if found := violations(shown.page, axe, "html"):
            wrong[state] = found
    assert wrong == {}


def test_a_message_of_html_is_text(open_status: Open) -> None:
    shown = open_status()
    shown_in(shown, "error-html")
    expect(shown.page.locator(".docsfy-message")).to_contain_text('<img src=x onerror="window.hacked = 1"><script>')
    assert shown.page.evaluate("window.hacked") is None
    assert shown.page.locator(".docsfy-panel :is(img, script, b)").count() == 0


def test_what_may_be_over_does_not_move(open_status: Open) -> None:
    shown = open_status()
    shown_in(shown, "login-expired-in-a-run")
    panel = shown.page.locator(".docsfy-panel")
    frozen = panel.locator(".docsfy-where").inner_text()
    shown.page.clock.run_for(60_000)
    assert panel.locator(".docsfy-where").inner_text() == frozen
    icon = panel.locator("li[data-kind=active] .docsfy-icon")
    assert icon.evaluate("icon => getComputedStyle(icon).animationPlayState") == "paused"
    asked = shown.asked
    shown.page.clock.run_for(60_000)
    assert shown.asked == asked, "a login that has expired ends the polling"
    link = panel.get_by_role("link", name="Log in").get_attribute("href") or ""
    assert "/login?next=%2Fdocsfy%2Fstatus%2Fdemo%2F" in link


def test_a_variant_that_was_deleted_can_be_generated_from_the_same_repository(open_status: Open) -> None:
    shown = open_status()
    shown_in(shown, "deleted")
    expect(shown.page.get_by_label("Repository")).to_have_value("https://github.com/owner/demo.git")
