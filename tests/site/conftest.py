"""The sample site, rendered once, and a browser that looks at it."""

from __future__ import annotations

import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from docsfy_jupyter.models import Plan
from docsfy_jupyter.site.render import RenderReport, SiteJob, render_site

DATA = Path(__file__).parent.parent / "data" / "site"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478da6364f8cf500f0003860181e3a2cc3c0000000049454e44ae426082"
)
PREFIX = "/user/a@b/files/demo/site/"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'"
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]


def sample_job(out: Path, folder: Path) -> SiteJob:
    """Return the job of the sample site; `folder` gets its image."""
    logo = folder / "logo.png"
    logo.write_bytes(PIXEL)
    pages = {slug: DATA / f"{slug}.md" for slug in ("overview", "store", "hostile")}
    plan = Plan.model_validate_json((DATA / "plan.json").read_text(encoding="utf-8"))
    texts = {"branch": "main", "commit": "0123456789abcdef", "provider": "local", "model": "static"}
    made = "2026-01-02T03:04:05+00:00"
    return SiteJob(
        plan, pages, {"docs/my logo.png": logo}, out, "demo", plan.tagline, "https://example.org/demo", generated_at=made, **texts
    )


@dataclass
class Sample:
    """The rendered sample."""

    path: Path
    report: RenderReport

    def read(self, name: str) -> str:
        """Return a file of the site."""
        return (self.path / name).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Render the sample site once."""
    folder = tmp_path_factory.mktemp("sample")
    job = sample_job(folder / "site", folder)
    return Sample(job.out, render_site(job))


class _Prefixed(http.server.SimpleHTTPRequestHandler):
    """Serves the site under the prefix alone, with the policy of a careful server."""

    def translate_path(self, path: str) -> str:
        """Map an address to a file; anything outside the prefix is missing."""
        clean = unquote(path.split("?")[0])
        return super().translate_path("/" + clean[len(PREFIX) :]) if clean.startswith(PREFIX) else "/nonexistent"

    def end_headers(self) -> None:
        """Add the policy."""
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture(scope="session")
def served(sample: Sample) -> Iterator[str]:
    """Serve the sample; yield its address with the prefix."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Prefixed, directory=str(sample.path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def site_browser() -> Iterator[Browser]:
    """Start Chromium."""
    program = shutil.which("chromium")
    if program is None:
        message = "no chromium on this machine"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS, "--disable-sync"])
        yield browser
        browser.close()


@dataclass
class Seen:
    """A browser page, and what it asked for and complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def seen(site_browser: Browser) -> Iterator[Seen]:
    """Open a page that records requests, console errors and exceptions."""
    context = site_browser.new_context(viewport={"width": 1280, "height": 850})
    found = Seen(context.new_page())

    def remember(request: Request) -> None:
        found.requests.append(request.url)

    found.page.on("request", remember)
    found.page.on("console", lambda message: found.complaints.append(message.text) if message.type == "error" else None)
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    yield found
    context.close()


@pytest.fixture(params=["file", "http"])
def address(request: pytest.FixtureRequest, sample: Sample, served: str) -> str:
    """Give the site's address, from disk and under a prefix."""
    return sample.path.as_uri() + "/" if request.param == "file" else served
