"""Markdown to tokens and tokens to HTML: headings with stable anchors, callouts, code, diagrams."""

from __future__ import annotations

import functools
import html
import re
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.tasklists import tasklists_plugin

from docsfy_jupyter.site.code import highlighted
from docsfy_jupyter.site.tags import anchors, tame

_EXPLICIT = re.compile(r"\s*\{#([\w.:-]+)\}\s*$")
_CALLOUT = re.compile(
    r"(?:\[!(?P<mark>note|tip|important|warning|caution)\]|\*\*(?P<bold>note|tip|hint|important|warning|caution|danger)"
    r"(?::\*\*|\*\*:))[ \t]*\n?",
    re.IGNORECASE,
)
_FEW_COLUMNS = 5
_KIND = {"hint": "tip", "danger": "caution"}


@dataclass
class Heading:
    """A heading of a page."""

    level: int
    anchor: str
    text: str
    symbol: bool = False

    @property
    def short(self) -> str:
        """The text for a narrow column: of a signature the name alone."""
        if not self.symbol:
            return self.text
        name = re.sub(r"^(?:async |class |def |function |static )+", "", self.text)
        return re.split(r"[(:=]", name, maxsplit=1)[0].strip() or self.text


@dataclass
class Page:
    """A parsed page: its tokens, and what other pages and the search need to know of it."""

    tokens: list[Token]
    env: dict[str, Any]
    headings: list[Heading] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    diagrams: int = 0


def parse(text: str) -> Page:
    """Parse Markdown; headings get their anchors here, so that links can be checked before anything is rendered."""
    env: dict[str, Any] = {}
    page = Page(_markdown().parse(text, env), env)
    for index, token in enumerate(page.tokens):
        if token.type == "heading_open":
            text_of = plain(page.tokens[index + 1])
            page.headings.append(Heading(int(token.tag[1]), str(token.attrs["id"]), text_of, "class" in token.attrs))
            page.anchors.add(str(token.attrs["id"]))
        elif token.type == "footnote_open":
            page.anchors.add(f"fn{token.meta['id'] + 1}")
        elif _is_diagram(token):
            page.diagrams += 1
        for part in (token, *(token.children or ())):
            if part.type in {"html_block", "html_inline"}:
                part.content = tame(part.content)
                page.anchors |= anchors(part.content)
            elif part.type == "footnote_ref":
                again = part.meta.get("subId", 0)
                page.anchors.add(f"fnref{part.meta['id'] + 1}" + (f":{again}" if again > 0 else ""))
    return page


def render(page: Page) -> str:
    """Render a parsed page to HTML that is not yet sanitised."""
    md = _markdown()
    return str(md.renderer.render(page.tokens, md.options, page.env))


def plain(token: Token) -> str:
    """Return the text of an inline token, without any markup."""
    parts = []
    for child in token.children or []:
        if child.type in {"text", "code_inline"}:
            parts.append(child.content)
        elif child.type in {"softbreak", "hardbreak"}:
            parts.append(" ")
        elif child.type == "image":
            parts.append(plain(child))
    return "".join(parts).strip()


@functools.cache
def _markdown() -> MarkdownIt:
    md = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    md.use(tasklists_plugin).use(footnote_plugin).use(deflist_plugin)
    # Targets are judged when links are resolved, where a bad one leaves its text; refusing here would leave the raw Markdown.
    md.validateLink = lambda url: True  # type: ignore[method-assign]
    md.core.ruler.before("inline", "callouts", _callouts)
    md.core.ruler.before("inline", "names", _explicit)
    md.core.ruler.push("anchors", _anchors)
    for name, rule in _RULES.items():
        md.add_render_rule(name, rule)
    return md


def _callouts(state: StateCore) -> None:
    """Turn a quote that begins like a note into a callout."""
    tokens = state.tokens
    for index, token in enumerate(tokens[:-2]):
        inline = tokens[index + 2]
        if token.type != "blockquote_open" or inline.type != "inline":
            continue
        found = _CALLOUT.match(inline.content)
        if found:
            word = (found["mark"] or found["bold"]).lower()
            inline.content = inline.content[found.end() :]
            token.meta["callout"] = _closing(tokens, index).meta["callout"] = _KIND.get(word, word)
            token.meta["title"] = word.capitalize()


