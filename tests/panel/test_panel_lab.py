"""The panel in JupyterLab and Notebook 7, with real kernels: busy, restarted, gone; reloaded; run again and again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from appearance import SCREENSHOTS, faults, violations
from jupyter_server.auth import passwd
from lab import EXPOSED, Lab, LabPage
from panels import needs, until
from playwright.sync_api import Browser, Page, expect
from relay import relay_to
from servers import Server, end, launch

pytestmark = pytest.mark.browser
SLOW = 60_000  # milliseconds that a loaded machine is given


def panel_cell(name: str, model: str, repo: Path | None = None, **options: object) -> str:
    """Return the code of a cell that shows a panel, of a run that it starts where `repo` is given."""
    begin = f"docsfy_jupyter.connect().generate({str(repo)!r}, provider='fake', model={model!r}, name={name!r})\n" if repo else ""
    more = "".join(f", {key}={value!r}" for key, value in options.items())
    return f"import docsfy_jupyter\n{begin}docsfy_jupyter.StatusPanel({name!r}, 'fake', {model!r}{more})"


def row(lab: Lab, name: str, model: str) -> dict[str, object]:
    found: dict[str, object] = lab.server.call(
        "GET", "api/variant", params={"name": name, "provider": "fake", "model": model}
    ).json()
    return found


def status_is(page: LabPage, status: str) -> None:
    expect(page.panel).to_have_attribute("data-state", status, timeout=SLOW)


@pytest.mark.case("W05")
def test_a_run_is_followed_live_over_a_reload_of_the_page_to_its_end(lab: Lab, shared_repo: Path, axe: str) -> None:
    model = "pages=8,hold=page-8"
    lab.gate.touch()
    page = lab.open(panel_cell("live", model, shared_repo))
    page.run(0)
    status_is(page, "generating")
    expect(page.panel.locator(".docsfy-numbers")).to_contain_text("/ 8 pages", timeout=SLOW)
    still = page.page.locator(".docsfy-still").first
    expect(still).to_be_attached()
    expect(still).to_be_hidden()
    assert violations(page.page, axe, ".docsfy-panel") == []
    assert faults(page.page) == []
    page.save()
    for _ in range(3):  # ipywidgets gives a kernel few seconds to name its widgets, which a loaded machine may need
        page.load("lab/tree/{}")
        page.page.wait_for_selector(".docsfy-panel, :text('model not found')", timeout=SLOW)
        if page.panel.count():
            break
    status_is(page, "generating")
    expect(page.panel.locator(".docsfy-numbers")).to_contain_text("7 / 8 pages", timeout=SLOW)
    lab.gate.unlink()
    status_is(page, "ready")
    expect(page.panel.get_by_role("link", name="View documentation")).to_be_visible()
    expect(page.panel.get_by_role("log")).to_contain_text("Documentation ready!")
    in_row = "info => info.children[0].offsetTop === info.children[1].offsetTop"
    assert page.panel.locator(".docsfy-info").evaluate(in_row), "JupyterLab's own rules for lists do not reach in"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.page.screenshot(path=SCREENSHOTS / "panel-lab.png")
    assert page.complaints == []


@pytest.mark.case("W02", "W03")
def test_five_quick_clicks_abort_once_while_a_cell_is_busy(lab: Lab, shared_repo: Path) -> None:
    model = "pages=2,sleep=90,children=1"
    page = lab.open(panel_cell("busy", model, shared_repo), "import time; time.sleep(20); print('slept')")
    page.run(0)
    status_is(page, "generating")
    page.run(1)
    expect(page.cell(1).locator(".jp-InputPrompt")).to_have_text("[*]:")
    page.panel.get_by_role("button", name="Abort").click()
    button = page.panel.get_by_role("button", name="Abort run")
    expect(button).to_be_visible()
    begin = time.monotonic()
    button.evaluate("button => { for (let i = 0; i < 5; i++) button.click(); }")
    status_is(page, "aborted")
    taken = time.monotonic() - begin
    expect(page.cell(1).locator(".jp-InputPrompt")).to_have_text("[*]:")
    print(f"aborted {taken:.2f} s after the click")
    assert taken < 5, "within a second on a machine of one's own"
    assert page.posts == ["api/variant/abort"]
    assert row(lab, "busy", model)["status"] == "aborted"


def test_a_panel_goes_on_by_itself_when_its_kernel_is_restarted(lab: Lab, shared_repo: Path) -> None:
    model = "pages=6,hold=page-6"
    lab.gate.touch()
    page = lab.open(panel_cell("restarted", model, shared_repo, poll_interval=1))
    page.run(0)
    expect(page.panel.locator(".docsfy-numbers")).to_contain_text("/ 6 pages", timeout=SLOW)
    kernel = lab.call("GET", "api/kernels").json()[0]["id"]
    assert lab.call("POST", f"api/kernels/{kernel}/restart").status_code == 200
    time.sleep(4)  # the kernel is silent for three intervals
    status_is(page, "generating")
    lab.gate.unlink()
    status_is(page, "ready")
    assert page.posts == []


@pytest.mark.case("W04")
def test_a_cell_that_is_run_twenty_times_leaves_one_poller_and_one_panel(lab: Lab, shared_repo: Path) -> None:
    with relay_to(lab.server.url) as way:
        show = (
            f"import docsfy_jupyter\nclient = docsfy_jupyter.connect({way.url!r}, {lab.server.token!r})\n"
            "docsfy_jupyter.StatusPanel('twenty', 'fake', 'plansleep=90', client=client)"
        )
        start = f"import docsfy_jupyter; docsfy_jupyter.connect().generate({str(shared_repo)!r}, provider='fake', model='plansleep=90', name='twenty').status"
        left = (
            "import gc, threading; from ipywidgets.widgets.widget import _instances; gc.collect()\n"
            "print(sum(t.name.startswith('docsfy ') for t in threading.enumerate()), len(_instances))"
        )
        page = lab.open(start, show.replace("client = ", "client = globals().get('client') or "), left)
        page.run(0)
        expect(page.cell(0).locator(".jp-InputPrompt")).to_have_text("[1]:", timeout=SLOW)
        for _ in range(20):
            page.run(1)
        expect(page.cell(1).locator(".jp-InputPrompt")).to_have_text("[21]:", timeout=SLOW)
        status_is(page, "generating")
        page.run(2)
        assert page.text(2) == "1 2"
        before = way.count()
        time.sleep(6.5)
        assert 1 <= way.count() - before <= 3, "one request every three seconds"
        assert lab.server.call("POST", "api/projects/twenty/fake/plansleep=90/abort").status_code == 200


@pytest.mark.case("W03", "W05")
def test_what_is_not_there_yet_is_generated_by_one_request_and_shown_after_the_kernels_end(lab: Lab, shared_repo: Path) -> None:
    page = lab.open(panel_cell("new", "pages=2,sleep=0.5"))
    page.run(0)
    status_is(page, "missing")
    expect(page.panel).to_contain_text("Not generated yet")
    page.panel.get_by_label("Repository").fill(str(shared_repo))
    generate = page.panel.get_by_role("button", name="Generate")
    generate.evaluate("button => { for (let i = 0; i < 5; i++) button.click(); }")
    status_is(page, "ready")
    assert page.posts == ["api/generate"]
    assert row(lab, "new", "pages=2,sleep=0.5")["page_count"] == 2
    expect(page.page.locator(".docsfy-still").first).to_contain_text("ready · 2 / 2 pages", timeout=SLOW)
    page.save()
    for session in lab.call("GET", "api/sessions").json():
        lab.call("DELETE", f"api/sessions/{session['id']}")
    page.load()
    last = page.page.locator(".docsfy-still").first
    expect(last).to_be_visible(timeout=SLOW)
    expect(last).to_contain_text("ready · 2 / 2 pages")
    expect(last).to_contain_text("as of ")


def test_without_the_pages_own_server_the_kernel_carries_out_what_is_clicked(lab: Lab, shared_repo: Path) -> None:
    page = lab.open(panel_cell("fallback", "plansleep=90", shared_repo))
    page.page.evaluate("document.getElementById('jupyter-config-data').remove()")
    page.run(0)
    status_is(page, "generating")
    page.panel.get_by_role("button", name="Abort").click()
    page.panel.get_by_role("button", name="Abort run").click()
    status_is(page, "aborted")
    page.panel.get_by_role("button", name="Delete…").click()
    page.panel.get_by_role("button", name="Delete", exact=True).click()
    status_is(page, "deleted")
    assert row(lab, "fallback", "plansleep=90")["code"] == "not_found"
    assert page.posts == []


@pytest.fixture
def password_server(tmp_path: Path) -> Iterator[Server]:
    """A server as a hub starts it, under a prefix, that knows a password and no token."""
    needs("jupyterlab")
    secret = f"--PasswordIdentityProvider.hashed_password={passwd('secret', 'sha1')}"
    server = launch(tmp_path, secret, *EXPOSED, token="", base_url="/user/a@b/", frontends=["jupyterlab"])

    def answers() -> bool:
        try:
            return httpx.get(f"{server.url}login", trust_env=False).is_success
        except httpx.TransportError:
            return False

    until(answers, "the server starts", 90)
    yield server
    end(server)


def test_a_server_with_a_prefix_and_only_a_password_is_no_different(
    password_server: Server, site_browser: Browser, shared_repo: Path, tmp_path: Path
) -> None:
    def login(page: Page) -> None:
        page.goto(f"{password_server.url}login")
        page.fill("input[name=password]", "secret")
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "login" not in url)

    lab = Lab(password_server, site_browser, tmp_path, login)
    page = lab.open(panel_cell("prefixed", "plansleep=90", shared_repo))
    page.run(0)
    status_is(page, "generating")
    page.panel.get_by_role("button", name="Abort").click()
    page.panel.get_by_role("button", name="Abort run").click()
    status_is(page, "aborted")
    assert page.posts == ["api/variant/abort"]
    lab.close()


def test_notebook_7_shows_a_run_to_its_end(lab: Lab, shared_repo: Path) -> None:
    needs("notebook")
    page = lab.open(panel_cell("seven", "pages=2,sleep=1", shared_repo), where="notebooks/{}")
    page.run(0)
    status_is(page, "ready")
    expect(page.page.locator(".docsfy-still").first).to_be_hidden()
    assert faults(page.page) == []
    assert page.complaints == []
