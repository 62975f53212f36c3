"""A site that is rendered again makes only what has changed, and is the same as one made from nothing."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from docsfy_jupyter.models import Plan, PlanGroup, PlanPage
from docsfy_jupyter.site import render, written
from docsfy_jupyter.site.ahead import write_ahead
from docsfy_jupyter.site.jobs import AheadJob, SiteJob, ahead_from_data, ahead_to_data, job_from_data, job_to_data
from docsfy_jupyter.site.render import render_site
from docsfy_jupyter.site.shares import Shares, Text, shared_out

TEXTS = {
    "first": "# First\n\n[into](second.md#part) and [on](third.md), ![image](repo-files/a.png)\n\n## Part\n\n```python\nx = 1\n```\n",
    "second": "No title, [back](first.md#part).\n\n## Part\n\n[nowhere](gone.md)\n",
    "third": "# Third\n\n```mermaid\ngraph TD\n```\n",
}


class Rendered:
    """A small site that is rendered again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.texts = dict(TEXTS)
        self.titles = {slug: slug.capitalize() for slug in TEXTS}
        self.images = {"a.png": folder / "a.png"}
        self.earlier = folder / "written"
        self._count = 0
        (folder / "a.png").write_bytes(b"png")

    def job(self, earlier: Path | None) -> SiteJob:
        """Return the job for what the site is now."""
        self._count += 1
        for slug, text in self.texts.items():
            (self.folder / f"{slug}.md").write_text(text, "utf-8")
        plan = Plan(navigation=[PlanGroup(pages=[PlanPage(slug=slug, title=title) for slug, title in self.titles.items()])])
        pages = {slug: self.folder / f"{slug}.md" for slug in self.texts}
        out = self.folder / f"site-{self._count}"
        return SiteJob(plan, pages, self.images, out, "demo", generated_at="2026-01-02T03:04:05+00:00", earlier=earlier)

    def again(self) -> set[str]:
        """Render again and from nothing, compare, and return the pages that were written anew."""
        before = {path.stem: path.stat().st_mtime_ns for path in self.earlier.glob("*.json")}
        fresh, job = self.job(None), self.job(self.earlier)
        expected, report = render_site(fresh), render_site(job)
        assert report == expected
        names = sorted(str(path.relative_to(fresh.out)) for path in fresh.out.rglob("*") if path.is_file())
        assert names == sorted(str(path.relative_to(job.out)) for path in job.out.rglob("*") if path.is_file())
        assert filecmp.cmpfiles(fresh.out, job.out, names, shallow=False) == (names, [], [])
        kept = {path.stem: path.stat().st_mtime_ns for path in self.earlier.glob("*.json")}
        assert set(kept) == set(self.texts)
        return {slug for slug, at in kept.items() if before.get(slug) != at}


@pytest.fixture
def site(tmp_path: Path) -> Rendered:
    rendered = Rendered(tmp_path)
    assert rendered.again() == set(TEXTS)
    assert rendered.again() == set()
    return rendered


def change_text(site: Rendered) -> None:
    site.texts["third"] += "\nMore.\n"


def change_title_in_plan(site: Rendered) -> None:
    site.titles["second"] = "Another *title*"


def change_image_away(site: Rendered) -> None:
    site.images = {}


def change_anchor(site: Rendered) -> None:
    site.texts["second"] = "## Renamed\n"


def change_page_away(site: Rendered) -> None:
    del site.texts["third"], site.titles["third"]


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        (change_text, {"third"}),
        (change_title_in_plan, {"second"}),
        (change_image_away, {"first"}),
        (change_anchor, {"first", "second"}),  # the first page's link into the second is dead now
        (change_page_away, {"first"}),
    ],
)
def test_only_what_has_changed_is_made(site: Rendered, change: Callable[[Rendered], None], anew: set[str]) -> None:
    change(site)
    assert site.again() == anew
    assert site.again() == set()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"Part", b"Pert"),
        lambda data: b"\x00" * len(data),
        lambda data: data + b" ",
    ],
    ids=["empty", "cut", "changed", "zeros", "longer"],
)
def test_a_damaged_file_is_made_again(site: Rendered, damage: Callable[[bytes], bytes]) -> None:
    path = site.earlier / "first.json"
    path.write_bytes(damage(path.read_bytes()))
    assert site.again() == {"first"}


