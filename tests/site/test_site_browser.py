"""The generated site in a real browser: from disk, and under a prefix with a strict policy."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from docsfy_jupyter.models import Plan, PlanGroup, PlanPage
from docsfy_jupyter.site.render import SiteJob, render_site

PAGES = ("index", "overview", "store", "hostile", "404")
pytestmark = pytest.mark.browser


def wait_for_diagrams(page: Page) -> None:
    """Wait until every diagram is drawn or given up."""
    page.wait_for_function(
        "() => [...document.querySelectorAll('pre.mermaid-source')].every(e => e.hidden || e.classList.contains('not-drawn'))",
        timeout=60_000,
    )


def test_search_finds_a_function_by_a_part_of_its_name_and_jumps_to_it(seen, address: str) -> None:
    page = seen.page
    page.goto(address + "overview.html")
    page.keyboard.press("/")
    page.keyboard.type("open_file", delay=15)
    expect(page.locator("#search-results a").first).to_contain_text("Store.open_file")
    for part in ("fil", "Store.open_file", "opn_file"):
        page.fill(".search-input", part)
        expect(page.locator("#search-results a", has_text="Store.open_file(path").first).to_be_visible()
    page.fill(".search-input", "total")
    expect(page.locator("#search-results a").first).to_contain_text("Store.total")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/store\.html#demo\.Store\.total$"))
    assert seen.complaints == []


def test_search_puts_the_symbol_of_that_name_before_what_belongs_to_it(seen, tmp_path: Path) -> None:
    source = tmp_path / "nodes.md"
    inner = "".join(f"### `Pow.m{i}` {{#n.Pow.m{i}}}\n\nDefined in n.\n\n" for i in range(3))
    inner += "".join(f"### `Node{i}` {{#n.Node{i}}}\n\nDefined in n, of all.\n\n" for i in range(60))
    source.write_text(f"# `n`\n\n{inner}## `Pow` {{#n.Pow}}\n\nDefined in nodes.py, line 9.\n", encoding="utf-8")
    plan = Plan(navigation=[PlanGroup(group="G", pages=[PlanPage(slug="nodes", title="nodes")])])
    render_site(SiteJob(plan, {"nodes": source}, {}, tmp_path / "out", "demo"))
    seen.page.goto((tmp_path / "out" / "nodes.html").as_uri())
    seen.page.keyboard.press("/")
    seen.page.fill(".search-input", "Pow defined")
    expect(seen.page.locator("#search-results a").first).to_have_attribute("href", re.compile(r"/nodes\.html#n\.Pow$"))


@pytest.mark.case("S01")
def test_every_page_loads_without_errors_and_asks_no_other_host(seen, address: str) -> None:
    for name in PAGES:
        seen.page.goto(f"{address}{name}.html")
        wait_for_diagrams(seen.page)
    assert [complaint for complaint in seen.complaints if "Content Security Policy" not in complaint] == []
    assert [url for url in seen.requests if not url.startswith((address, "data:"))] == []


@pytest.mark.case("S04")
def test_a_diagram_is_drawn_and_a_bad_one_only_spoils_itself(seen, address: str) -> None:
    seen.page.goto(address + "overview.html")
    wait_for_diagrams(seen.page)
    expect(seen.page.locator(".diagram svg")).to_have_count(1)
    bad = seen.page.locator("pre.mermaid-source.not-drawn")
    expect(bad).to_have_count(1)
    expect(bad).to_contain_text('A[inlet()] -->|doc()| B["x\\ny"]')


def test_no_script_of_a_page_runs(seen, address: str) -> None:
    seen.page.goto(address + "hostile.html")
    wait_for_diagrams(seen.page)
    for link in seen.page.locator("article.text a:not([href^='http'])").all():
        link.dispatch_event("click")
    for link in seen.page.locator(".diagram svg a").all():
        link.dispatch_event("click")
    assert seen.page.evaluate("window.pwned") is None
    assert seen.page.url.startswith(address)
    expect(seen.page.locator("article.text")).to_contain_text("The end of the page.")


@pytest.mark.parametrize("name", PAGES)
def test_a_narrow_screen_never_scrolls_sideways(seen, served: str, name: str) -> None:
    seen.page.set_viewport_size({"width": 320, "height": 640})
    seen.page.goto(f"{served}{name}.html")
    wait_for_diagrams(seen.page)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 320


def test_the_drawer_opens_and_closes_on_a_narrow_screen(seen, served: str) -> None:
    seen.page.set_viewport_size({"width": 320, "height": 640})
    seen.page.goto(served + "store.html")
    side = seen.page.locator("nav.side")
    expect(side).to_be_hidden()
    seen.page.click(".menu-button")
    expect(side).to_be_visible()
    seen.page.keyboard.press("Escape")
    expect(side).to_be_hidden()


def test_the_theme_follows_the_system_and_then_the_toggle(seen, address: str) -> None:
    page = seen.page
    dark: Callable[[], bool] = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 29)"  # noqa: E731
    page.emulate_media(color_scheme="dark")
    page.goto(address + "store.html")
    assert dark()
    page.click(".theme-toggle")
    assert not dark()
    page.reload()
    assert not dark()


def test_a_copy_button_copies_the_code_alone(seen, served: str) -> None:
    seen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    seen.page.goto(served + "overview.html")
    seen.page.locator(".code").first.hover()
    seen.page.locator(".copy").first.click()
    expect(seen.page.locator(".copy").first).to_have_text("Copied")
    assert seen.page.evaluate("navigator.clipboard.readText()").strip() == "pip install demo"


def test_the_site_works_without_storage(seen, served: str) -> None:
    seen.page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no'); } })")
    seen.page.goto(served + "overview.html")
    seen.page.click(".theme-toggle")
    wait_for_diagrams(seen.page)
    assert seen.complaints == []
