"""Where the keyboard is after what a status page does: on what can be done next, never lost, and never taken from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from appearance import faults
from panel_states import ABC, CASES, answer, at, variant
from panels import StatusPage, until
from playwright.sync_api import Locator, Page, Route, expect

from docsfy_jupyter.models import Status, Variant

pytestmark = pytest.mark.browser
Open = Callable[..., StatusPage]
RUNNING, READY, FAILED = (CASES[name].row for name in ("pages, an older server", "ready", "failed pages"))
ABORTED = variant(Status.ABORTED, plan_json=ABC, page_count=1, error_message="Generation aborted by user", updated_at=at(42))
EMPTY = ABORTED.changed(plan_json=None, page_count=0)
CONTINUE = "Continue (2 pages left)"
ELSEWHERE = "document.body.append(Object.assign(document.createElement('input'), {id: 'elsewhere'}))"


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


class Held:
    """Requests that wait until the test answers them."""

    def __init__(self, shown: StatusPage, pattern: str) -> None:
        self.shown = shown
        self.routes: list[Route] = []
        shown.page.route(pattern, lambda route: self.routes.append(route))

    def answer(self, body: dict[str, Any], status: int = 200, then: Variant | None = None) -> None:
        """Answer one; the polls after it get another row."""
        until(lambda: self.shown.page.wait_for_timeout(20) or self.routes, "the request")
        if then is not None:
            self.shown.then(200, answer(then))
        self.routes.pop(0).fulfill(status=status, json=body)


def asked_to_abort(open_status: Open) -> tuple[StatusPage, Held]:
    """Open a run, abort it by keys alone, and stop where the server is about to answer."""
    shown = open_status()
    shown.show(answer(RUNNING))
    held = Held(shown, "**/api/variant/abort?*")
    button(shown.page, "Abort").press("Enter")
    button(shown.page, "Abort run").press("Enter")
    expect(button(shown.page, "Aborting…")).to_be_focused()
    return shown, held


def starts(shown: StatusPage, row: Variant) -> Held:
    """Hold the start of a run of this row."""
    found = {"name": row.name, "branch": row.branch, "ai_provider": row.ai_provider, "ai_model": row.ai_model, "owner": row.owner}
    shown.page.route("**/api/projects/by-id/*", lambda route: route.fulfill(json=found))
    return Held(shown, "**/api/generate")


@pytest.mark.parametrize(
    ("then", "role", "name"),
    [(ABORTED, "button", CONTINUE), (EMPTY, "combobox", "Provider"), (READY, "link", "View documentation"), (EMPTY.changed(site=True), "link", "View last documentation")],
)  # fmt: skip
def test_after_an_abort_the_keyboard_is_on_what_is_likeliest_next(open_status: Open, then: Variant, role: Any, name: str) -> None:
    shown, held = asked_to_abort(open_status)
    button(shown.page, "Aborting…").press("Enter")
    expect(shown.page.get_by_role("alertdialog")).to_be_hidden()
    shown.page.wait_for_timeout(100)
    expect(button(shown.page, "Aborting…")).to_be_focused()
    held.answer({}, then=then)
    expect(shown.page.get_by_role(role, name=name, exact=True)).to_be_focused()
    assert held.routes == [], "it was asked for once"


def test_after_an_abort_that_is_refused_it_is_where_it_was(open_status: Open) -> None:
    shown, held = asked_to_abort(open_status)
    held.answer({"detail": "Another run goes on."}, 409)
    expect(shown.page.get_by_role("alert")).to_have_text("Another run goes on.")
    expect(button(shown.page, "Abort")).to_be_focused()


@pytest.mark.parametrize("where", ["#elsewhere", ".docsfy-log"])
def test_who_has_gone_on_meanwhile_is_left_there(open_status: Open, where: str) -> None:
    shown, held = asked_to_abort(open_status)
    shown.page.evaluate(ELSEWHERE)
    shown.page.locator(where).focus()
    held.answer({}, then=ABORTED)
    expect(button(shown.page, CONTINUE)).to_be_visible()
    expect(shown.page.locator(where)).to_be_focused()


def test_after_a_retry_it_is_on_the_abort(open_status: Open) -> None:
    shown = open_status()
    shown.show(answer(FAILED))
    held = starts(shown, FAILED)
    button(shown.page, "Retry 1 failed page").press("Enter")
    expect(button(shown.page, "Starting…").first).to_be_focused()
    held.answer({"generation_id": "g2"}, 202, RUNNING.changed(generation_id="g2"))
    expect(button(shown.page, "Abort")).to_be_focused()


@pytest.mark.parametrize("model", ["static", "other"])
def test_after_a_regeneration_it_is_on_the_abort_also_of_another_variant(open_status: Open, model: str) -> None:
    shown = open_status()
    shown.show(answer(READY))
    button(shown.page, "Regenerate").press("Enter")
    expect(shown.page.get_by_label("Provider")).to_be_focused()
    shown.page.get_by_label("Model").fill(model)
    submit = shown.page.locator(".docsfy-form button")
    row = RUNNING.changed(generation_id="g2", ai_model=model)
    held = starts(shown, row)
    submit.press("Enter")
    expect(submit).to_have_text("Starting…")
    expect(submit).to_be_focused()
    held.answer({"generation_id": "g2"}, 202, row)
    expect(button(shown.page, "Abort")).to_be_focused()
    expect(shown.page.locator(".docsfy-ref")).to_contain_text(f"local/{model}")


def test_a_price_that_is_told_late_takes_the_keyboard_from_nobody(open_status: Open) -> None:
    shown = open_status()
    shown.show(answer(READY))
    button(shown.page, "Regenerate").press("Enter")
    shown.page.get_by_label("Write every page again").press("Space")
    shown.page.locator(".docsfy-foreseen").wait_for()
    held = Held(shown, "**/api/estimate")
    shown.page.locator(".docsfy-form button").press("Enter")
    shown.page.evaluate(ELSEWHERE)
    shown.page.locator("#elsewhere").focus()
    held.answer(shown.estimate)
    expect(shown.page.get_by_role("alertdialog")).to_be_visible()
    expect(shown.page.locator("#elsewhere")).to_be_focused()


@pytest.mark.parametrize("asked", [False, True])
def test_when_a_run_ends_by_itself_it_is_on_the_documentation(open_status: Open, asked: bool) -> None:
    shown = open_status()
    shown.show(answer(RUNNING))
    button(shown.page, "Abort").focus()
    if asked:
        shown.page.keyboard.press("Enter")
        expect(button(shown.page, "Abort run")).to_be_focused()
    shown.then(200, answer(READY))
    shown.poll()
    expect(shown.page.get_by_role("link", name="View documentation")).to_be_focused()


def test_when_the_login_expires_it_is_on_the_way_to_log_in_and_then_back_at_the_run(open_status: Open) -> None:
    shown = open_status()
    shown.show(answer(RUNNING))
    button(shown.page, "Abort").focus()
    shown.then(401, {"code": "forbidden", "detail": "Forbidden"})
    shown.poll()
    expect(shown.page.get_by_role("link", name="Log in")).to_be_focused()
    shown.then(200, answer(RUNNING))
    shown.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(button(shown.page, "Abort")).to_be_focused()


def test_a_variant_that_is_deleted_and_made_again_elsewhere_has_it_at_the_abort(open_status: Open) -> None:
    shown = open_status()
    shown.show(answer(READY))
    button(shown.page, "Delete…").focus()
    shown.then(404, {"code": "not_found", "detail": "", "candidates": []})
    shown.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(shown.page.locator(".docsfy-panel")).to_be_focused()
    expect(shown.page.locator(".docsfy-panel")).to_have_css("outline-color", "rgb(10, 88, 202)")
    shown.then(200, answer(RUNNING))
    shown.poll()
    expect(button(shown.page, "Abort")).to_be_focused()


def test_a_link_that_is_drawn_anew_keeps_it(open_status: Open) -> None:
    shown = open_status()
    shown.show(answer(READY))
    link = shown.page.get_by_role("link", name="0123456")
    link.focus()
    shown.then(200, answer(READY.changed(total_cost_usd=1.5, last_generated=at(55))))
    shown.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(shown.page.locator(".docsfy-info")).to_contain_text("10:55")
    expect(link).to_be_focused()


def test_an_action_that_the_page_does_not_know_yet_says_what_to_do(open_status: Open) -> None:
    shown = open_status(width=320)
    newer, label = answer(READY), "Translate all pages into a language with longer words"
    newer["actions"].append({"id": "translate", "label": label})
    shown.show(newer)
    button(shown.page, label).press("Enter")
    told = "This page is older than the server: reload it; in a notebook, restart the kernel first and run the cell again."
    expect(shown.page.get_by_role("alert")).to_have_text(told)
    expect(button(shown.page, label)).to_be_focused()
    assert faults(shown.page) == []
