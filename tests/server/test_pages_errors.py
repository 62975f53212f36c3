"""Who opens an address that leads nowhere reads a page; programs get JSON, as everywhere."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from browsing import Seen
from playwright.sync_api import expect
from servers import Server
from walking import MODEL, Walk, path_of

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SITE = f"docs/walk/main/fake/{quote(MODEL)}"
SAFE = "default-src 'none'; script-src 'self'"


def opened(server: Server, path: str) -> httpx.Response:
    return server.call("GET", path, headers=HTML)


@pytest.mark.parametrize("rest", ["nosuch.html", "a/b/nosuch.html", "%3Cscript%3Ealert(1)%3C/script%3E"])
def test_a_page_that_a_site_has_not_is_answered_with_the_site_s_own_page(walk: Walk, rest: str) -> None:
    answer = opened(walk.server, f"{SITE}/{rest}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"].startswith(SAFE)
    assert "<h1>Page not found</h1>" in answer.text
    assert "alert(1)" not in answer.text
    links = [link for link in re.findall(r' (?:href|src)="([^"#]+)"', answer.text) if "://" not in link]
    assert len(links) > 5
    for link in links:
        found = httpx.get(answer.url.join(link), headers={"Authorization": f"token {walk.server.token}"}, trust_env=False)
        assert found.status_code == 200, link


def test_a_program_and_what_a_page_loads_get_json_for_what_a_site_has_not(walk: Walk) -> None:
    for accept in ("*/*", "application/json", "image/avif,image/webp,*/*"):
        answer = walk.get(f"{SITE}/nosuch.html", headers={"Accept": accept})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.json()["detail"] == "The site has no 'nosuch.html'."


@pytest.mark.parametrize("path", ["nosuch", "docs/walk/fake/other/", "docs/walk", "status/x", "a<img src=x onerror=alert(1)>/b"])
def test_who_opens_an_address_that_leads_nowhere_reads_why_and_finds_the_way_back(walk: Walk, path: str) -> None:
    answer = opened(walk.server, path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"].startswith(SAFE)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert '<a href="/docsfy/">All documentation sets</a>' in answer.text
    assert "<h1>Page not found</h1><p>" in answer.text
    assert "<img" not in answer.text
    assert walk.get(path).json()["code"] == "not_found"


def test_who_opens_a_site_before_there_is_one_reads_so(walk: Walk) -> None:
    variant = ("siteless", "no-such-branch", "fake", "m")
    assert walk.generate(name="siteless", branch="no-such-branch", model="m").status_code == 202
    assert walk.server.ended(path_of(*variant))["status"] == "error"
    try:
        answer = opened(walk.server, f"docs/{'/'.join(variant)}/")
        assert answer.status_code == 409
        assert "<p>siteless/no-such-branch/fake/m has no site yet; generate it first.</p>" in answer.text
        assert walk.get(f"docs/{'/'.join(variant)}/").json()["code"] == "no_site"
    finally:
        assert walk.server.call("DELETE", path_of(*variant)).status_code == 200


@pytest.mark.parametrize("path", ["api/nosuch", "api", "api/projects/a/b/c", "api/variant", "assets/none"])
def test_below_api_every_answer_is_json_whatever_is_asked_for(walk: Walk, path: str) -> None:
    answer = opened(walk.server, path)
    assert answer.headers["content-type"].startswith("application/json")
    assert {"detail", "message", "code"} <= answer.json().keys()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_drawn_and_their_links_work(seen: Seen, walk: Walk, scheme: Any) -> None:
    page, server = seen.page, walk.server
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{server.api}?token={server.token}")  # the login, as a cookie
    page.goto(f"{server.api}nosuch/{'long' * 80}")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ("rgb(20, 23, 26)" if scheme == "dark" else "rgb(255, 255, 255)")
    page.set_viewport_size({"width": 375, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    page.get_by_role("link", name="All documentation sets").click()
    expect(page.get_by_role("heading", name="Documentation sets")).to_be_visible()
    page.goto(f"{server.api}{SITE}/deeper/nosuch.html")
    expect(page.locator("h1")).to_have_text("Page not found")
    page.locator(".search-input").fill("page")
    page.locator("#search-results a").first.click()
    expect(page.locator("h1")).not_to_have_text("Page not found")
    assert page.url.startswith(f"{server.api}{SITE}/page-")
    assert [text for text in seen.complaints if "404" not in text] == []
