"""How the view behaves on a status page whose answers a test gives: polling, failures, keys, focus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from panel_states import CASES, answer, at, plan, variant
from panels import ESTIMATE, StatusPage, until
from playwright.sync_api import Route, expect

from docsfy_jupyter.models import Finding, Stage, Status

pytestmark = pytest.mark.browser
Open = Callable[..., StatusPage]
MISSING = {"code": "not_found", "detail": "", "candidates": []}
RUNNING = answer(CASES["pages, an older server"].row)


@pytest.mark.parametrize("status", [302, 401, 403])
def test_a_login_that_has_expired_ends_the_polling_with_a_link(open_status: Open, status: int) -> None:
    shown = open_status()
    shown.show(RUNNING)
    if status == 302:  # as JupyterHub does
        shown.page.unroute_all()
        shown.page.route("**/api/variant?*", lambda route: route.fulfill(status=302, headers={"Location": "/login?next=x"}))
        shown.page.clock.run_for(4000)
    else:
        shown.then(status)
        shown.poll()
    stopped = ", or the server was stopped" if status == 302 else ""  # a browser does not tell where it was sent
    expect(shown.page.locator(".docsfy-message")).to_have_text(f"Your login has expired{stopped}. Log in")
    expect(shown.page.locator(".docsfy-numbers")).to_contain_text("1 / 3 pages")
    asked = shown.asked
    shown.page.clock.run_for(30_000)
    assert shown.asked == asked


def test_failures_are_silent_until_the_third_and_forgotten_after_an_answer(open_status: Open) -> None:
    shown = open_status()
    shown.show(RUNNING)
    offline = shown.page.get_by_text("Not connected since")
    shown.then(500, {"detail": "oops"})
    shown.poll(2)
    expect(offline).to_be_hidden()
    shown.poll()
    expect(offline).to_be_visible()
    shown.then(200, RUNNING)
    shown.poll()
    expect(offline).to_be_hidden()


def test_polls_are_three_seconds_apart_never_two_at_once_and_end_with_the_run(open_status: Open) -> None:
    shown = open_status()
    shown.show(RUNNING)
    asked = shown.asked
    for _ in range(9):
        shown.page.clock.run_for(1000)
        shown.page.wait_for_timeout(50)
    assert asked + 2 <= shown.asked <= asked + 4
    held: list[Route] = []
    shown.page.unroute_all()
    shown.page.route("**/api/variant?*", lambda route: held.append(route))
    shown.page.clock.run_for(20_000)
    until(lambda: shown.page.wait_for_timeout(50) or held, "a poll")
    shown.page.wait_for_timeout(300)
    assert len(held) == 1, "the one before is not answered yet"
    held[0].fulfill(status=200, json=answer(CASES["ready"].row))
    expect(shown.page.locator(".docsfy-chip")).to_have_text("Complete")
    shown.page.clock.run_for(20_000)
    assert len(held) == 1


def test_a_run_that_ended_is_asked_for_again_when_the_page_becomes_visible(open_status: Open) -> None:
    shown = open_status()
    shown.show(answer(CASES["ready"].row))
    expect(shown.page.get_by_text("as of 10:42")).to_be_visible()
    shown.page.clock.run_for(60_000)
    shown.then(200, answer(CASES["planning"].row))
    shown.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(shown.page.locator(".docsfy-chip")).to_have_text("Generating…")
    shown.then(200, answer(CASES["ready"].row))
    shown.poll()
    expect(shown.page.locator(".docsfy-chip")).to_have_text("Complete")


def test_focus_and_what_was_typed_survive_the_polls(open_status: Open) -> None:
    shown = open_status()
    shown.show(MISSING, 404)
    field = shown.page.get_by_label("Repository")
    field.fill("/some/where")
    shown.page.get_by_label("Model").fill("other")
    shown.poll(2)
    expect(shown.page.get_by_label("Model")).to_be_focused()
    expect(shown.page.get_by_label("Model")).to_have_value("other")
    expect(field).to_have_value("/some/where")
    shown.then(200, RUNNING)
    shown.poll()
    abort = shown.page.get_by_role("button", name="Abort", exact=True)
    abort.focus()
    shown.then(200, answer(variant(stage=Stage.RENDERING, page_count=3, plan_json=CASES["rendering"].row.plan_json)))
    shown.poll()
    expect(shown.page.locator(".docsfy-chip")).to_have_text("Rendering…")
    expect(abort).to_be_focused()


def test_an_abort_is_asked_for_once_more_and_taken_back_by_escape(open_status: Open) -> None:
    shown = open_status()
    shown.show(RUNNING)
    posts: list[str] = []
    shown.page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    abort = shown.page.get_by_role("button", name="Abort", exact=True)
    abort.press("Enter")
    dialog = shown.page.get_by_role("alertdialog")
    expect(dialog.get_by_role("button", name="Abort run")).to_be_focused()
    shown.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(abort).to_be_focused()
    assert posts == []


def test_a_deletion_is_asked_for_once_more_and_the_panel_then_says_so(open_status: Open) -> None:
    shown = open_status()
    row = answer(CASES["ready"].row.changed(total_cost_usd=3.5))
    asked: list[str] = []
    answers = iter([(409, {"code": "conflict", "detail": "It runs."}), (200, {"deleted": "demo/main/local/static"})])

    def serve(route: Route) -> None:
        if route.request.method != "DELETE":
            return route.fallback()
        asked.append(route.request.url.partition("?")[2])
        status, body = next(answers)
        if status == 200:
            shown.then(404, MISSING)
        return route.fulfill(status=status, json=body)

    shown.page.route("**/api/variant?*", serve)
    shown.show(row)
    button = shown.page.get_by_role("button", name="Delete…")
    button.press("Enter")
    dialog = shown.page.get_by_role("alertdialog", name=row["delete_question"])
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    shown.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    assert asked == []
    button.press("Enter")
    dialog.get_by_role("button", name="Delete", exact=True).press("Enter")
    expect(shown.page.get_by_role("alert")).to_have_text("It runs.")
    expect(button).to_be_focused()
    button.press("Enter")
    dialog.get_by_role("button", name="Delete", exact=True).press("Enter")
    expect(shown.page.locator(".docsfy-chip")).to_have_text("Deleted")
    expect(shown.page.get_by_role("alert")).to_have_text("This variant was deleted.")
    expect(shown.page.locator(".docsfy-panel")).to_be_focused()
    shown.page.keyboard.press("Tab")
    expect(shown.page.get_by_label("Repository")).to_be_focused()
    assert asked == ["name=demo&branch=main&provider=local&model=static&owner=me"] * 2


def test_who_may_start_runs_and_not_delete_is_not_offered_it(open_status: Open) -> None:
    shown = open_status()
    shown.page.route("**/docsfy/health", lambda route: route.fulfill(json={"status": "ok"}, headers={"Docsfy-May": "read, execute"}))
    with shown.page.expect_response("**/docsfy/health"):
        shown.show(answer(CASES["ready"].row))
    expect(shown.page.locator(".docsfy-actions button")).to_have_text(["Regenerate"])


def test_an_action_that_is_refused_says_why_and_can_be_tried_again(open_status: Open) -> None:
    shown = open_status()
    shown.show(answer(CASES["failed pages"].row))
    shown.page.route(
        "**/api/generate", lambda route: route.fulfill(status=409, json={"code": "conflict", "detail": "It <b>runs</b> already."})
    )
    shown.page.get_by_role("button", name="Retry 1 failed page").click()
    expect(shown.page.get_by_role("alert")).to_have_text("It <b>runs</b> already.")
    expect(shown.page.get_by_role("button", name="Retry 1 failed page")).to_be_enabled()


def test_nothing_moves_for_those_who_want_less_motion(open_status: Open) -> None:
    shown = open_status()
    shown.page.emulate_media(reduced_motion="reduce")
    shown.show(answer(variant(Status.GENERATING, Stage.CLONING)))
    moving = "nodes => nodes.map(node => getComputedStyle(node).animationName)"
    assert set(shown.page.locator(".docsfy-fill, .docsfy-icon").evaluate_all(moving)) == {"none"}


def test_findings_are_folded_and_what_somebody_opened_stays_open(open_status: Open) -> None:
    shown = open_status()
    names = tuple(
        Finding("p1", kind, name) for kind, name in (("name", "lost_thing()"), ("flag", "--verbos"), ("path", "src/<b>.py"))
    )
    row = variant(stage=Stage.RENDERING, plan_json=plan("Intro"), page_count=1, findings=5, finding_list=names)
    shown.show(answer(row))
    details = shown.page.locator(".docsfy-checks details")
    expect(details.locator("summary")).to_have_text("5 mentions not found in the repository")
    expect(details.locator("li").first).to_be_hidden()
    details.locator("summary").click()
    expect(details.locator("li")).to_have_text(["name lost_thing()", "option --verbos", "file src/<b>.py"])
    expect(details.locator("p")).to_have_text(["Intro", "… and 2 more"])
    shown.then(200, answer(row.changed(unmentioned=("--depth", "Engine"), unmentioned_total=2)))
    shown.poll()
    expect(details).to_have_count(2)
    expect(details.locator("li").first).to_be_visible()
    expect(details.nth(1).locator("summary")).to_have_text("2 public names and options on no page")
    expect(details.nth(1).locator("li").first).to_be_hidden()


def test_what_lasted_no_second_is_not_said_to_have_taken_none(open_status: Open) -> None:
    shown = open_status()
    for end, took in ((at(40), "took under 1 s"), (at(40, 1), "took 1 s")):
        shown.show(answer(variant(Status.ERROR, error_message="No.", failed_stage=Stage.CLONING, updated_at=end)))
        expect(shown.page.locator(".docsfy-where")).to_have_text(took)


def foreseen(shown: StatusPage) -> Any:
    return shown.page.locator(".docsfy-foreseen")


def test_what_a_run_would_take_is_asked_when_the_form_opens_and_changes_and_by_no_poll(open_status: Open) -> None:
    shown = open_status()
    shown.show(answer(CASES["ready"].row))
    assert shown.estimated == []
    shown.page.get_by_role("button", name="Regenerate").first.click()
    expect(foreseen(shown)).to_have_text(ESTIMATE["text"])
    shown.page.get_by_label("Model").fill("other")
    shown.estimate = {**ESTIMATE, "text": "Cost unknown."}
    shown.page.get_by_label("Model").press("Tab")
    expect(foreseen(shown)).to_have_text("Cost unknown.")
    assert [asked["ai_model"] for asked in shown.estimated] == ["static", "other"]
    obstacle = "claude not found on the server's PATH."
    shown.estimate = {**ESTIMATE, "unavailable": obstacle, "text": f"A run would not start now: {obstacle} If it could: cost unknown."}
    shown.page.get_by_label("Model").fill("third")
    shown.page.get_by_label("Model").press("Tab")
    expect(foreseen(shown)).to_have_text(shown.estimate["text"])
    expect(foreseen(shown)).to_have_class("docsfy-foreseen docsfy-bad")
    shown.page.route("**/api/estimate", lambda route: route.fulfill(status=404, json={"detail": "no"}))  # an older server
    shown.page.get_by_label("Provider").fill("x")
    shown.page.get_by_label("Provider").press("Tab")
    expect(foreseen(shown)).to_be_hidden()
    refusal = {"detail": "max_cost_usd cannot be kept: what x/m costs is not known."}
    answers = iter((400, 409))
    shown.page.route("**/api/estimate", lambda route: route.fulfill(status=next(answers), json=refusal), times=2)
    for provider in ("y", "z"):
        shown.page.get_by_label("Provider").fill(provider)
        shown.page.get_by_label("Provider").press("Tab")
        expect(foreseen(shown)).to_have_text(refusal["detail"])
        expect(foreseen(shown)).to_have_class("docsfy-foreseen docsfy-bad")
    assert [text for text in shown.complaints if "400" not in text and "409" not in text] == []


def test_what_the_panel_says_already_is_not_said_below_its_form_once_more(open_status: Open) -> None:
    shown = open_status()
    says = "branch mian not found in /r. Did you mean main? Its branches: main."
    details = iter((f"{says} More.", says))
    shown.page.route("**/api/estimate", lambda route: route.fulfill(status=400, json={"detail": next(details)}), times=2)
    shown.show(answer(variant(Status.ERROR, error_message=says, failed_stage=Stage.CLONING)))
    expect(foreseen(shown)).to_have_text(f"{says} More.")
    shown.page.get_by_label("Model").fill("other")
    shown.page.get_by_label("Model").press("Tab")
    expect(foreseen(shown)).to_be_hidden()


def test_what_is_said_above_the_form_later_leaves_its_foot(open_status: Open) -> None:
    shown = open_status()
    refusal = {"detail": "The folder /r does not exist on the server."}
    for pattern in ("**/api/estimate", "**/api/generate"):
        shown.page.route(pattern, lambda route: route.fulfill(status=400, json=refusal))
    shown.show(answer(CASES["ready"].row))
    shown.page.get_by_role("button", name="Regenerate").click()
    expect(foreseen(shown)).to_have_text(refusal["detail"])
    shown.page.get_by_role("button", name="Regenerate").last.click()
    expect(shown.page.get_by_role("alert")).to_have_text(refusal["detail"])
    expect(foreseen(shown)).to_be_hidden()


def test_the_button_says_whether_its_form_is_open_and_escape_closes_it(open_status: Open) -> None:
    shown = open_status()
    shown.show(answer(CASES["ready"].row))
    button = shown.page.locator('[data-action="regenerate"]')
    expect(button).to_have_attribute("aria-expanded", "false")
    for closing in (lambda: shown.page.keyboard.press("Escape"), button.click):
        button.click()
        expect(button).to_have_attribute("aria-expanded", "true")
        expect(shown.page.get_by_label("Provider")).to_be_focused()
        closing()
        expect(button).to_have_attribute("aria-expanded", "false")
        expect(shown.page.get_by_label("Provider")).to_be_hidden()
        expect(button).to_be_focused()


def test_escape_closes_no_form_that_nothing_could_open_again(open_status: Open) -> None:
    shown = open_status()
    shown.show(answer(CASES["failed pages"].row))
    shown.page.get_by_label("Provider").press("Escape")
    expect(shown.page.get_by_label("Provider")).to_be_focused()


def test_notes_on_the_repository_are_shown_and_go_with_the_run_that_had_them(open_status: Open) -> None:
    row = CASES["ready"].row.changed(notes=("/r has uncommitted changes (2 paths); <b>",))
    shown = open_status()
    shown.show(answer(row))
    expect(shown.page.locator(".docsfy-notes p")).to_have_text(["/r has uncommitted changes (2 paths); <b>"])
    shown.show(answer(row.changed(notes=())))
    expect(shown.page.locator(".docsfy-notes")).to_be_hidden()


def test_the_form_sends_a_cost_limit_and_the_credential_of_what_is_cloned(open_status: Open) -> None:
    shown = open_status()
    sent: list[Any] = []
    shown.page.route(
        "**/api/generate",
        lambda route: (sent.append(route.request.post_data_json), route.fulfill(status=400, json={"detail": "Refused."})),
    )
    shown.show(MISSING, 404)
    shown.page.get_by_label("Repository").fill("/some/where")
    expect(shown.page.get_by_label("Credential variable")).to_be_hidden()
    shown.page.get_by_label("Repository").fill("https://host.example/a/b")
    shown.page.get_by_label("Cost limit").fill("2.50")
    shown.page.get_by_label("Credential variable").fill("MY TOKEN")
    shown.page.get_by_label("Credential variable").press("Enter")
    assert sent == [], "a variable has no such name"
    shown.page.get_by_label("Credential variable").fill("MY_TOKEN")
    shown.page.get_by_label("Credential variable").press("Enter")
    expect(shown.page.get_by_role("alert")).to_have_text("Refused.")
    assert [(body["repo_url"], body["max_cost_usd"], body["credential_env"]) for body in sent] == [
        ("https://host.example/a/b", 2.5, "MY_TOKEN")
    ]


def test_paying_again_for_all_pages_is_asked_inside_the_panel_by_keys_alone(open_status: Open) -> None:
    shown = open_status()
    sent: list[Any] = []
    shown.page.route(
        "**/api/generate",
        lambda route: (sent.append(route.request.post_data_json), route.fulfill(status=400, json={"detail": "Refused."})),
    )
    shown.show(answer(CASES["ready"].row))
    shown.page.get_by_role("button", name="Regenerate").first.press("Enter")
    shown.page.get_by_label("Write every page again").press("Space")
    submit = shown.page.locator(".docsfy-form button")
    submit.press("Enter")
    dialog = shown.page.get_by_role("alertdialog", name=ESTIMATE["question"])
    expect(dialog.get_by_role("button", name="Keep the pages")).to_be_focused()
    shown.page.clock.run_for(5000)
    expect(dialog.get_by_role("button", name="Keep the pages")).to_be_focused()
    shown.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(submit).to_be_focused()
    submit.press("Enter")
    dialog.get_by_role("button", name="Write all pages anew").press("Enter")
    expect(shown.page.get_by_role("alert")).to_have_text("Refused.")
    assert [body["force"] for body in sent] == [True]
    assert shown.estimated[-1]["force"] is True
    shown.estimate = {**ESTIMATE, "free": True}
    submit.press("Enter")
    expect(dialog).to_be_hidden()
    shown.page.wait_for_timeout(100)
    assert len(sent) == 2, "what is free is not asked for"
