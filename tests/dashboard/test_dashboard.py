"""The dashboard: what the server answers it, the overview page in a browser, and the widget's kernel side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from appearance import SCREENSHOTS, faults, violations
from browsing import Seen
from playwright.sync_api import Locator, Page, Route, expect
from relay import relay_to
from servers import Server, await_health, end, launch, make_demo_repo

from docsfy_jupyter import Dashboard, GenerationFailed, connect, view
from docsfy_jupyter.models import Status, Variant
from docsfy_jupyter.money import dollars
from docsfy_jupyter.screen import screen
from docsfy_jupyter.view import ASSETS, bundled, read_asset

HOSTILE = "pages=3,fail=page-2,x=<img src=x onerror=window.hit=1>"


@pytest.fixture(scope="module")
def board_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a complete variant and a failed one, whose model's name is hostile."""
    home = tmp_path_factory.mktemp("board")
    server = launch(home)
    try:
        await_health(server)
        with connect(server.url, server.token) as client:
            repo = make_demo_repo(home)
            client.wait(client.generate(repo, provider="local"))
            with pytest.raises(GenerationFailed):
                client.wait(client.generate(repo, provider="fake", model=HOSTILE))
        yield server
    finally:
        end(server)


def variant(count: int) -> Variant:
    """Return a row in work."""
    return Variant("demo", "main", "local", "static", "me", "/demo", Status.GENERATING, "", "", page_count=count)


def new_form(page: Page) -> Locator:
    """Open the form for a new run."""
    page.get_by_role("button", name="New").click()
    return page.get_by_role("form", name="New documentation")


def test_the_listing_draws_each_row_as_its_own_screen_does(board_server: Server) -> None:
    rows = board_server.call("GET", "api/projects?view=progress").json()["projects"]
    for row in rows:
        query = {"name": row["name"], "provider": row["ai_provider"], "model": row["ai_model"], "view": "progress"}
        alone = board_server.call("GET", "api/variant", params=query).json()
        assert row == {name: value for name, value in alone.items() if name != "log"}
    assert {row["label"] for row in rows} == {"Complete", "Failed"}


@pytest.mark.parametrize("name", ["dashboard.js", "panel.js"])
def test_a_bundled_module_imports_nothing_has_each_part_once_and_exports_one_default(name: str) -> None:
    text = bundled(name)
    assert not re.search(r"^\s*import ", text, re.MULTILINE)
    assert len(re.findall(r"^export default", text, re.MULTILINE)) == 1
    for part in ("class Watch", "class RunForm", "class LoginExpired", "class Panel", "function make("):
        assert text.count(part) == 1, part


@pytest.mark.parametrize(
    ("modules", "fault"),
    [
        ({"a.js": 'import { b } from "./b.js";\n', "b.js": 'import { a } from "./a.js";\n'}, "import each other: a → b → a"),
        ({"a.js": 'import * as b from "./b.js";\n'}, "cannot be joined: import \\* as b"),
        ({"a.js": 'import { b } from "./b.js";\n', "b.js": "export let b = 1;\n"}, "cannot be joined: export let b"),
    ],
)
def test_modules_that_cannot_be_bundled_are_refused(modules: dict[str, str], fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "read_asset", modules.__getitem__)
    with pytest.raises(ValueError, match=fault):
        bundled("a.js")