def _closing(tokens: list[Token], index: int) -> Token:
    level = tokens[index].level
    return next(token for token in tokens[index + 1 :] if token.type == "blockquote_close" and token.level == level)


def _anchors(state: StateCore) -> None:
    """Give every heading an id: the one that it names with ``{#id}``, or one made from its text."""
    taken: set[str] = set()
    for index, token in enumerate(state.tokens):
        if token.type != "heading_open":
            continue
        inline = state.tokens[index + 1]
        wanted = inline.meta.get("anchor") or slug_of(plain(inline))
        anchor, count = wanted, 1
        while anchor in taken:
            count += 1
            anchor = f"{wanted}-{count}"
        taken.add(anchor)
        token.attrs["id"] = anchor
        state.tokens[index + 2].meta["id"] = anchor
        children = inline.children or []
        if children and children[0].type == "code_inline" and token.tag != "h1":
            token.attrs["class"] = "symbol"


def _explicit(state: StateCore) -> None:
    """Take ``{#id}`` off a heading before its Markdown is read: ``__init__`` in an id is no emphasis."""
    for index, token in enumerate(state.tokens):
        if token.type == "heading_open":
            inline = state.tokens[index + 1]
            found = _EXPLICIT.search(inline.content)
            if found:
                inline.content = inline.content[: found.start()]
                inline.meta["anchor"] = found[1]


def slug_of(text: str) -> str:
    """Make an anchor from a heading's text, much as GitHub does."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text.strip().lower())) or "section"


def _is_diagram(token: Token) -> bool:
    return token.type == "fence" and token.info.strip().split(" ")[0].lower() == "mermaid"


def _fence(renderer: RendererHTML, tokens: list[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    if _is_diagram(token):
        return f'<pre class="mermaid-source" tabindex="0"><code>{html.escape(token.content, quote=False)}</code></pre>\n'
    info = token.info.strip()
    language = re.split(r"[\s{,:]", info, maxsplit=1)[0].lower() if info else ""
    label = f'<div class="code-label">{html.escape(language)}</div>' if language else ""
    body = highlighted(token.content, language)
    return f'<div class="code">{label}<pre tabindex="0"><code>{body}</code></pre></div>\n'


def _heading_close(renderer: RendererHTML, tokens: list[Token], index: int, options: Any, env: Any) -> str:
    anchor = html.escape(str(tokens[index].meta.get("id", "")))
    return f'<a class="anchor" href="#{anchor}" aria-label="Link to this section">#</a></{tokens[index].tag}>\n'


def _quote_open(renderer: RendererHTML, tokens: list[Token], index: int, options: Any, env: Any) -> str:
    meta = tokens[index].meta
    if "callout" not in meta:
        return "<blockquote>\n"
    return f'<div class="callout {meta["callout"]}" role="note"><p class="callout-title">{meta["title"]}</p>\n'


def _quote_close(renderer: RendererHTML, tokens: list[Token], index: int, options: Any, env: Any) -> str:
    return "</div>\n" if "callout" in tokens[index].meta else "</blockquote>\n"


def _table_open(renderer: RendererHTML, tokens: list[Token], index: int, options: Any, env: Any) -> str:
    row = next(place for place in range(index, len(tokens)) if tokens[place].type == "tr_close")
    columns = sum(token.type == "th_open" for token in tokens[index:row])
    wide = " wide" if columns > _FEW_COLUMNS else ""
    return f'<div class="table{wide}" tabindex="0" role="region" aria-label="Table"><table>\n'


def _table_close(renderer: RendererHTML, tokens: list[Token], index: int, options: Any, env: Any) -> str:
    return "</table></div>\n"


_RULES = {
    "fence": _fence,
    "heading_close": _heading_close,
    "blockquote_open": _quote_open,
    "blockquote_close": _quote_close,
    "table_open": _table_open,
    "table_close": _table_close,
}
