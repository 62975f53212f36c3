"""How a site looks and how it is used without a mouse, without scripts, on paper: measured in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browsing import Seen
from playwright.sync_api import Browser, Page, expect

from docsfy_jupyter.models import Plan, PlanGroup, PlanPage
from docsfy_jupyter.site.render import SiteJob, render_site

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parent.parent.parent
DATA = ROOT / "tests" / "data" / "site"
LONG = "docsfy_jupyter.providers.local.project_pages"

# Every piece of text with its colour and what is really behind it: the nearest ancestors' backgrounds laid over each other.
CONTRASTS = """
() => {
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (element) => element ? over(parse(getComputedStyle(element).backgroundColor), behind(element.parentElement)) : [255, 255, 255, 1];
  const faded = (element) => element ? Number(getComputedStyle(element).opacity) * faded(element.parentElement) : 1;
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({ visibilityProperty: true }) || element.closest("svg, script, .skip") || !faded(element)) continue;
    const style = getComputedStyle(element), ground = behind(element), ink = parse(style.color);
    const [a, b] = [light(over([...ink.slice(0, 3), ink[3] * faded(element)], ground)), light(ground)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    found.push({ text: walker.currentNode.data.trim().slice(0, 40), of: element.tagName + "." + element.className, ratio: (a + 0.05) / (b + 0.05), enough: large ? 3 : 4.5 });
  }
  return found;
}
"""


@pytest.fixture(scope="session")
def look(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Render a site that is hard to show well; its address on disk."""
    folder = tmp_path_factory.mktemp("look")
    source = folder / "other.md"
    source.write_text("# Other\n\nSome text.\n\n## Part\n\nMore.\n", encoding="utf-8")
    title = (DATA / "look.md").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    modules = [PlanPage(slug=f"api-{number}", title=f"{LONG}.module_{number}") for number in range(45)]
    groups = [
        PlanGroup(group="Getting started", pages=[PlanPage(slug="other", title="Other", description="The other page."), PlanPage(slug="absent", title="Absent")]),
        PlanGroup(group="Guides", pages=[PlanPage(slug="look", title=title, description="All that is hard to show.", related=["other", "api-7"])]),
        PlanGroup(group="API reference: docsfy_jupyter.providers.local", pages=modules),
    ]  # fmt: skip
    plan = Plan(project_name="demo", tagline="A site that is hard to show well.", navigation=groups)
    pages = {page.slug: source for page in plan.pages() if page.slug != "absent"} | {"look": DATA / "look.md"}
    texts = {"repo_url": "https://example.org/demo", "branch": "main", "commit": "0123456789abcdef", "provider": "local", "model": "static"}
    job = SiteJob(plan, pages, {}, folder / "site", "demo", plan.tagline, generated_at="2026-01-02T03:04:05+00:00", **texts)
    render_site(job)
    return (folder / "site").as_uri() + "/"


def contrasts(page: Page) -> list[dict[str, Any]]:
    """Return what is written on the page with less contrast than WCAG AA asks for; there must be something to measure."""
    found: list[dict[str, Any]] = page.evaluate(CONTRASTS)
    assert len(found) >= 10
    return [{**text, "ratio": round(text["ratio"], 2)} for text in found if text["ratio"] < text["enough"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["look", "index", "404"])
def test_every_text_has_the_contrast_of_aa(seen: Seen, look: str, name: str, scheme: Any) -> None:
    seen.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    seen.page.goto(f"{look}{name}.html")
    assert contrasts(seen.page) == []
    seen.page.keyboard.press("/")
    seen.page.keyboard.type("text")
    expect(seen.page.locator("#search-results a").first).to_be_visible()
    assert contrasts(seen.page) == []


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_are_taken_and_nothing_sticks_out(seen: Seen, look: str, width: int, scheme: Any) -> None:
    folder = ROOT / "build" / "screenshots"
    seen.page.emulate_media(color_scheme=scheme)
    seen.page.set_viewport_size({"width": width, "height": 900})
    for name in ("look", "index", "api-7"):
        seen.page.goto(f"{look}{name}.html")
        seen.page.screenshot(path=folder / f"site-{name}-{scheme}-{width}.png", full_page=name == "look")
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


FOCUS = """() => {
  const style = getComputedStyle(document.activeElement);
  return { shown: parseFloat(style.outlineWidth) > 0 && style.outlineStyle !== "none", text: document.activeElement.textContent.trim() };
}"""


def test_the_keyboard_reaches_everything_and_one_sees_where_it_is(seen: Seen, look: str) -> None:
    page = seen.page
    page.goto(look + "look.html")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUS) == {"shown": True, "text": "Skip to content"}
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content-main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
    hidden = []
    for _ in range(30):
        found = page.evaluate(FOCUS)
        hidden += [] if found["shown"] else [found["text"]]
        page.keyboard.press("Tab")
    assert hidden == []


