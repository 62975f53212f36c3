"""One page of a site: from its Markdown to its HTML, or to what an earlier rendering made of the same Markdown."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from docsfy_jupyter.site.breaks import let_break
from docsfy_jupyter.site.jobs import SitePage
from docsfy_jupyter.site.links import Links, PageLinks
from docsfy_jupyter.site.markdown import Heading, Page, parse, plain, render
from docsfy_jupyter.site.tags import clean
from docsfy_jupyter.site.templating import templates
from docsfy_jupyter.site.written import Written, WrittenPages

_LONGEST_SECTION = 4000


@dataclass(frozen=True)
class Draft:
    """A parsed text, and the title that was put before it."""

    head: str
    page: Page

    @property
    def anchors(self) -> Collection[str]:
        """Where links into the page may lead."""
        return self.page.anchors

    @property
    def diagrams(self) -> int:
        """How many diagrams it has."""
        return self.page.diagrams


@dataclass(frozen=True)
class Outline:
    """What other pages must know of a draft that another process has."""

    head: str
    anchors: Collection[str]
    diagrams: int


@dataclass(frozen=True)
class Article:
    """A page with text.

    Parameters
    ----------
    plan : SitePage
        Its place in the plan.
    text : str
        Its Markdown, as the provider wrote it.
    made : Written or Draft or Outline
        What there is of it: an earlier rendering's, or parsed, here or in another process.
    """

    plan: SitePage
    text: str
    made: Written | Draft | Outline

    @property
    def source(self) -> str:
        """The Markdown with a title."""
        return self.made.head + self.text


def write(article: Article, links: Links, earlier: WrittenPages) -> Written:
    """Make a page's HTML, unless it was made earlier and its links still lead where they led."""
    slug, made = article.plan.slug, article.made
    if isinstance(made, Written) and leads_there(slug, made, links):
        return made
    if not isinstance(made, Draft):
        made = draft(article.plan, article.text)
    page, own = made.page, PageLinks(links, slug)
    own.settle(page.tokens)
    listed = [heading for heading in page.headings if heading.level in {2, 3}]
    written = Written(
        head=made.head,
        anchors=sorted(page.anchors),
        diagrams=page.diagrams,
        words=len(article.source.split()),
        body=let_break(clean(render(page), own.resolve)),
        contents=templates().get_template("contents.html.j2").render(contents=listed),
        sections=list(_sections(article.plan, page)),
        asked=[(tag, target, found) for (tag, target), found in own.asked.items()],
    )
    earlier.keep(article.plan, article.text, written)
    return written


def leads_there(slug: str, made: Written, links: Links) -> bool:
    """Say whether the links of a page that was written lead where they led then."""
    return all(links.find(slug, tag, target) == found for tag, target, found in made.asked)


def read_text(path: Path) -> str:
    """Return a page's Markdown as it is rendered."""
    return path.read_text(encoding="utf-8", errors="replace").replace("\x00", "")


def draft(plan: SitePage, text: str) -> Draft:
    """Parse a text, and put a title before one that has none."""
    page = parse(text)
    if any(heading.level == 1 for heading in page.headings):
        return Draft("", page)
    title = f"# {_escaped(plan.title or plan.slug)}\n\n"
    return Draft(title, _titled(title, text, page))


def _titled(title: str, text: str, page: Page) -> Page:
    """Put a title before a parsed page, without parsing the whole again unless their anchors collide."""
    head = parse(title)
    if head.anchors & page.anchors:
        return parse(title + text)
    return replace(
        page, tokens=head.tokens + page.tokens, headings=head.headings + page.headings, anchors=head.anchors | page.anchors
    )


def _escaped(title: str) -> str:
    """Escape what Markdown would read in a title."""
    return re.sub(r"([\\`*_\[\]<>&#{}~|!])", r"\\\1", " ".join(title.split()))


def _sections(plan: SitePage, page: Page) -> Iterator[dict[str, str]]:
    """Cut a page at its headings, for the search."""
    title = plan.title or plan.slug
    headings = iter(page.headings)
    current: Heading | None = None
    parts: list[str] = [plan.description]
    inside_heading = False
    for token in page.tokens:
        if token.type == "heading_open":
            if current is None or current.level > 1 or any(parts):
                yield _section(plan.slug, title, current, parts)
            current, parts, inside_heading = next(headings), [], True
        elif token.type == "heading_close":
            inside_heading = False
        elif token.type == "inline" and not inside_heading:
            parts.append(plain(token))
        elif token.type in {"fence", "code_block"}:
            parts.append(token.content)
    yield _section(plan.slug, title, current, parts)


def _section(slug: str, title: str, heading: Heading | None, parts: list[str]) -> dict[str, str]:
    top = heading is None or heading.level == 1
    return {
        "s": slug,
        "p": title,
        "a": "" if heading is None or top else heading.anchor,
        "h": title if heading is None else heading.text,
        "b": " ".join(" ".join(parts).split())[:_LONGEST_SECTION],
    }
