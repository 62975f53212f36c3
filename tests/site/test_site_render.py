"""What a rendered site contains."""

from __future__ import annotations

import filecmp
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from one_page import render_one
from site_links import Reader, broken_links

from docsfy_jupyter.models import Plan, PlanGroup, PlanPage
from docsfy_jupyter.site.jobs import DeadLink, job_from_data, job_to_data, report_from_data
from docsfy_jupyter.site.render import SiteJob


@pytest.mark.case("S01")
def test_links_are_relative_and_lead_somewhere(sample) -> None:
    assert broken_links(sample.path) == []
    assert 'href="store.html#demo.Store.open_file"' in sample.read("overview.html")


@pytest.mark.case("S01")
def test_dead_links_become_text_and_are_reported(sample) -> None:
    assert DeadLink("overview", "broken.md") in sample.report.dead_links
    assert DeadLink("overview", "store.md#nothing") in sample.report.dead_links
    assert " and gone or nowhere." in sample.read("overview.html")


def test_pages_have_no_inline_script_and_no_handler(sample) -> None:
    for path in sample.path.glob("*.html"):
        reader = Reader(path.read_text(encoding="utf-8"))
        assert (reader.handlers, reader.inline_scripts) == ([], 0)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a < b && c > d", "a &lt; b &amp;&amp; c &gt; d"),
        ("a List<T> of Map<K, V>", "a List&lt;T&gt; of Map&lt;K, V&gt;"),
        ("`<div>` and `&amp;`", "<code>&lt;div&gt;</code> and <code>&amp;amp;</code>"),
        ("{{ x }} {% y %}", "{{ x }} {% y %}"),
        ("🎉 שלום", "🎉 שלום"),
        ("w" * 300, "w" * 300),
        ("the <script> tag, then more", "the &lt;script&gt; tag, then more"),
        ("<T>\n\nafter", "after"),
    ],
)
def test_ordinary_text_survives(tmp_path: Path, text: str, shown: str) -> None:
    assert shown in render_one(tmp_path, text)[0]


def test_a_heading_s_own_anchor_may_hold_underscores(tmp_path: Path) -> None:
    article, report = render_one(tmp_path, "# T\n\n[to](#m.K.__init__)\n\n## `K.__init__(x)` {#m.K.__init__}\n")
    assert 'id="m.K.__init__"' in article
    assert "{#" not in article
    assert report.dead_links == []


def test_a_page_without_a_first_heading_gets_its_title(tmp_path: Path) -> None:
    article, _ = render_one(tmp_path, "Text.")
    assert "Title &amp; &lt;b&gt;<a" in article
    assert article.count("<h1") == 1


def test_a_picture_with_several_sources_shows_its_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"png")
    raw = '<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="b.png">\n  <img src="repo-files/a.png" alt="A" width="860">\n</picture>'
    article, report = render_one(tmp_path, f"# T\n\n{raw}\n\nThe `<source>` element.\n", a__png=tmp_path / "a.png")
    assert "srcset" not in article
    assert 'src="assets/images/' in article
    assert "The <code>&lt;source&gt;</code> element." in article
    assert report.dead_links == []


def test_an_image_that_is_an_active_svg_is_left_out(tmp_path: Path) -> None:
    calm, active = tmp_path / "a", tmp_path / "b"
    calm.write_text('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>', encoding="utf-8")
    active.write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>', encoding="utf-8")
    text = "![calm](repo-files/calm.svg) ![active](repo-files/active.svg)"
    article, report = render_one(tmp_path, text, calm__svg=calm, active__svg=active)
    assert article.count("<img") == 1
    assert report.dead_links == [DeadLink("page", "repo-files/active.svg")]


def test_pages_come_as_markdown_too_and_are_listed_for_language_models(sample) -> None:
    assert "## Related pages\n\n- [The <b>store</b>](store.md): Opening files" in sample.read("overview.md")
    assert "- [Overview](overview.md): What demo does." in sample.read("llms.txt")
    assert "broken.md" not in sample.read("llms.txt")
    assert "An open file of numbers." in sample.read("llms-full.txt")
    assert sample.read(".nojekyll") == ""


def test_the_search_index_has_a_section_for_each_heading(sample) -> None:
    text = sample.read("assets/search-index.js").removeprefix("window.docsfySearchIndex = ").rstrip(";\n")
    assert {section["a"] for section in json.loads(text) if section["s"] == "store"} >= {"", "demo.Store", "demo.Store.total"}


def test_the_diagram_library_is_there_only_when_a_page_has_a_diagram(sample, tmp_path: Path) -> None:
    render_one(tmp_path, "No diagram.")
    assert (sample.path / "assets/vendor/mermaid/LICENSE").is_file()
    assert not (tmp_path / "out/assets/vendor/mermaid").exists()


def test_an_existing_folder_is_refused(tmp_path: Path) -> None:
    render_one(tmp_path, "Text.")
    with pytest.raises(FileExistsError):
        render_one(tmp_path, "Text.")


def test_the_worker_renders_every_page_and_reports_them(tmp_path: Path) -> None:
    plan = Plan(navigation=[PlanGroup(pages=[PlanPage(slug=f"page-{number}", title=f"Page {number}") for number in range(20)])])
    block = "## `name_{0}(a, b)` {{#m.name_{0}}}\n\nSome text about it, `code`, [link](page-1.md).\n\n```python\nx = f(1)  # why\n```\n\n"
    text = "".join(block.format(number) for number in range(50))
    source = tmp_path / "page.md"
    source.write_text(text, encoding="utf-8")
    job = SiteJob(plan, {page.slug: source for page in plan.pages()}, {}, tmp_path / "out", "demo")
    data = json.loads(json.dumps(job_to_data(job)))
    assert job_to_data(job_from_data(data)) == data
    first, second = asked({"site": data, "id": 1}, {"site": {**data, "out": str(tmp_path / "again")}, "id": 2})
    report = report_from_data(first)
    assert (report.pages, report.dead_links) == (20, [])
    assert {**first, "id": 2} == second
    names = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert filecmp.cmpfiles(tmp_path / "out", tmp_path / "again", names, shallow=False) == (names, [], [])


def test_the_worker_fails_with_one_sentence_and_goes_on(tmp_path: Path) -> None:
    job = SiteJob(Plan(), {}, {}, tmp_path / "out", "demo")
    failed, made = asked({"site": {}, "id": 1}, {"site": job_to_data(job), "id": 2})
    assert failed == {"error": "not a site job: plan, pages and out are needed", "id": 1}
    assert (made["pages"], made["id"]) == (0, 2)


def asked(*requests: dict[str, Any]) -> list[dict[str, Any]]:
    """Have one worker answer all requests."""
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    command = [sys.executable, "-m", "docsfy_jupyter.site.worker"]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]
