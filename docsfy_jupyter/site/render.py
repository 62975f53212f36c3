"""A plan and its Markdown pages become a folder of HTML that needs no server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from docsfy_jupyter.site.article import Article, draft, leads_there, read_text, write
from docsfy_jupyter.site.images import place_images
from docsfy_jupyter.site.jobs import DeadLink, RenderReport, SiteJob, SitePage
from docsfy_jupyter.site.links import UNREAD, Links
from docsfy_jupyter.site.shares import shared_out
from docsfy_jupyter.site.sidebar import Sidebar
from docsfy_jupyter.site.templating import templates
from docsfy_jupyter.site.written import Written, WrittenPages

__all__ = ["DeadLink", "RenderReport", "SiteJob", "render_site"]

_HERE = Path(__file__).parent


def render_site(job: SiteJob) -> RenderReport:
    """Render a site into a fresh folder.

    Parameters
    ----------
    job : SiteJob
        What to render and where to.

    Raises
    ------
    FileExistsError
        `job.out` exists already.
    """
    job.out.mkdir(parents=True)
    earlier = WrittenPages(job.earlier)
    texts = _texts(job)
    images = place_images(job.images, job.out)
    kept = _kept(texts, earlier, images)
    missing = [(page, text) for page, text in texts if page.slug not in kept]
    with shared_out(missing, earlier) as shares:
        outlines = shares.outlines()
        articles = {
            page.slug: Article(page, text, kept.get(page.slug) or outlines.get(page.slug) or draft(page, text))
            for page, text in texts
        }
        links = Links({slug: article.made.anchors for slug, article in articles.items()}, images)
        shares.begin(links)
        _copy_static(job.out, diagrams=any(article.made.diagrams for article in articles.values()))
        context = _context(job, articles)
        written = {}
        for slug, article in articles.items():
            made = shares.written(slug) if slug in outlines else write(article, links, earlier)
            written[slug] = made
            _write_page(job, article, made, articles, context)
    _write_rest(job, articles, written, context)
    earlier.forget_others(articles)
    return RenderReport(
        pages=len(articles),
        words=sum(page.words for page in written.values()),
        dead_links=[DeadLink(slug, target) for slug, page in written.items() for target in page.dead()],
        diagrams=sum(page.diagrams for page in written.values()),
    )


def _texts(job: SiteJob) -> list[tuple[SitePage, str]]:
    """Return every page that has text, in the order of the plan."""
    pages = [page for group in job.plan.navigation for page in group.pages if page.slug in job.pages]
    return [(page, read_text(job.pages[page.slug])) for page in pages]


def _kept(texts: Sequence[tuple[SitePage, str]], earlier: WrittenPages, images: Mapping[str, str]) -> dict[str, Written]:
    """Return what there is of pages from earlier, but for those of which some link is known to lead elsewhere now."""
    found = {page.slug: made for page, text in texts if (made := earlier.find(page, text))}
    links = Links({page.slug: found[page.slug].anchors if page.slug in found else UNREAD for page, _ in texts}, images)
    return {slug: made for slug, made in found.items() if leads_there(slug, made, links)}


def _copy_static(out: Path, *, diagrams: bool) -> None:
    """Copy scripts, styles and the vendored libraries that this site uses."""
    for path in sorted((_HERE / "static").rglob("*")):
        relative = path.relative_to(_HERE / "static")
        if path.is_dir() or ("mermaid" in relative.parts and not diagrams):
            continue
        target = out / "assets" / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _context(job: SiteJob, articles: Mapping[str, Article]) -> dict[str, Any]:
    """Return what every page's frame shows."""
    groups = [
        {
            "title": group.group,
            "pages": [{**_named(page), "ready": page.slug in articles} for page in group.pages],
        }
        for group in job.plan.navigation
        if group.pages
    ]
    return {
        "job": job,
        "name": job.project_name or job.plan.project_name,
        "tagline": job.tagline or job.plan.tagline,
        "groups": groups,
        "sidebar": Sidebar(templates(), groups),
        "generated": job.generated_at[:16].replace("T", " "),
        "repo_link": job.repo_url if job.repo_url.startswith(("http://", "https://")) else "",
    }


def _named(page: SitePage) -> dict[str, str]:
    """Return what the navigation shows of a page."""
    return {"slug": page.slug, "title": page.title or page.slug, "description": page.description}


def _listed(page: Mapping[str, str]) -> str:
    """Return a page as a line of a Markdown list."""
    return f"- [{page['title']}]({page['slug']}.md)" + (f": {page['description']}" if page["description"] else "")


def _write_page(
    job: SiteJob, article: Article, made: Written, articles: Mapping[str, Article], context: Mapping[str, Any]
) -> None:
    """Write one page as HTML and as Markdown."""
    slug = article.plan.slug
    order = list(articles)
    place = order.index(slug)
    related = [articles[other].plan for other in article.plan.related if other in articles and other != slug]
    written = templates().get_template("page.html.j2").render(
        context,
        slug=slug,
        title=article.plan.title or slug,
        description=article.plan.description,
        body=made.body,
        contents=made.contents,
        previous=articles[order[place - 1]].plan if place else None,
        following=articles[order[place + 1]].plan if place + 1 < len(order) else None,
        related=related,
        diagrams=made.diagrams,
    )
    _write(job.out / f"{slug}.html", written)
    _write(job.out / f"{slug}.md", _markdown_of(article.source, related))


def _markdown_of(source: str, related: Sequence[SitePage]) -> str:
    """Return the page's Markdown with its related pages."""
    if not related:
        return source
    lines = [_listed(_named(page)) for page in related]
    return source.rstrip() + "\n\n## Related pages\n\n" + "\n".join(lines) + "\n"


def _write_rest(
    job: SiteJob, articles: Mapping[str, Article], written: Mapping[str, Written], context: Mapping[str, Any]
) -> None:
    """Write what a site has besides its pages."""
    first = next(iter(articles.values())).plan if articles else None
    home = {"slug": "index", "title": context["name"], "description": context["tagline"], "first": first}
    _write(job.out / "index.html", templates().get_template("home.html.j2").render(context, **home))
    if "404" not in articles:
        missing = {"slug": "404", "title": "Page not found", "description": ""}
        _write(job.out / "404.html", templates().get_template("missing.html.j2").render(context, **missing))
    _write(job.out / ".nojekyll", "")
    _write(job.out / "llms.txt", _llms(context))
    _write(job.out / "llms-full.txt", "\n\n---\n\n".join(article.source.strip() for article in articles.values()) + "\n")
    index = [section for page in written.values() for section in page.sections]
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


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="replace", newline="\n")
