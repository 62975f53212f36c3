"""Pages are written before their site is rendered: while an AI writes the others there is time."""

from __future__ import annotations

from collections.abc import Container

from docsfy_jupyter.site.article import Article, draft, read_text, write
from docsfy_jupyter.site.images import places
from docsfy_jupyter.site.jobs import AheadJob
from docsfy_jupyter.site.links import UNREAD, Links
from docsfy_jupyter.site.written import WrittenPages


def write_ahead(job: AheadJob) -> int:
    """Write pages and keep them for the rendering of their site; return how many were not kept yet.

    Their links are taken to lead somewhere when the page is planned. The rendering of the site, which knows, writes a page
    anew where that turned out wrong.
    """
    earlier = WrittenPages(job.earlier)
    images = places(job.images)
    hoped: dict[str, Container[str]] = dict.fromkeys(job.slugs, UNREAD)
    written = 0
    for page in job.pages:
        text = read_text(job.texts[page.slug])
        if earlier.find(page, text) is None:
            made = draft(page, text)
            links = Links({**hoped, page.slug: made.anchors}, images)
            write(Article(page, text, made), links, earlier)
            written += 1
    return written