def test_every_asset_is_served_and_none_beside_them(board_server: Server) -> None:
    for name in ASSETS:
        answer = board_server.call("GET", f"assets/{name}")
        assert (answer.status_code, answer.text) == (200, read_asset(name))
        again = board_server.call("GET", f"assets/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304, "a page asks for each module anew, and is sent it once"
    assert board_server.call("GET", "assets/__init__.py").status_code == 404


@pytest.mark.browser
def test_the_overview_filters_opens_and_starts(board_server: Server, seen: Seen, tmp_path: Path) -> None:
    page = seen.page
    page.goto(f"{board_server.api}?token={board_server.token}")
    lines = page.locator("#docsfy-overview tbody tr")
    page.get_by_text("local/static").wait_for()
    assert lines.count() == 2
    assert page.evaluate("window.hit") is None
    assert page.get_by_text("onerror=window.hit").count() == 1

    page.get_by_label("Status").select_option("error")
    page.get_by_text("local/static").wait_for(state="detached")
    page.get_by_label("Status").select_option("")
    page.get_by_label("Search by name").fill("STATIC")
    page.get_by_text("onerror").wait_for(state="detached")
    page.get_by_label("Search by name").fill("")

    page.get_by_role("button", name="Details of demo, local/static").click()
    page.get_by_text("Documentation ready!").wait_for()
    assert page.get_by_role("link", name="View documentation").get_attribute("href", timeout=5000).endswith("/docs/demo/main/local/static/")  # type: ignore[union-attr]
    page.get_by_role("button", name="Details of demo, local/static").click()

    page.get_by_role("tab", name="Runs").click()
    page.get_by_text("1 of 3 pages failed").wait_for()
    page.keyboard.press("ArrowLeft")
    assert page.get_by_role("tab", name="Documentation").get_attribute("aria-selected") == "true"

    form = new_form(page)
    form.get_by_label("Repository").fill(str(make_demo_repo(tmp_path)))
    form.get_by_label("Name").fill("second")
    form.get_by_label("Cost limit").fill("2.5")
    page.keyboard.press("Tab")
    form.locator(".docsfy-foreseen").wait_for()
    with page.expect_request("**/api/generate") as sent:
        form.get_by_role("button", name="Generate").click()
    assert sent.value.post_data_json["max_cost_usd"] == 2.5
    page.get_by_text("Started second").wait_for()
    page.locator("tr", has_text="second").get_by_text("Complete").wait_for(timeout=60_000)
    # the name of the repository is taken as long as no other is given
    assert [text for text in seen.complaints if "404" not in text and "409" not in text] == []


@pytest.mark.browser
def test_a_row_is_deleted_by_its_panel_and_goes(board_server: Server, seen: Seen, tmp_path: Path) -> None:
    repo = make_demo_repo(tmp_path)
    with connect(board_server.url, board_server.token) as client, pytest.raises(GenerationFailed):
        client.wait(client.generate(repo, provider="local", name="mistyped", branch="mian"))
    page = seen.page
    page.goto(f"{board_server.api}?token={board_server.token}")
    page.get_by_role("button", name="Details of mistyped, local/static").click()
    panel = page.locator(".docsfy-detail")
    panel.get_by_role("button", name="Delete…").click()
    question = "Delete mistyped/mian/local/static? It has no pages and no site. The history of its runs stays."
    dialog = panel.get_by_role("alertdialog", name=question)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "dashboard-asked-to-delete.png", full_page=True, animations="disabled")
    dialog.get_by_role("button", name="Delete", exact=True).press("Enter")
    page.get_by_role("status").filter(has_text="Deleted mistyped/mian/local/static.").wait_for()
    page.locator("tr", has_text="mistyped").wait_for(state="detached")
    assert panel.count() == 0
    assert page.evaluate("document.activeElement.textContent") == "Details", "the focus is on the next row"
    assert board_server.call("GET", "api/projects/mistyped").status_code == 404
    page.get_by_role("tab", name="Runs").click()
    run = page.locator("tr", has_text="mistyped")
    run.wait_for()
    assert run.locator("td").last.inner_text() == "", "it was not even cloned, so it was neither free nor not"
    assert page.get_by_role("row").filter(has_text="Complete").first.locator("td").last.inner_text() == "free"
    # what a run of a branch that is not there would take is a 400, a variant that is gone a 404
    assert [text for text in seen.complaints if "400" not in text and "404" not in text] == []


@pytest.mark.browser
def test_a_row_that_was_deleted_elsewhere_goes_once_its_details_are_closed(board_server: Server, seen: Seen, tmp_path: Path) -> None:
    page = seen.page
    with connect(board_server.url, board_server.token) as client:
        row = client.wait(client.generate(make_demo_repo(tmp_path), provider="local", name="elsewhere"))
        page.goto(f"{board_server.api}?token={board_server.token}")
        button = page.get_by_role("button", name="Details of elsewhere, local/static")
        button.click()
        page.get_by_text("Documentation ready!").wait_for()
        client.delete(row)
    page.locator("#docsfy-overview tbody tr").first.filter(has_not_text="elsewhere").wait_for()  # what is not listed stands last
    line = page.locator("tr", has_text="elsewhere").first
    assert line.is_visible(), "who reads its details is not interrupted"
    button.press("Enter")
    line.wait_for(state="detached")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "tabpanel", "no row comes after it"


