"""A real browser for tests that look at pages; conftest.py makes the fixtures known."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def site_browser() -> Iterator[Browser]:
    """Start Chromium; for a module at a time, since Playwright keeps an event loop running in this thread meanwhile."""
    program = shutil.which("chromium")
    if program is None:
        message = "no chromium on this machine"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with pytest.importorskip("playwright.sync_api").sync_playwright() as playwright:
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
