"""JupyterLab and Notebook in a real browser: notebooks with real kernels; conftest.py makes the fixtures known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import nbformat
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Error, Locator, Page, Request
    from servers import Server

READY = """() => {
  const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
  const kernel = context?.session?.kernel;
  return Boolean(context?.isReady && kernel?.connectionStatus === "connected" && kernel.status === "idle");
}"""
# the front end's own commands: keys are lost while a loaded machine is still drawing
EXPOSED = ("--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True")
RUN = """index => {
  jupyterapp.shell.currentWidget.content.activeCellIndex = index;
  jupyterapp.commands.execute("notebook:run-cell");
}"""


@dataclass
class LabPage:
    """One notebook in a front end."""

    page: Page
    server: Server
    path: str
    posts: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._remember)
        self.page.on("pageerror", self._complain)
        self.page.on("dialog", lambda dialog: dialog.accept())

    def _remember(self, request: Request) -> None:
        """Keep what changes something: an estimate only asks."""
        if request.method == "POST" and "/docsfy/" in request.url:
            path = request.url.split("/docsfy/")[1].split("?")[0]
            if path != "api/estimate":
                self.posts.append(path)

    def _complain(self, error: Error) -> None:
        """Keep what the view complains of: a widget's module is a blob; the front ends have errors of their own."""
        if "blob:" in (error.stack or ""):
            self.complaints.append(f"{error.message}\n{error.stack}")

    def load(self, where: str = "lab/tree/{}?reset") -> None:
        """Open the notebook, and wait until its kernel can be used."""
        self.page.goto(self.server.url + where.format(self.path))
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
        self.page.wait_for_function(READY, timeout=90_000)

    def cell(self, index: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(index)

    def run(self, index: int) -> None:
        """Begin to run a cell."""
        self.page.evaluate(RUN, index)

    def text(self, index: int, seconds: float = 40) -> str:
        """Return what a cell printed, once it is done."""
        output = self.cell(index).locator(".jp-OutputArea-output pre").first
        output.wait_for(timeout=seconds * 1000)
        return output.inner_text().strip()

    def save(self) -> None:
        """Save the notebook, with what its cells show."""
        self.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")

    @property
    def panel(self) -> Locator:
        return self.page.locator(".docsfy-panel").first


@dataclass
class Lab:
    """A server with front ends, and the browser that looks at it."""

    server: Server
    browser: Browser
    home: Path
    login: Callable[[Page], None] | None = None

    @property
    def gate(self) -> Path:
        """The file that holds the fake provider where its model says ``hold=…``."""
        return self.home / "gate"

    def open(self, *cells: str, where: str = "lab/tree/{}?reset", **options: Any) -> LabPage:
        """Make a notebook and open it."""
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        path = self.home / "root" / f"book-{time.monotonic_ns()}.ipynb"
        nbformat.write(book, path)
        headers = {"Authorization": f"token {self.server.token}"} if self.server.token else {}
        context = self.browser.new_context(viewport={"width": 1200, "height": 1000}, **options)
        page = context.new_page()
        if self.login is not None:
            self.login(page)
        elif headers:
            page.goto(f"{self.server.url}api/status?token={self.server.token}")
        opened = LabPage(page, self.server, path.name)
        opened.load(where)
        return opened

    def close(self) -> None:
        """Close every page, and end every kernel."""
        for context in self.browser.contexts:
            context.close()
        for session in self.call("GET", "api/sessions").json() if self.server.token else []:
            self.call("DELETE", f"api/sessions/{session['id']}")

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask the Jupyter server itself."""
        headers = {"Authorization": f"token {self.server.token}"}
        return httpx.request(method, self.server.url + path, headers=headers, timeout=60, trust_env=False, **options)


@pytest.fixture
def lab(lab_server: Server, site_browser: Browser) -> Iterator[Lab]:
    """JupyterLab, without any kernel."""
    opened = Lab(lab_server, site_browser, lab_server.data_dir.parent)
    yield opened
    opened.close()