@pytest.mark.browser
def test_the_keyboard_stays_with_what_it_is_on_while_the_table_changes(board_server: Server, seen: Seen, tmp_path: Path) -> None:
    page = seen.page
    repo = make_demo_repo(tmp_path)

    def at(name: str) -> None:
        """Expect the focus on the Details of a row."""
        expect(page.get_by_role("button", name=f"Details of {name}, local/static")).to_be_focused()

    with connect(board_server.url, board_server.token) as client:
        for name in ("third", "middle"):
            client.wait(client.generate(repo, provider="local", name=name))
        page.goto(f"{board_server.api}?token={board_server.token}")
        page.get_by_role("button", name="Details of middle, local/static").focus()
        client.wait(client.generate(repo, provider="local", name="third", force=True))
        expect(page.locator("#docsfy-overview tbody tr").first).to_contain_text("third")  # it has changed places
        at("middle")
        page.get_by_role("button", name="Details of third, local/static").focus()
        client.delete("third")
        page.locator("tr", has_text="third").wait_for(state="detached")
        at("middle")  # the row that stands in its place
        form = new_form(page)
        form.get_by_label("Repository").fill(str(repo))
        form.get_by_label("Name").fill("third")
        page.route("**/api/generate", lambda route: (page.get_by_label("Search by name").focus(), route.fallback()), times=1)
        form.get_by_role("button", name="Generate").press("Enter")
        page.get_by_text("Started third").wait_for()
        expect(page.get_by_label("Search by name")).to_be_focused()  # it has gone on meanwhile
        client.wait(client.get("third"))
        form = new_form(page)
        form.get_by_label("Repository").fill(str(repo))
        form.get_by_label("Name").fill("fourth")
        form.get_by_role("button", name="Generate").press("Enter")
        page.get_by_text("Started fourth").wait_for()
        expect(page.get_by_role("button", name="New")).to_be_focused()
        client.wait(client.get("fourth"))
        for name in ("third", "middle", "fourth"):
            client.delete(name)


@pytest.mark.browser
def test_the_keyboard_goes_on_with_the_first_of_the_rows_that_were_asked_for(seen: Seen, board_server: Server) -> None:
    page = seen.page
    rows = [{**screen(variant(0)), "name": f"set-{number}", "branch": "main"} for number in range(120)]

    def listing(route: Route) -> None:
        limit = int(parse_qs(urlsplit(route.request.url).query)["limit"][0])
        route.fulfill(json={"projects": rows[:limit], "total": len(rows), "server": "s"}, headers={"Docsfy-Server": "s"})

    page.route("**/api/projects?*", listing)
    page.goto(f"{board_server.api}?token={board_server.token}")
    page.get_by_role("button", name="Show more (20 left)").press("Enter")
    expect(page.get_by_role("button", name="Details of set-100, local/static")).to_be_focused()


@pytest.mark.browser
def test_the_overview_says_what_is_wrong_with_a_new_one(board_server: Server, seen: Seen, tmp_path: Path) -> None:
    page = seen.page
    page.goto(f"{board_server.api}?token={board_server.token}")
    form = new_form(page)
    assert page.locator(".docsfy-primary:visible").all_text_contents() == ["Generate"], "one button stands out"
    form.get_by_label("Repository").fill(str(tmp_path / "nothing"))
    form.get_by_label("Repository").press("Tab")
    form.locator(".docsfy-foreseen.docsfy-bad", has_text="nothing").wait_for()
    form.get_by_role("button", name="Generate").click()
    page.locator(".docsfy-message.docsfy-bad", has_text="nothing").wait_for()
    form.locator(".docsfy-foreseen").wait_for(state="hidden")  # it stands above
    page.get_by_role("button", name="New").click()
    page.locator(".docsfy-message").first.wait_for(state="hidden")  # it was of a form that is gone
    assert "New" in page.locator(".docsfy-primary:visible").all_text_contents()


