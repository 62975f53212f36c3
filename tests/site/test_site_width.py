"""What a page holds fits paper and phones: nothing is cut off, names break between their parts; measured in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from browsing import Seen

from docsfy_jupyter.models import Plan, PlanGroup, PlanPage
from docsfy_jupyter.site.breaks import let_break
from docsfy_jupyter.site.render import SiteJob, render_site
from docsfy_jupyter.site.tags import clean

DATA = Path(__file__).parent.parent / "data" / "site"

# What reaches beyond the page, or holds more than it shows.
CUT = """() => [...document.querySelectorAll('body *')].filter((e) => {
  if (!e.checkVisibility({ visibilityProperty: true }) || e.closest('.skip, .off-screen')) return false;
  const inside = getComputedStyle(e).display !== 'inline' && e.scrollWidth > e.clientWidth + 1;
  return inside || e.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
}).map((e) => `${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 40)}`)"""
# The parts of what is selected that stand on more than one line; a part is what stands between two places to break.
SPLIT = """(selector) => [...document.querySelectorAll(selector)].flatMap((e) => {
  const walker = document.createTreeWalker(e, NodeFilter.SHOW_TEXT), found = [], range = document.createRange();
  while (walker.nextNode()) {
    for (const word of walker.currentNode.data.matchAll(/\\S+/g)) {
      range.setStart(walker.currentNode, word.index);
      range.setEnd(walker.currentNode, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((r) => Math.round(r.top))).size > 1) found.push(word[0]);
    }
  }
  return found;
})"""


@pytest.fixture(scope="module")
def wide_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Render a page that is too wide wherever it can be; its address on disk."""
    folder = tmp_path_factory.mktemp("width")
    title = "docsfy_jupyter.services.contents.large_file_manager"
    plan = Plan(project_name="demo", tagline="", navigation=[PlanGroup(group="API", pages=[PlanPage(slug="paper", title=title)])])
    render_site(SiteJob(plan, {"paper": DATA / "paper.md"}, {}, folder / "site", "demo", plan.tagline))
    return (folder / "site" / "paper.html").as_uri()


@pytest.mark.browser
@pytest.mark.parametrize("width", [794, 816, 718])  # A4, Letter, and A4 within a browser's usual margins
def test_nothing_is_cut_off_on_paper(seen: Seen, wide_page: str, width: int) -> None:
    seen.page.set_viewport_size({"width": width, "height": 1100})
    seen.page.emulate_media(media="print")
    seen.page.goto(wide_page)
    assert seen.page.locator("td").count() >= 30
    assert seen.page.evaluate(CUT) == []
    assert seen.page.locator("details p").bounding_box() is not None
    assert seen.page.evaluate(SPLIT, "th") == []


@pytest.mark.browser
def test_a_long_table_begins_where_it_stands_and_ends_a_sheet_between_rows(seen: Seen, wide_page: str) -> None:
    seen.page.emulate_media(media="print")
    seen.page.goto(wide_page)
    style = "(all) => [...new Set(all.map((e) => getComputedStyle(e).breakInside))]"
    assert seen.page.locator(".table, table, tbody, pre, .callout").evaluate_all(style) == ["auto"]
    assert seen.page.locator("tr").evaluate_all(style) == ["avoid"]
    scrolls = "(all) => [...new Set(all.map((e) => getComputedStyle(e).overflowX))]"  # what scrolls is not broken by printers
    assert seen.page.locator(".table, pre").evaluate_all(scrolls) == ["visible"]


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 375])
def test_a_phone_shows_all_of_a_table_of_two_or_three_columns(seen: Seen, wide_page: str, width: int, scheme: Any) -> None:
    seen.page.emulate_media(color_scheme=scheme)
    seen.page.set_viewport_size({"width": width, "height": 800})
    seen.page.goto(wide_page)
    tables = seen.page.locator(".table:not(.wide)")
    assert tables.evaluate_all("(all) => all.map((e) => e.scrollWidth - e.clientWidth)") == [0, 0, 0]
    assert seen.page.evaluate("document.documentElement.scrollWidth") == width
    assert seen.page.evaluate(SPLIT, "h1, .table:not(.wide) :is(td, th)") == []


@pytest.mark.browser
def test_short_names_stay_whole_where_there_is_room(seen: Seen, wide_page: str) -> None:
    seen.page.set_viewport_size({"width": 1200, "height": 800})
    seen.page.goto(wide_page)
    lines = "(all) => all.map((e) => e.getClientRects().length)"
    assert seen.page.locator(".table >> nth=0").locator("td:first-child code").evaluate_all(lines) == [1, 1, 1]
    assert seen.page.locator(".table:not(.wide)").evaluate_all("(all) => all.map((e) => e.scrollWidth - e.clientWidth)") == [0, 0, 0]


def table(*cells: str) -> str:
    return f"<table><tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr></table>"


@pytest.mark.parametrize(
    ("page", "broken"),
    [
        ("<p>contents.manager</p>", "<p>contents.manager</p>"),
        ("<h1><code>contents.manager</code></h1>", "<h1><code>contents.|manager</code></h1>"),
        ("<p><code>contents.open_file</code></p>", "<p><code>contents.open_file</code></p>"),
        ("<p><code>services.contents.manager</code></p>", "<p><code>services.~contents.~manager</code></p>"),
        ("<pre><code>services.contents.manager</code></pre>", "<pre><code>services.contents.manager</code></pre>"),
        (table("a", "b", "open_database"), table("a", "b", "open_~database")),
        (table("a", "open_database"), table("a", "open_database")),
        (table("a", "b", "ConcurrentModification"), table("a", "b", "Concurrent~Modification")),
        (table("a", "b", "__init__.__call__"), table("a", "b", "__init__.~__call__")),
        (table("a", "0.254–0.3571", "dict&lt;str&amp;int&gt;&amp;"), table("a", "0.254–0.3571", "dict&lt;~str&amp;~int&gt;&amp;")),
        (table("a" * 20, "b"), table("a" * 16 + "~aaaa", "b")),
        (table("tests/test_all.py::test_of_everything", "b"), table("tests/|test_|all.|py::|test_|of_|everything", "b")),
    ],
)
def test_words_break_between_their_parts(page: str, broken: str) -> None:
    made = let_break(page)
    assert made == broken.replace("|", "<wbr>").replace("~", '<wbr class="narrow">')
    assert re.sub("<wbr[^>]*>", "", made) == page


def test_what_looks_like_a_tag_in_an_attribute_stays_in_it() -> None:
    """Else a break there, which has quotes, would end the attribute, and what follows it would be part of the page."""
    hostile = '<code title="<code>aaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbb<script>alert(1)</script>">x</code>'
    page = clean(f'<p><a href="#" title=\'{hostile}\'>{hostile}</a></p>', lambda tag, target: target)
    assert "&lt;script&gt;" in page
    assert "<script" not in let_break(page)
    assert let_break(page) == page


def test_many_tables_in_each_other_are_read_once() -> None:
    deep = "<table><tbody><tr><td>" * 20_000 + "</td></tr></tbody></table>" * 20_000
    assert let_break(deep) == deep
