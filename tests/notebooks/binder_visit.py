"""What a visitor of Binder does, in a process of its own: start the server, open the notebook, run it, open the site.

Arguments: the checkout, the folder of the environment, the home folder, a picture to write. Prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import psutil
from browsing import ARGUMENTS
from playwright.sync_api import Page, sync_playwright
from servers import free_port

TOKEN = "a-visitors-token"
BASE = "/user/demo@x/"
LABPATH = "notebooks/01_quickstart.ipynb"


class Memory(threading.Thread):
    """Watches what a server needs together with all of its children: kernels, workers, git."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.server = psutil.Process(pid)
        self.peak = 0
        self.parts: dict[str, int] = {}

    def run(self) -> None:
        """Look five times a second; what is shared between processes counts once for each, so this is an upper bound."""
        while self.server.is_running():
            parts: dict[str, int] = {}
            for process in (self.server, *self.server.children(recursive=True)):
                try:
                    parts[f"{process.name()}-{process.pid}"] = process.memory_info().rss
                except psutil.Error:
                    continue
            if sum(parts.values()) > self.peak:
                self.peak, self.parts = sum(parts.values()), parts
            time.sleep(0.2)


def start(checkout: Path, environment: Path, home: Path, port: int) -> subprocess.Popen[bytes]:
    """Start JupyterLab as Binder's hub does, through ``binder/start``."""
    command = [
        str(checkout / "binder" / "start"), "jupyter", "lab", "--ip=127.0.0.1", f"--port={port}", "--no-browser", "--allow-root",
        f"--ServerApp.base_url={BASE}", f"--IdentityProvider.token={TOKEN}", "--ServerApp.port_retries=0",
    ]  # fmt: skip
    env = {
        "PATH": f"{environment / 'bin'}:{os.environ['PATH']}", "HOME": str(home), "LANG": "C.UTF-8", "TMPDIR": str(home / "tmp"),
        "BINDER_LAUNCH_HOST": "https://binder.invalid/", "BINDER_REF_URL": "https://repository.invalid/",
    }  # fmt: skip
    with (home / "server.log").open("wb") as log:
        return subprocess.Popen(command, cwd=checkout, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def await_server(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait for the extension's first answer."""
    end = time.monotonic() + 150
    while time.monotonic() < end and server.poll() is None:
        try:
            if httpx.get(f"{url}docsfy/health?token={TOKEN}", trust_env=False, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit("the server did not start")


def visit(page: Page, url: str) -> dict[str, object]:
    """Open the notebook, run all of it, follow its link."""
    page.goto(f"{url}lab/tree/{LABPATH}?token={TOKEN}")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)  # sooner, Lab would ask for a kernel
    began = time.monotonic()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    # what was committed has numbers and outputs already; only a live panel is new
    page.get_by_role("link", name="View documentation").or_(page.get_by_role("button", name="View documentation")).wait_for(timeout=60_000)
    ready = time.monotonic() - began
    page.locator(".jp-CodeCell").last.locator(".jp-InputPrompt", has_text=re.compile(r"\[\d+\]")).wait_for(timeout=60_000)
    outputs = " ".join(page.locator(".jp-OutputArea-output").all_inner_texts())
    link = page.get_by_role("link", name=re.compile("Open the documentation of bakery"))
    link.scroll_into_view_if_needed()
    with page.expect_popup() as opened:
        link.click()
    opened.value.wait_for_load_state()
    return {
        "seconds_to_ready": round(ready, 1), "outputs": outputs, "site": opened.value.url, "title": opened.value.title(),
        "live_panels": page.locator("section.docsfy-panel").count(),
    }  # fmt: skip


def main(checkout: Path, environment: Path, home: Path, picture: Path) -> None:
    """Do all of it."""
    (home / "tmp").mkdir(parents=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}{BASE}"
    server = start(checkout, environment, home, port)
    memory = Memory(server.pid)
    memory.start()
    try:
        await_server(url, server)
        with sync_playwright() as playwright:
            program = shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS, "--disable-sync"])
            page = browser.new_page(viewport={"width": 1280, "height": 1400})
            try:
                found = visit(page, url)
            finally:
                page.screenshot(path=picture)
                browser.close()
    finally:
        server.terminate()
        server.wait(30)
    print(json.dumps({**found, "peak_bytes": memory.peak, "parts": memory.parts, "exit": server.returncode}))


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:5]))
