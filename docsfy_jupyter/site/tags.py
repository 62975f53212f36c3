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
_BLANK = r"[ \t\n\f\r]"
_VALUE = rf"""{_BLANK}*+={_BLANK}*+(?:"[^"]*+"|'[^']*+'|[^ \t\n\f\r"'<>]++)"""
_NAME = r"""[^ \t\n\f\r"'<>/=]++"""
_ATTRIBUTE = re.compile(f"(?P<name>{_NAME})(?P<value>{_VALUE})?+")
# The grammar of HTML's own standard: what its parsers take for a tag by mistake is text here, as it is in Markdown.
_TAG = rf"<(?P<tag>/?[A-Za-z][^ \t\n\f\r/<>]*+)(?P<rest>(?:(?:{_BLANK}|/)++{_NAME}(?:{_VALUE})?+)*+(?:{_BLANK}|/)*+)>"
_COMMENT = r"(?s:(?P<comment><!--(?:-?>|.*?(?:--!?>|\Z))))"
_MARKUP = re.compile(f"{_COMMENT}|{_TAG}|<")
_UNCOMMENTED = re.compile(f"{_TAG}|<")

Rewrite = Callable[[str, str], "str | None"]


def tame(raw: str) -> str:
    """Turn foreign HTML into what `clean` keeps: other tags become visible text, images of other hosts become links.

    ``List<T>`` in a sentence is such a tag, and a ``<script>`` that is spoken about must not swallow the rest of the page.
    No more may a tag whose quote is not closed, or a comment without an end: what does not end in its own piece of HTML is
    text. The other sources of a ``<picture>`` go: its ``<img>`` shows it. An ``<a name>`` becomes the anchor that it should be.
    """
    return _MARKUP.sub(_tame_markup, raw)


def anchors(tamed: str) -> set[str]:
    """Return where links into a piece of tame HTML may lead."""
    tags = ((found["tag"].lower(), _attributes(found["rest"])) for found in _UNCOMMENTED.finditer(tamed) if found["tag"])
    return {attributes["id"] for tag, attributes in tags if "id" in _ATTRIBUTES.get(tag, ()) and attributes.get("id")}


def _tame_markup(found: re.Match[str]) -> str:
    comment = found["comment"]
    if comment is None:
        return _tame_tag(found)
    if comment.endswith(">") and (comment.endswith(("-->", "--!>")) or comment == "<!-->"):
        return ""
    return "&lt;" + _UNCOMMENTED.sub(_tame_tag, comment[1:])  # no other comment ends behind one that does not


def _tame_tag(found: re.Match[str]) -> str:
    tag = (found["tag"] or "").lower()
    if tag == "source" and "srcset" in _attributes(found["rest"]):
        return ""
    if tag.removeprefix("/") not in _TAGS:
        return html.escape(found[0], quote=False)
    values = _attributes(found["rest"])
    if tag == "img" and is_web(values.get("src", "")):
        return external_image(values["src"], values.get("alt", ""))
    renamed = {"class": "data-was", **({"name": "id"} if tag == "a" and "id" not in values else {})}
    rest = _ATTRIBUTE.sub(lambda one: renamed.get(one["name"].lower(), one["name"]) + (one["value"] or ""), found["rest"])
    return f"<{found['tag']}{rest}>"


def _attributes(rest: str) -> dict[str, str]:
    """Read what follows a tag's name; of two attributes of one name the first counts."""
    values: dict[str, str] = {}
    for found in _ATTRIBUTE.finditer(rest):
        value = (found["value"] or "").lstrip(" \t\n\f\r=")
        values.setdefault(found["name"].lower(), html.unescape(value[1:-1] if value[:1] in {'"', "'"} else value))
    return values


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