def test_search_is_used_without_a_mouse(seen: Seen, look: str) -> None:
    page = seen.page
    page.goto(look + "look.html")
    page.keyboard.press("/")
    field = page.locator(".search-input")
    expect(field).to_be_focused()
    page.keyboard.type("module_7")
    expect(page.locator("#search-results a").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    chosen = page.locator("#search-results a[aria-selected='true']")
    expect(chosen).to_have_count(1)
    assert field.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    page.keyboard.press("Escape")
    expect(page.locator("#search-results")).to_be_hidden()
    page.fill(".search-input", "open_file")
    expect(page.locator("#search-results a").first).to_contain_text("Store.open_file")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/look.html#m.open_file")


def test_a_permalink_shows_where_one_points_or_stands_and_nowhere_else(seen: Seen, look: str) -> None:
    page = seen.page
    page.emulate_media(reduced_motion="reduce")
    page.goto(look + "look.html")
    shown = "() => [...document.querySelectorAll('.text .anchor')].map((e) => [e.hash, getComputedStyle(e).opacity]).filter((e) => e[1] !== '0').map((e) => e[0])"
    assert page.evaluate(shown) == []
    page.locator("#lists").hover()
    assert page.evaluate(shown) == ["#lists"]
    page.mouse.move(0, 0)
    page.locator("#callouts .anchor").focus()
    assert page.evaluate(shown) == ["#callouts"]


def test_only_the_group_of_the_page_is_open_where_there_are_many(seen: Seen, look: str) -> None:
    page = seen.page
    page.goto(look + "api-40.html")
    groups = page.locator("nav.side details")
    assert groups.evaluate_all("all => all.map((e) => e.open)") == [True, False, True]
    expect(page.locator("nav.side [aria-current=page]")).to_be_in_viewport()
    groups.nth(1).locator("summary").click()
    groups.nth(0).locator("summary").click()
    page.goto(look + "api-41.html")
    assert groups.evaluate_all("all => all.map((e) => e.open)") == [False, True, True]


def test_a_dotted_name_breaks_at_its_dots_alone(seen: Seen, look: str) -> None:
    seen.page.goto(look + "api-7.html")
    lines = seen.page.locator("nav.side [aria-current=page]").inner_html()
    assert lines == "docsfy_jupyter.<wbr>providers.<wbr>local.<wbr>project_pages.<wbr>module_7"
    assert seen.page.locator("nav.side [aria-current=page]").inner_text().replace("\n", "") == f"{LONG}.module_7"


def test_everything_is_there_without_scripts(site_browser: Browser, look: str) -> None:
    context = site_browser.new_context(java_script_enabled=False, viewport={"width": 400, "height": 800})
    page = context.new_page()
    page.goto(look + "look.html")
    expect(page.locator(".search")).to_be_hidden()
    expect(page.locator(".theme-toggle")).to_be_hidden()
    page.locator(".menu-button").click()
    page.locator("nav.side a", has_text="Other").click()
    page.locator(".turn .next").click()
    expect(page.locator("h1")).to_contain_text("A title of about")
    expect(page.locator("nav.side summary").nth(2)).to_be_visible()
    page.locator("nav.side summary").nth(2).click()
    page.locator("nav.side a", has_text="module_3").first.click()
    expect(page.locator("nav.side [aria-current=page]")).to_have_text(f"{LONG}.module_3")
    context.close()


def test_paper_gets_the_text_alone_and_all_of_it(seen: Seen, look: str) -> None:
    page = seen.page
    page.goto(look + "look.html")
    page.click(".theme-toggle")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert contrasts(page) == []
    for part in ("header.top", "nav.side", "aside.contents", ".turn"):
        expect(page.locator(part)).to_be_hidden()
    cut = "() => [...document.querySelectorAll('.code pre')].filter((e) => e.scrollWidth > e.clientWidth + 1).length"
    assert page.evaluate(cut) == 0


def test_nothing_moves_for_who_asked_for_stillness(seen: Seen, look: str) -> None:
    moving = """() => [...document.querySelectorAll('*')].filter((e) => {
      const style = getComputedStyle(e);
      return parseFloat(style.transitionDuration) > 0 || style.animationName !== 'none' || style.scrollBehavior === 'smooth';
    }).length"""
    seen.page.goto(look + "look.html")
    assert seen.page.evaluate(moving) > 0
    seen.page.emulate_media(reduced_motion="reduce")
    assert seen.page.evaluate(moving) == 0


def test_a_script_written_from_the_right_starts_on_the_right(seen: Seen, look: str) -> None:
    seen.page.goto(look + "look.html")
    start = """(text) => {
      const p = [...document.querySelectorAll('.text p')].find((e) => e.textContent.includes(text)), range = document.createRange();
      range.selectNodeContents(p);
      return Math.round(p.getBoundingClientRect().right - range.getBoundingClientRect().right);
    }"""
    assert seen.page.evaluate(start, "من دون وسم") == 0
    assert seen.page.evaluate(start, "هذه فقرة بالعربية") == 0
    assert seen.page.evaluate(start, "A tip.") > 100