def test_files_of_two_pages_that_were_swapped_are_made_again(site: Rendered) -> None:
    one, other = site.earlier / "first.json", site.earlier / "second.json"
    texts = one.read_bytes(), other.read_bytes()
    other.write_bytes(texts[0])
    one.write_bytes(texts[1])
    assert site.again() == {"first", "second"}


def test_the_worker_gets_the_folder(site: Rendered) -> None:
    job = site.job(site.earlier)
    assert job_from_data(job_to_data(job)).earlier == site.earlier
    assert job_from_data(job_to_data(replace(job, earlier=None))).earlier is None


@pytest.mark.parametrize("name", ["article.py", "breaks.py", "templating.py", "static/code.css", "templates/contents.html.j2"])
def test_another_renderer_makes_all_again(site: Rendered, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    other = site.folder / "renderer"
    shutil.copytree(Path(written.__file__).parent, other)
    with (other / name).open("a") as file:
        file.write("\n")
    monkeypatch.setattr(written, "_HERE", other)
    written._renderer.cache_clear()
    try:
        assert site.again() == set(TEXTS)
    finally:
        written._renderer.cache_clear()


def make_it_a_file(folder: Path) -> None:
    folder.rename(folder.with_name("away"))
    folder.write_text("no folder")


def put_folders_in_the_way(folder: Path) -> None:
    for name in ("first.json", "stray"):
        (folder / name).unlink(missing_ok=True)
        (folder / name / "full").mkdir(parents=True)


@pytest.mark.parametrize("harm", [make_it_a_file, put_folders_in_the_way])
def test_a_site_is_made_where_its_pages_cannot_be_kept(site: Rendered, harm: Callable[[Path], None]) -> None:
    harm(site.earlier)
    fresh, job = site.job(None), site.job(site.earlier)
    assert render_site(job) == render_site(fresh)
    names = sorted(str(path.relative_to(fresh.out)) for path in fresh.out.rglob("*") if path.is_file())
    assert filecmp.cmpfiles(fresh.out, job.out, names, shallow=False) == (names, [], [])
    assert list(site.folder.rglob("*.aside")) == []


def test_what_was_written_ahead_is_used_and_a_page_whose_links_lead_elsewhere_is_made_again(tmp_path: Path) -> None:
    site = Rendered(tmp_path)
    site.texts["fourth"] = "# Fourth\n\n[there](first.md#part), [no such heading](first.md#gone), ![image](repo-files/a.png)\n"
    site.titles["fourth"] = "Fourth"
    job = site.job(site.earlier)
    pages = job.plan.navigation[0].pages
    ahead = AheadJob([page for page in pages if page.slug != "third"], job.pages, job.images, list(job.pages), site.earlier)
    assert ahead_to_data(ahead_from_data(ahead_to_data(ahead))) == ahead_to_data(ahead)
    assert (write_ahead(ahead), write_ahead(ahead)) == (3, 0)
    assert site.again() == {"third", "fourth"}


def test_pages_whose_links_lead_elsewhere_are_known_before_the_work_is_shared_out(site: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[str]] = []

    def noted(texts: Sequence[Text], earlier: written.WrittenPages) -> AbstractContextManager[Shares]:
        asked.append({page.slug for page, _ in texts})
        return shared_out(texts, earlier)

    monkeypatch.setattr(render, "shared_out", noted)
    site.texts["second"] = site.texts["second"].replace("## Part", "## Section")
    render.render_site(site.job(site.earlier))
    assert asked == [{"second"}]  # where the links of the first lead is not known before the second is read
    render.render_site(replace(site.job(site.earlier), images={}))
    assert asked[1:] == [{"first"}]
