"""What a page mentions: code spans, fenced code and links of its Markdown, each with the line around it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_FENCE = re.compile(r"^\s{0,12}(?P<mark>`{3,}|~{3,})\s*\{?\.?(?P<language>[\w+-]*)")
_SPAN = re.compile(r"(?<![`\\])(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_LINK = re.compile(r"!?\[(?:[^\]\\]|\\.)*\]\(\s*<?(?P<target>[^)\s>]+)>?(?:\s+[\"'(][^)]*)?\)")
_REFERENCE = re.compile(r"^\s{0,3}\[(?!\^)[^\]]+\]:\s*<?(?P<target>[^\s>]+)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Mention:
    """A piece of a page and the line that it stands in."""

    text: str
    line: str


@dataclass
class Page:
    """The parts of a page that name things.

    Parameters
    ----------
    spans, links : list of Mention
        Code spans, and the targets of links and images.
    blocks : list of (language, text)
        Fenced code.
    """

    spans: list[Mention] = field(default_factory=list)
    links: list[Mention] = field(default_factory=list)
    blocks: list[tuple[str, str]] = field(default_factory=list)


def read_page(markdown: str) -> Page:
    """Take a page apart."""
    page = Page()
    for line in _prose(_COMMENT.sub(_blank, markdown), page):
        page.spans += [Mention(found[2].strip(), line) for found in _SPAN.finditer(line)]
        bare = _SPAN.sub("`code`", line)
        reference = _REFERENCE.match(bare)
        targets = [found["target"] for found in _LINK.finditer(bare)] + ([reference["target"]] if reference else [])
        page.links += [Mention(target, line) for target in targets]
    return page


def _blank(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")


def _prose(markdown: str, page: Page) -> Iterator[str]:
    """Yield the lines outside of fenced code, which is kept in the page's blocks."""
    mark, language, code = "", "", list[str]()
    apart = True  # whether an indented line is code, not what goes on a list item
    for line in markdown.splitlines():
        if mark:
            closing = line.strip()
            if closing.startswith(mark) and not closing.strip(mark[0]):
                page.blocks.append((language, "\n".join(code)))
                mark, code = "", []
            else:
                code.append(line)
        elif fence := _FENCE.match(line):
            mark, language = fence["mark"], fence["language"].lower()
        elif not (apart and line.startswith(("    ", "\t"))):
            apart = not line.strip()
            yield line
    if mark:
        page.blocks.append((language, "\n".join(code)))
