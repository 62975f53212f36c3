"""Where the links of a page lead, checked while rendering."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from urllib.parse import quote, unquote

from markdown_it.token import Token

from docsfy_jupyter.site.markdown import plain
from docsfy_jupyter.site.tags import external_image, is_web

REPO_FILES = "repo-files/"
_PAGE = re.compile(r"(?:\./)?(?P<slug>[a-z0-9][a-z0-9-]*)\.(?:md|html)(?:#(?P<anchor>.*))?\Z", re.DOTALL)


class _Unread:
    """The anchors of a page that was not read yet: any."""

    def __contains__(self, name: object) -> bool:
        return True


UNREAD = _Unread()


class Links:
    """Knows where every page's links can lead.

    Parameters
    ----------
    anchors : mapping
        Slug to the anchors of that page, for every page with text.
    images : mapping
        Path in the repository to the file's place on the site.
    """

    def __init__(self, anchors: Mapping[str, Container[str]], images: Mapping[str, str]) -> None:
        self._anchors = anchors
        self._images = images
        self._placed = set(images.values())

    def find(self, slug: str, tag: str, target: str) -> str | None:
        """Return a target of a page as the site has it, None for a dead one."""
        return self._image(target) if tag == "img" else self._link(slug, target)

    def _image(self, target: str) -> str | None:
        if target in self._placed:
            return target
        path = target.removeprefix("./").split("#")[0].split("?")[0]
        return self._images.get(unquote(path.removeprefix(REPO_FILES))) if path.startswith(REPO_FILES) else None

    def _link(self, slug: str, target: str) -> str | None:
        if is_web(target) or target.lower().startswith("mailto:"):
            return target
        if target in {"#", "index.html", "index.md", "./index.md"}:
            return "#" if target == "#" else "index.html"
        if target.startswith("#"):
            return self._anchored("", slug, target[1:])
        page = _PAGE.match(target)
        if page is None or page["slug"] not in self._anchors:
            return self._image(target)
        return self._anchored(f"{page['slug']}.html", page["slug"], page["anchor"] or "")

    def _anchored(self, page: str, slug: str, anchor: str) -> str | None:
        if not anchor:
            return page
        name = unquote(anchor)
        if name not in self._anchors[slug]:
            return None
        return f"{page}#{quote(name, safe='.-_:')}"


class PageLinks:
    """The links of one page.

    Parameters
    ----------
    links : Links
        Of the site.
    slug : str
        The page.

    Attributes
    ----------
    asked : dict
        Tag and target to what was answered; with the page's text, all that its HTML depends on.
    """

    def __init__(self, links: Links, slug: str) -> None:
        self._links = links
        self._slug = slug
        self.asked: dict[tuple[str, str], str | None] = {}

    def resolve(self, tag: str, target: str) -> str | None:
        """Return the target as the site has it, None for a dead one."""
        found = self.asked[tag, target] = self._links.find(self._slug, tag, target)
        return found

    def settle(self, tokens: list[Token]) -> None:
        """Rewrite the links and images of the page's Markdown; a dead link leaves its text."""
        for token in tokens:
            if token.type == "inline" and token.children:
                token.children = self._settled(token.children)

    def _settled(self, children: list[Token]) -> list[Token]:
        kept: list[Token] = []
        dropped: list[bool] = []
        for child in children:
            if child.type == "link_open":
                target = self.resolve("a", str(child.attrs.get("href", "")))
                dropped.append(target is None)
                child.attrs["href"] = target or ""
            if child.type in {"link_open", "link_close"}:
                if not (dropped[-1] if child.type == "link_open" else dropped.pop()):
                    kept.append(child)
            elif child.type == "image":
                kept.append(self._picture(child, inside_link=bool(dropped)))
            else:
                kept.append(child)
        return kept

    def _picture(self, token: Token, *, inside_link: bool) -> Token:
        """Return the image, or what stands for one of another host or one that is missing: a link or its text."""
        source, alt = str(token.attrs.get("src", "")), plain(token)
        if is_web(source) and not inside_link:
            return Token("html_inline", "", 0, content=external_image(source, alt))
        target = None if is_web(source) else self.resolve("img", source)
        if target is None:
            return Token("text", "", 0, content=alt or source.rsplit("/", 1)[-1])
        token.attrs["src"] = target
        return token
