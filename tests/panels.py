"""What tests of the panel share: panels in this process, a counted way to the server, notebooks for a real kernel.

conftest.py makes the fixtures known.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import comm
import nbformat
import pytest
from comm.base_comm import BaseComm
from relay import Relay, relay_to

from docsfy_jupyter import DocsfyClient, StatusPanel, connect
from docsfy_jupyter.widgets.kernel import kernel_panels

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route
    from servers import Server


def needs(*packages: str) -> None:
    """Skip a test whose front ends are not installed; where tests decide (CI) that is a failure."""
    if missing := [name for name in packages if find_spec(name) is None]:
        message = f"not installed: {', '.join(missing)}"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


def until(true: Callable[[], object], what: str = "", seconds: float = 30) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.02)


def poll_threads() -> list[str]:
    """Return the names of the threads that poll."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("docsfy ")]


@pytest.fixture
def panel_relay(shared_server: Server) -> Iterator[Relay]:
    """A counted way to the shared server."""
    with relay_to(shared_server.url) as way:
        yield way


@pytest.fixture
def panel_client(panel_relay: Relay, shared_server: Server) -> Iterator[DocsfyClient]:
    """A client whose requests are counted."""
    with connect(panel_relay.url, shared_server.token) as opened:
        yield opened


@pytest.fixture
def panel_messages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What widgets of this process say to their views: (kind, data)."""
    said: list[tuple[str, Any]] = []

    class Heard(BaseComm):
        def publish_msg(self, msg_type: str, data: Any = None, *args: Any, **more: Any) -> None:
            said.append((msg_type, data))

    monkeypatch.setattr(comm, "create_comm", Heard)
    return said


@pytest.fixture
def show(panel_client: DocsfyClient) -> Iterator[Callable[..., StatusPanel]]:
    """Make panels, by the counted way; they are closed at the end, and nothing of them is left."""
    kernel_panels.cache_clear()
    made: list[StatusPanel] = []

    def make(name: str, model: str, provider: str = "fake", **options: Any) -> StatusPanel:
        made.append(StatusPanel(name, provider, model, **{"client": panel_client, "poll_interval": 1, **options}))
        return made[-1]

    yield make
    for panel in made:
        panel.close()
    made.clear()
    until(lambda: not poll_threads(), "threads end")
    kernel_panels.cache_clear()


@pytest.fixture
def notebook(shared_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Write a notebook whose kernel will find the shared server."""
    monkeypatch.setenv("DOCSFY_JUPYTER_URL", shared_server.url)
    monkeypatch.setenv("DOCSFY_JUPYTER_TOKEN", shared_server.token)

    def write(*cells: str) -> Path:
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = tmp_path / "in.ipynb"
        nbformat.write(book, path)
        return path

    return write


ESTIMATE = {
    "free": False,
    "text": "At most 12 pages, at most $1.25, at most 4 min; by its own history. Less where sources have not changed.",
    "question": "Write all 12 pages of demo anew with claude/sonnet, and pay for them? The last time 12 cost $1.30.",
}


@dataclass
class StatusPage:
    """A real status page in a browser, whose polls get the answers that a test gives."""

    page: Page
    url: str
    status: int = 200
    body: dict[str, Any] = field(default_factory=dict)
    asked: int = 0
    complaints: list[str] = field(default_factory=list)
    estimate: dict[str, Any] = field(default_factory=lambda: dict(ESTIMATE))
    estimated: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, route: Route) -> None:
        self.asked += 1
        if self.status == 0:
            route.abort()
        else:
            route.fulfill(status=self.status, json=self.body, headers={"Docsfy-Server": "s"})

    def foresee(self, route: Route) -> None:
        """Answer what a run would take."""
        self.estimated.append(route.request.post_data_json)
        route.fulfill(status=200, json=self.estimate)

    def then(self, status: int, body: dict[str, Any] | None = None) -> None:
        """Answer so from now on; 0 is no answer at all."""
        self.status, self.body = status, body or {}

    def show(self, body: dict[str, Any], status: int = 200) -> None:
        """Open the page anew with an answer."""
        self.then(status, body)
        self.page.goto(self.url)
        self.page.wait_for_selector(".docsfy-panel:not([data-state='loading'])")

    def poll(self, times: int = 1) -> None:
        """Let the page's clock run until it has polled some times more."""
        for _ in range(times):
            before = self.asked
            while self.asked == before:
                self.page.clock.run_for(1000)
            self.page.wait_for_timeout(30)


@pytest.fixture
def open_status(site_browser: Browser, shared_server: Server) -> Iterator[Callable[..., StatusPage]]:
    """Open status pages: open_status(dark=True, width=320)."""
    contexts = []

    def open_one(*, dark: bool = False, width: int = 900, path: str = "demo/main/local/static") -> StatusPage:
        context = site_browser.new_context(
            color_scheme="dark" if dark else "light",
            viewport={"width": width, "height": 800},
            locale="en-GB",
            timezone_id="UTC",
            extra_http_headers={"Authorization": f"token {shared_server.token}"},
        )
        contexts.append(context)
        shown = StatusPage(context.new_page(), f"{shared_server.url}docsfy/status/{path}")
        shown.page.clock.install(time="2026-11-25T10:42:30Z")
        shown.page.route("**/api/variant?*", shown.answer)
        shown.page.route("**/api/estimate", shown.foresee)
        shown.page.on("pageerror", lambda error: shown.complaints.append(str(error)))
        return shown

    yield open_one
    for context in contexts:
        context.close()