@pytest.mark.browser
def test_the_overview_makes_one_request_each_interval_and_fits_a_narrow_window(board_server: Server, seen: Seen) -> None:
    page = seen.page
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto(f"{board_server.api}?token={board_server.token}")
    page.get_by_text("local/static").first.wait_for()
    before = sum("/api/" in url for url in seen.requests)
    page.wait_for_timeout(7000)
    assert 1 <= sum("/api/" in url for url in seen.requests) - before <= 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_the_overviews_form_is_whole_and_can_be_read(board_server: Server, seen: Seen, axe: str, scheme: Any, width: int) -> None:
    page = seen.page
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{board_server.api}?token={board_server.token}")
    form = new_form(page)
    assert form.get_by_label("Credential variable").is_hidden(), "nothing is cloned yet"
    form.get_by_label("Repository").fill("https://github.com/owner/demo.git")
    form.get_by_label("Credential variable").fill("not a name")
    form.locator(".docsfy-foreseen").wait_for()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"dashboard-form-{scheme}-{width}.png", full_page=True, animations="disabled")
    assert faults(page) == []
    assert violations(page, axe, "html") == []
    assert form.evaluate("form => form.checkValidity()") is False
    form.get_by_label("Repository").fill("/nothing")
    assert form.evaluate("form => form.checkValidity()") is True, "a field that is gone holds nothing back"
    page.keyboard.press("Escape")
    assert form.is_hidden()


@pytest.mark.browser
def test_the_browser_writes_amounts_as_the_terminal_does(seen: Seen) -> None:
    load = "text => import(URL.createObjectURL(new Blob([text], {type: 'text/javascript'}))).then(({dollars}) => [%s].map(dollars))"
    amounts = (0.00001, 0.0042, 0.05, 0.0999, 0.1, 1.005, 12.345, 1234.5)
    assert seen.page.evaluate(load % str(list(amounts))[1:-1], bundled("dom.js")) == [dollars(amount) for amount in amounts]


@pytest.mark.browser
def test_modules_that_are_loaded_twice_into_a_page_give_different_ids(seen: Seen) -> None:
    load = "text => import(URL.createObjectURL(new Blob([text], {type: 'text/javascript'}))).then(module => module.uniqueId())"
    ids = [seen.page.evaluate(load, bundled("dom.js")) for _ in range(2)]
    assert len(set(ids)) == 2


def test_the_kernel_asks_for_the_form_and_sends_on_all_its_fields(
    board_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = []
    with connect(board_server.url, board_server.token) as client:
        board = Dashboard(client=client)
        monkeypatch.setattr(board, "send", answers.append)
        body = {"repo_path": str(make_demo_repo(tmp_path)), "name": "third", "ai_provider": "local", "max_cost_usd": -1}
        board._serve({"id": "1", "method": "GET", "path": "api/models"})
        board._serve({"id": "2", "method": "POST", "path": "api/estimate", "body": {**body, "max_cost_usd": 1}})
        board._serve({"id": "3", "method": "POST", "path": "api/estimate", "body": body})
        board.close()
    models, estimate, refused = answers
    assert "local" in models["data"]["providers"]
    assert estimate["data"]["free"] is True
    assert "max_cost_usd" in refused["error"]


def test_the_widget_has_text_forms_and_survives_without_a_server(board_server: Server) -> None:
    with connect(board_server.url, board_server.token) as client:
        board = Dashboard(client=client)
    still = board._still()
    assert "demo · local/static · ready" in still["text/plain"]
    assert "&lt;img src=x" in still["text/html"]
    assert board.server_id == board_server.call("GET", "health").headers["docsfy-server"]
    board.close()
    with relay_to(board_server.url) as way:
        url = way.url
    lost = Dashboard(client=connect(url, "none"))
    assert "No connection to" in lost._still()["text/plain"]
    lost.close()
