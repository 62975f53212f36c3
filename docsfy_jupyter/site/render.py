"""A plan and its Markdown pages become a folder of HTML that needs no server."""

from __future__ import annotations

import functools
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from docsfy_jupyter.models import PlanPage
from docsfy_jupyter.site.images import place_images
from docsfy_jupyter.site.jobs import DeadLink, RenderReport, SiteJob
from docsfy_jupyter.site.links import Links
from docsfy_jupyter.site.markdown import Heading, Page, parse, plain, render
from docsfy_jupyter.site.sidebar import Sidebar, breakable
from docsfy_jupyter.site.tags import clean

__all__ = ["DeadLink", "RenderReport", "SiteJob", "render_site"]

_HERE = Path(__file__).parent
_LONGEST_SECTION = 4000


@dataclass(frozen=True)
class _Text:
    """A page with text."""

    plan: PlanPage
    source: str
    page: Page


def render_site(job: SiteJob, progress: Callable[[int, int], None] | None = None) -> RenderReport:
    """Render a site into a fresh folder.

    Parameters
    ----------
    job : SiteJob
        What to render and where to.
    progress : callable, optional
        Called with the pages done and their total.

    Raises
    ------
    FileExistsError
        `job.out` exists already.
    """
    job.out.mkdir(parents=True)
    texts = _read(job)
    images = place_images(job.images, job.out / "assets" / "images")
    links = Links({slug: text.page.anchors for slug, text in texts.items()}, images)
    _copy_static(job.out, diagrams=any(text.page.diagrams for text in texts.values()))
    context = _context(job, texts)
    for done, text in enumerate(texts.values(), start=1):
        _write_page(job, text, texts, links, context)
        if progress is not None:
            progress(done, len(texts))
    _write_rest(job, texts, context)
    return RenderReport(
        pages=len(texts),
        words=sum(len(text.source.split()) for text in texts.values()),
        dead_links=links.dead,
        diagrams=sum(text.page.diagrams for text in texts.values()),
    )


def _read(job: SiteJob) -> dict[str, _Text]:
    """Parse every page that has text, in the order of the plan."""
    texts = {}
    for planned in job.plan.pages():
        path = job.pages.get(planned.slug)
        if path is None:
            continue
        source = path.read_text(encoding="utf-8", errors="replace").replace("\x00", "")
        page = parse(source)
        if not any(heading.level == 1 for heading in page.headings):
            title = f"# {_escaped(planned.title or planned.slug)}\n\n"
            source, page = title + source, _titled(title, source, page)
        texts[planned.slug] = _Text(planned, source, page)
    return texts


def _titled(title: str, source: str, page: Page) -> Page:
    """Put a title before a parsed page, without parsing the whole again unless their anchors collide."""
    head = parse(title)
    if head.anchors & page.anchors:
        return parse(title + source)
    return replace(
        page, tokens=head.tokens + page.tokens, headings=head.headings + page.headings, anchors=head.anchors | page.anchors
    )


def _escaped(title: str) -> str:
    """Escape what Markdown would read in a title."""
    return re.sub(r"([\\`*_\[\]<>&#{}~|!])", r"\\\1", " ".join(title.split()))


def _copy_static(out: Path, *, diagrams: bool) -> None:
    """Copy scripts, styles and the vendored libraries that this site uses."""
    for path in sorted((_HERE / "static").rglob("*")):
        relative = path.relative_to(_HERE / "static")
        if path.is_dir() or ("mermaid" in relative.parts and not diagrams):
            continue
        target = out / "assets" / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


@functools.cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["breakable"] = breakable
    return made


def _context(job: SiteJob, texts: Mapping[str, _Text]) -> dict[str, Any]:
    """Return what every page's frame shows."""
    groups = [
        {
            "title": group.group,
            "pages": [{**_named(page), "ready": page.slug in texts} for page in group.pages],
        }
        for group in job.plan.navigation
        if group.pages
    ]
    return {
        "job": job,
        "name": job.project_name or job.plan.project_name,
        "tagline": job.tagline or job.plan.tagline,
        "groups": groups,
        "sidebar": Sidebar(_templates(), groups),
        "generated": job.generated_at[:16].replace("T", " "),
        "repo_link": job.repo_url if job.repo_url.startswith(("http://", "https://")) else "",
    }


def _named(page: PlanPage) -> dict[str, str]:
    """Return what the navigation shows of a page."""
    return {"slug": page.slug, "title": page.title or page.slug, "description": page.description}


