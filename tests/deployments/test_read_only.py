"""A server whose authorizer lets people read only: what they may not do is not offered, and what refuses says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from appearance import SCREENSHOTS
from servers import Server, await_health, end, launch, make_demo_repo
from walking import path_of

from docsfy_jupyter import NotPermitted, StatusPanel, connect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

OPERATOR = {"X-Operator": "yes"}
HELD = "pages=2,hold=page-1"
BROKEN = "pages=3,fail=page-2"
SENTENCE = "You may look here, but not start or abort runs."
CHANGING = ["Abort", "Regenerate", "New", "Generate", "Continue (2 pages left)", "Retry 1 failed page", "Delete…"]


@pytest.fixture(scope="module")
def reading_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a ready variant, a failed one and one that generates, where nobody but the operator may change anything."""
    home = tmp_path_factory.mktemp("reading")
    gate = home / "gate"
    gate.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
        patch.setenv("XDG_DOCSFY_GATE", str(gate))
        server = launch(home, "--ServerApp.authorizer_class=refusing.ReadingOnly")
    try:
        await_health(server)
        repo = make_demo_repo(home)
        for model in (HELD, "pages=2", BROKEN):
            body = {"repo_path": str(repo), "branch": "main", "ai_provider": "fake", "ai_model": model}
            assert server.call("POST", "api/generate", json=body, headers=OPERATOR).status_code == 202
        assert server.ended(path_of("demo", "main", "fake", "pages=2"))["status"] == "ready"
        assert server.ended(path_of("demo", "main", "fake", BROKEN))["status"] == "error"
        yield server
    finally:
        gate.unlink()
        end(server)


@pytest.fixture(params=["reader", "operator"])
def visit(request: pytest.FixtureRequest, site_browser: Browser, reading_server: Server) -> Iterator[tuple[Page, bool]]:
    """A page of a browser that is logged in as one who may read, or as the operator."""
    operator = request.param == "operator"
    headers = {"Authorization": f"token {reading_server.token}", **(OPERATOR if operator else {})}
    context = site_browser.new_context(extra_http_headers=headers, viewport={"width": 900, "height": 800})
    yield context.new_page(), operator
    context.close()


def offered(page: Page) -> list[str]:
    """What a person is offered that would change something."""
    return [name for name in CHANGING if page.get_by_role("button", name=name, exact=True).and_(page.locator(":visible")).count()]


def look(page: Page, name: str) -> None:
    """Keep a picture."""
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("model", "state", "buttons"),
    [
        (HELD, "generating", ["Abort"]),
        ("pages=2", "ready", ["Regenerate", "Delete…"]),
        (BROKEN, "error", ["Regenerate", "Retry 1 failed page", "Delete…"]),
        ("nobody", "missing", ["Generate"]),
    ],
)
def test_a_status_page_offers_a_reader_what_changes_nothing(
    visit: tuple[Page, bool], reading_server: Server, model: str, state: str, buttons: list[str]
) -> None:
    page, operator = visit
    page.goto(f"{reading_server.api}status/demo/main/fake/{quote(model, safe='')}")
    page.wait_for_selector(f".docsfy-panel[data-state='{state}']")
    told = page.get_by_text(SENTENCE)
    if operator:
        page.get_by_role("button", name=buttons[0], exact=True).wait_for()
        assert (offered(page), told.is_visible()) == (buttons, False)
        return
    told.wait_for()
    assert offered(page) == []
    assert page.get_by_role("link", name="View documentation").count() == (state == "ready")
    look(page, f"read-only-{state}")


@pytest.mark.browser
def test_the_dashboard_offers_a_reader_no_new_run(visit: tuple[Page, bool], reading_server: Server) -> None:
    page, operator = visit
    page.goto(reading_server.api)
    page.get_by_role("button", name="Details of demo, fake/pages=2", exact=True).click()
    panel = page.locator(".docsfy-detail")
    if operator:
        page.get_by_role("button", name="New", exact=True).wait_for()
        panel.get_by_role("button", name="Regenerate").wait_for()
        assert not page.get_by_text(SENTENCE).first.is_visible()
        return
    panel.get_by_text(SENTENCE).wait_for()
    page.locator(".docsfy-board > p", has_text=SENTENCE).wait_for()
    assert offered(page) == []
    look(page, "read-only-board")


@pytest.mark.browser
def test_who_may_not_even_read_is_told_so_and_not_to_log_in(site_browser: Browser, shared_server: Server) -> None:
    refused = {"detail": "This user may not read documentation sets here.", "code": "not_permitted"}
    page = site_browser.new_page(extra_http_headers={"Authorization": f"token {shared_server.token}"})
    page.route("**/docsfy/api/*", lambda route: route.fulfill(status=403, json=refused))
    page.goto(f"{shared_server.api}status/demo/main/local/static")
    page.wait_for_selector(".docsfy-panel[data-state='refused']")
    assert page.locator(".docsfy-message").inner_text() == refused["detail"]
    page.goto(shared_server.api)
    page.get_by_text(refused["detail"]).wait_for()
    assert page.get_by_role("link", name="Log in").count() == 0
    page.close()


def test_clients_are_told_what_they_may_not_do_and_by_whom(reading_server: Server) -> None:
    with connect(reading_server.url, reading_server.token) as client:
        assert client.health()["may"] == ["read"]
        row = client.get("demo", "fake", HELD)
        for refused in (lambda: client.abort(row), lambda: client.generate("https://example.org/x"), lambda: client.delete(row)):
            with pytest.raises(NotPermitted, match=r"This user may not .* here: Jupyter's authorizer refuses"):
                refused()
        assert client.get(row).status.value == "generating"


def test_a_panels_button_by_way_of_the_kernel_says_why(reading_server: Server, panel_messages: list[Any]) -> None:
    with connect(reading_server.url, reading_server.token) as client:
        panel = StatusPanel("demo", "fake", HELD, client=client)
        with pytest.raises(NotPermitted, match="start, render or abort runs"):
            panel.abort()
        panel.close()


def test_a_header_of_health_tells_each_caller_their_rights(reading_server: Server) -> None:
    assert reading_server.call("GET", "health").headers["docsfy-may"] == "read"
    assert reading_server.call("GET", "health", headers=OPERATOR).headers["docsfy-may"] == "read, execute, write"
