"""Which HTML a page may contain, and how foreign HTML is made to keep to it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import nh3

# fmt: off
_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "center", "cite", "code", "col", "colgroup", "dd", "del", "details",
    "dfn", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "input", "ins", "kbd", "li",
    "mark", "ol", "p", "picture", "pre", "q", "rp", "rt", "ruby", "s", "samp", "section", "small", "span", "strike",
    "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var", "wbr",
}
# fmt: on
_ATTRIBUTES = {
    "a": {"href", "title", "id", "class", "aria-label"},
    "img": {"src", "alt", "title", "width", "height"},
    "input": {"type", "disabled", "checked", "class"},
    "ol": {"start", "class"},
    "td": {"align", "colspan", "rowspan", "style"},
    "th": {"align", "colspan", "rowspan", "scope", "style"},
    "div": {"class", "id", "align", "role", "tabindex", "aria-label"},
    "p": {"class", "id", "align"},
    "details": {"open", "class"},
    "section": {"class"},
    "hr": {"class"},
    "code": {"class"},
    "pre": {"class", "tabindex"},
    "span": {"class", "id"},
    "li": {"class", "id"},
    "ul": {"class"},
    "sup": {"class"},
    **{f"h{level}": {"id", "class", "align"} for level in range(1, 7)},
    "*": {"dir", "lang"},
}
_TAG = re.compile(r"<(?P<name>/?[A-Za-z][^\s/>]*)(?P<rest>[^<>]*>?)|<(?=[!?](?!--))")
_CLASS = re.compile(r"(?i)(?<![\w-])class(?=\s*=)")
_SOURCE = re.compile(r"(?is)<source\s[^<>]*\bsrcset\s*=[^<>]*>")
_IMAGE = re.compile(r"(?is)<img\b[^>]*>")
_ATTRIBUTE = re.compile(r"""(?is)\b(src|alt)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""")

Rewrite = Callable[[str, str], "str | None"]


def tame(raw: str) -> str:
    """Turn foreign HTML into what `clean` keeps: other tags become visible text, images of other hosts become links.

    ``List<T>`` in a sentence is such a tag, and a ``<script>`` that is spoken about must not swallow the rest of the page.
    The other sources of a ``<picture>`` go: its ``<img>`` shows it.
    """
    return _TAG.sub(_tame_tag, _IMAGE.sub(_tame_image, _SOURCE.sub("", raw)))


def _tame_tag(found: re.Match[str]) -> str:
    name = found["name"]
    if name is None or name.lstrip("/").lower() not in _TAGS:
        return "&lt;" + found[0][1:].replace(">", "&gt;")
    return f"<{name}{_CLASS.sub('data-was', found['rest'])}"


def _tame_image(found: re.Match[str]) -> str:
    values = {name.lower(): html.unescape(a or b or c) for name, a, b, c in _ATTRIBUTE.findall(found[0])}
    source = values.get("src", "")
    return external_image(source, values.get("alt", "")) if is_web(source) else found[0]


def is_web(target: str) -> bool:
    """Whether a target is on another host."""
    return target.lower().startswith(("http://", "https://"))


def external_image(source: str, alt: str) -> str:
    """Write the link that stands in for an image of another host."""
    text = alt.strip() or source.rsplit("/", 1)[-1] or source
    return f'<a href="{html.escape(source)}">{html.escape(text)}</a>'


def clean(page: str, rewrite: Rewrite) -> str:
    """Sanitise the HTML of a page.

    Parameters
    ----------
    page : str
        Rendered Markdown.
    rewrite : callable
        Gets a tag (``a`` or ``img``) and a target, answers the target to use or None to drop it.
    """

    def attribute(tag: str, name: str, value: str) -> str | None:
        if name in {"href", "src"}:
            return rewrite(tag, value)
        if name == "style":
            return value if re.fullmatch(r"text-align:(left|right|center)", value) else None
        if tag == "input" and name == "type":
            return "checkbox"
        return value

    return nh3.clean(
        page,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
        clean_content_tags={"script", "style"},
        set_tag_attribute_values={"input": {"disabled": ""}},
    )