def _listed(page: Mapping[str, str]) -> str:
    """Return a page as a line of a Markdown list."""
    return f"- [{page['title']}]({page['slug']}.md)" + (f": {page['description']}" if page["description"] else "")


def _write_page(job: SiteJob, text: _Text, texts: Mapping[str, _Text], links: Links, context: Mapping[str, Any]) -> None:
    """Write one page as HTML and as Markdown."""
    slug = text.plan.slug
    links.settle(slug, text.page.tokens)
    body = clean(render(text.page), lambda tag, target: links.resolve(slug, tag, target))
    order = list(texts)
    place = order.index(slug)
    related = [texts[other].plan for other in text.plan.related if other in texts and other != slug]
    written = _templates().get_template("page.html.j2").render(
        context,
        slug=slug,
        title=text.plan.title or slug,
        description=text.plan.description,
        body=body,
        contents=[heading for heading in text.page.headings if heading.level in {2, 3}],
        previous=texts[order[place - 1]].plan if place else None,
        following=texts[order[place + 1]].plan if place + 1 < len(order) else None,
        related=related,
        diagrams=text.page.diagrams,
    )
    _write(job.out / f"{slug}.html", written)
    _write(job.out / f"{slug}.md", _markdown_of(text.source, related))


def _markdown_of(source: str, related: list[PlanPage]) -> str:
    """Return the page's Markdown with its related pages."""
    if not related:
        return source
    lines = [_listed(_named(page)) for page in related]
    return source.rstrip() + "\n\n## Related pages\n\n" + "\n".join(lines) + "\n"


def _write_rest(job: SiteJob, texts: Mapping[str, _Text], context: Mapping[str, Any]) -> None:
    """Write what a site has besides its pages."""
    first = next(iter(texts.values())).plan if texts else None
    home = {"slug": "index", "title": context["name"], "description": context["tagline"], "first": first}
    _write(job.out / "index.html", _templates().get_template("home.html.j2").render(context, **home))
    if "404" not in texts:
        missing = {"slug": "404", "title": "Page not found", "description": ""}
        _write(job.out / "404.html", _templates().get_template("missing.html.j2").render(context, **missing))
    _write(job.out / ".nojekyll", "")
    _write(job.out / "llms.txt", _llms(context))
    _write(job.out / "llms-full.txt", "\n\n---\n\n".join(text.source.strip() for text in texts.values()) + "\n")
    index = [section for text in texts.values() for section in _sections(text)]
    _write(job.out / "assets" / "search-index.js", f"window.docsfySearchIndex = {json.dumps(index, ensure_ascii=True)};\n")


def _llms(context: Mapping[str, Any]) -> str:
    """Return ``llms.txt``: the pages, for language models."""
    lines = [f"# {context['name']}", ""]
    lines += [f"> {context['tagline']}", ""] if context["tagline"] else []
    for group in context["groups"]:
        ready = [page for page in group["pages"] if page["ready"]]
        lines += [f"## {group['title'] or 'Pages'}", ""] if ready else []
        lines += [_listed(page) for page in ready]
        lines += [""] if ready else []
    return "\n".join(lines)


def _sections(text: _Text) -> Iterator[dict[str, str]]:
    """Cut a page at its headings, for the search."""
    title = text.plan.title or text.plan.slug
    headings = iter(text.page.headings)
    current: Heading | None = None
    parts: list[str] = [text.plan.description]
    inside_heading = False
    for token in text.page.tokens:
        if token.type == "heading_open":
            if current is None or current.level > 1 or any(parts):
                yield _section(text.plan.slug, title, current, parts)
            current, parts, inside_heading = next(headings), [], True
        elif token.type == "heading_close":
            inside_heading = False
        elif token.type == "inline" and not inside_heading:
            parts.append(plain(token))
        elif token.type in {"fence", "code_block"}:
            parts.append(token.content)
    yield _section(text.plan.slug, title, current, parts)


def _section(slug: str, title: str, heading: Heading | None, parts: list[str]) -> dict[str, str]:
    top = heading is None or heading.level == 1
    return {
        "s": slug,
        "p": title,
        "a": "" if heading is None or top else heading.anchor,
        "h": title if heading is None else heading.text,
        "b": " ".join(" ".join(parts).split())[:_LONGEST_SECTION],
    }


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="replace", newline="\n")
