"""Markdown and plans that nobody has thought of: a site is made of them, in its own folder, without a script, and the same again."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from invariants import digest
from markdown_texts import plans, texts, words
from site_links import Reader, broken_links

from docsfy_jupyter.errors import PlanInvalid
from docsfy_jupyter.models import Plan, PlanGroup, PlanPage
from docsfy_jupyter.plans import MAX_SLUG, settle_plan
from docsfy_jupyter.providers.ai.answers import plan_of
from docsfy_jupyter.site.jobs import RenderReport
from docsfy_jupyter.site.render import SiteJob, render_site

FORBIDDEN = {"iframe", "object", "embed", "form", "base", "frame", "frameset", "applet", "style", "template", "video", "audio", "svg", "math"}
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]*")


@pytest.fixture
def thorough(request: pytest.FixtureRequest) -> settings:
    """How many examples, and which."""
    count = request.config.getoption("examples")
    return settings(
        max_examples=max(count, 60), derandomize=count <= 20, database=None, deadline=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink], print_blob=True,
    )  # fmt: skip


class Strict(Reader):
    """Reads a page of a site and notes what none may have."""

    def __init__(self, text: str) -> None:
        self.wrong: list[str] = []
        self.in_article = False
        super().__init__(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one tag; the frame around an article is ours."""
        super().handle_starttag(tag, attrs)
        if tag == "article":
            self.in_article = True
        elif self.in_article and (tag in FORBIDDEN or tag in ("script", "link", "meta")):
            self.wrong.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on") or name in ("srcdoc", "formaction", "action", "ping", "background"):
                self.wrong.append(f"{name}={value!r}")
            if self.in_article and name in ("href", "src", "xlink:href", "srcset") and not _leads_well(value or "", name):
                self.wrong.append(f"{name}={value!r}")

    def handle_endtag(self, tag: str) -> None:
        """Note where the article ends: foreign text has no such tag."""
        if tag == "article":
            self.in_article = False


def _leads_well(value: str, name: str) -> bool:
    """Say whether a target is of this site or, for links only, of a host; what browsers skip in it is skipped."""
    target = re.sub(r"[\x00-\x20]", "", unquote(value)).lower()
    scheme = re.match(r"[a-z][a-z0-9+.-]*:", target)
    if name == "href" and scheme and scheme[0] in ("http:", "https:", "mailto:"):
        return True
    return not scheme and not target.startswith(("/", "\\")) and ".." not in target.partition("#")[0].split("/")


def rendered(folder: Path, plan: Plan, pages: dict[str, str], out: str, earlier: bool = False) -> RenderReport:
    """Render a site of these pages."""
    files = {}
    for number, (slug, text) in enumerate(pages.items()):
        files[slug] = folder / f"text-{number}"
        files[slug].write_bytes(text.encode("utf-8", "surrogatepass"))
    kept = folder / "kept" if earlier else None
    return render_site(SiteJob(plan, files, {}, folder / out, "demo", earlier=kept))


def check_site(folder: Path, plan: Plan, pages: dict[str, str]) -> None:
    """Render, and look at every page; again with what was kept, and from nothing: it is the same site, byte by byte."""
    report = rendered(folder, plan, pages, "first", earlier=True)
    assert report.pages == len(pages)
    for path in (folder / "first").glob("*.html"):
        reader = Strict(path.read_text("utf-8"))
        assert (reader.wrong, reader.inline_scripts) == ([], 0), path.name
        assert not reader.in_article, "the text has closed or opened the frame"
    assert broken_links(folder / "first") == []
    known = {"first", "again", "anew", "kept", *(f"text-{number}" for number in range(len(pages)))}
    assert rendered(folder, plan, pages, "again", earlier=True) == rendered(folder, plan, pages, "anew") == report
    assert digest(folder / "first") == digest(folder / "again") == digest(folder / "anew")
    assert {path.name for path in folder.iterdir()} == known, "something was written elsewhere"
    names = {path.name for path in (folder / "first").iterdir()}
    made = {f"{slug}.{kind}" for slug in pages for kind in ("html", "md")}
    assert names == made | {"index.html", "404.html", ".nojekyll", "llms.txt", "llms-full.txt", "assets"}


def test_any_markdown_is_rendered_without_a_script_and_the_same_again(tmp_path: Path, thorough: settings) -> None:
    plan = Plan(navigation=[PlanGroup(group="G", pages=[PlanPage(slug="page", title="Page"), PlanPage(slug="b", title="B")])])

    @thorough
    @given(first=texts, second=texts)
    def holds(first: str, second: str) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            check_site(Path(folder), plan, {"page": f"{first}\n\nThe end of the page.\n", "b": second})
        assert list(tmp_path.iterdir()) == []

    holds()


def test_any_plan_is_refused_or_settled_for_good_and_its_site_stays_in_its_folder(tmp_path: Path, thorough: settings) -> None:
    @thorough
    @given(answer=plans, text=words)
    def holds(answer: str, text: str) -> None:
        try:
            plan, _ = settle_plan(plan_of(answer), "demo")
        except PlanInvalid:
            return
        found = [page.slug for page in plan.pages()]
        assert all(_SLUG.fullmatch(slug) and len(slug) <= MAX_SLUG for slug in found), found
        assert len(set(found)) == len(found) > 0
        assert all(set(page.related) <= set(found) - {page.slug} for page in plan.pages())
        assert settle_plan(plan, "demo") == (plan, []), "what is settled stays as it is"
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            check_site(Path(folder), plan, dict.fromkeys(found, text))
        assert list(tmp_path.iterdir()) == []

    holds()


@pytest.mark.parametrize(
    ("value", "name", "good"),
    [
        ("b.html#x", "href", True), ("https://a.invalid/../x", "href", True), ("#..", "href", True), ("assets/a.png", "src", True), ("https://a.invalid/x", "src", False),
        ("java\tscript:x", "href", False), ("\x01javascript:x", "href", False), ("data:text/html,x", "href", False), ("//a.invalid", "href", False), ("../x", "href", False), ("/x", "src", False),
    ],
)  # fmt: skip
def test_what_is_looked_for_would_be_found(value: str, name: str, good: bool) -> None:
    assert _leads_well(value, name) is good


@pytest.mark.parametrize("text", ["<script>x</script>", "<p onclick=x>", '<a href="javascript:x">', "<iframe src=x>", "<form action=x>"])
def test_a_script_would_be_found(text: str) -> None:
    assert Strict(f"<article>{text}</article>").wrong
