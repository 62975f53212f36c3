"""A site of one page."""

from __future__ import annotations

from pathlib import Path

from docsfy_jupyter.models import Plan, PlanGroup, PlanPage
from docsfy_jupyter.site.jobs import RenderReport, SiteJob
from docsfy_jupyter.site.render import render_site


def render_one(folder: Path, text: str, **more: Path) -> tuple[str, RenderReport]:
    """Render a site of one page; return its article and the report."""
    source = folder / "page.md"
    source.write_text(text, encoding="utf-8")
    plan = Plan(navigation=[PlanGroup(group="G", pages=[PlanPage(slug="page", title="Title & <b>")])])
    images = {name.replace("__", "."): path for name, path in more.items()}
    report = render_site(SiteJob(plan, {"page": source}, images, folder / "out", "demo"))
    written = (folder / "out" / "page.html").read_text(encoding="utf-8")
    return written[written.index("<article") : written.index("</article>")], report
