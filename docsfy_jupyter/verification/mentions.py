"""What a page mentions: code spans, fenced code and links of its Markdown, each with the paragraph around it.

A model may write anything, so nothing here takes more than linear time: what opens and never closes is passed by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_FENCE = re.compile(r"^\s{0,12}(?P<mark>`{3,}+(?!.*`)|~{3,})\s*\{?\.?(?P<language>[\w+-]*)")
_TICKS = re.compile(r"`+")
# From the label's end on: what stands in the label tells nothing. The bounds keep a line of ``](`` from being read a line a time.
_LINK = re.compile(r"(?<!\\)\]\([ \t]{0,9}+<?(?P<target>[^)\s>]{1,300}+)>?(?:[ \t]{1,9}+[\"'(][^)]{0,300}+)?\)")
_WEB_LABEL = re.compile(r"\[`?([\w.-]{1,80})`?\]\(https?://")
_BEGINS = re.compile(r"\s*(?:[-*+]\s|\d{1,9}[.)]\s|#|\||>)")  # a line that continues no paragraph
_REFERENCE = re.compile(r"^\s{0,3}\[(?!\^)[^\]]+\]:\s*<?(?P<target>[^\s>]+)")


@dataclass(frozen=True)
class Mention:
    """A piece of a page and the paragraph that it stands in; an item of a list and a row of a table are one by themselves."""

    text: str
    around: str


@dataclass
class Page:
    """The parts of a page that name things.

    Parameters
    ----------
    spans, links : list of Mention
        Code spans, and the targets of links and images.
    web : set of str
        Labels of links to the web.
    blocks : list of (language, text)
        Fenced code.
    """

    spans: list[Mention] = field(default_factory=list)
    links: list[Mention] = field(default_factory=list)
    blocks: list[tuple[str, str]] = field(default_factory=list)
    web: set[str] = field(default_factory=set)


def read_page(markdown: str) -> Page:
    """Take a page apart."""
    page = Page()
    for line, around in _with_paragraphs(_prose(_without_comments(markdown), page)):
        if "`" not in line and "[" not in line:
            continue
        page.web.update(_WEB_LABEL.findall(line))
        spans, bare = _code_spans(line)
        page.spans += [Mention(text, around) for text in spans]
        reference = _REFERENCE.match(bare)
        first = bare.find("[")
        targets = [found["target"] for found in _LINK.finditer(bare, first) if first >= 0] + (
            [reference["target"]] if reference else []
        )
        page.links += [Mention(target, around) for target in targets]
    return page


def _with_paragraphs(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each line with the paragraph that it belongs to."""
    paragraph = list[str]()
    for line in (*lines, ""):
        if paragraph and (not line.strip() or _BEGINS.match(line)):
            around = "\n".join(paragraph)
            yield from ((one, around) for one in paragraph)
            paragraph = []
        if line.strip():
            paragraph.append(line)


def _code_spans(line: str) -> tuple[list[str], str]:
    """Return what stands in code spans, and the line without it: a run of backticks ends at the next one of its length."""
    runs = [found.span() for found in _TICKS.finditer(line)]
    following: dict[int, int] = {}  # length → the nearest run of it behind
    closing = [0] * len(runs)
    for place in range(len(runs) - 1, -1, -1):
        length = runs[place][1] - runs[place][0]
        closing[place] = following.get(length, 0)
        following[length] = place
    spans, bare, at, place = list[str](), list[str](), 0, 0
    while place < len(runs):
        (start, end), closed = runs[place], closing[place]
        if closed and line[start - 1 : start] != "\\":
            spans.append(line[end : runs[closed][0]].strip())
            bare += [line[at:start], "`code`"]
            at, place = runs[closed][1], closed
        place += 1
    return spans, "".join([*bare, line[at:]])


def _without_comments(markdown: str) -> str:
    """Take comments out and leave their line ends."""
    kept, at = list[str](), 0
    while (start := markdown.find("<!--", at)) >= 0 and (end := markdown.find("-->", start + 4)) >= 0:
        kept += [markdown[at:start], "\n" * markdown.count("\n", start, end)]
        at = end + 3
    return "".join([*kept, markdown[at:]])


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
            yield ""  # no paragraph goes on behind it
        elif not (apart and line.startswith(("    ", "\t"))):
            apart = not line.strip()
            yield line
    if mark:
        page.blocks.append((language, "\n".join(code)))
