"""Strategies for Markdown and for plans: what models write, what they might, and what nobody should."""

from __future__ import annotations

import json

from hypothesis import strategies as st
from payloads import ATTEMPTS, EVENTS, SCHEMES

ODD = (
    "\u202e", "\u2066", "\ufeff", "\u200b", "\u00ad", "\u0000", "\u0001", "\u0008", "\u000b", "\u001b[31m", "\u007f", "\u0085", "\u2028", "\ud800", "\udfff", "\uffff",
    "\U0001f600", "e\u0301" * 40, "\u0e49" * 60, "\t", "\r", "\r\n", "&#0;", "&#x110000;", "&nbsp;", "&lt", "\\", "\\\\", "{#x}", "{{7*7}}", "{%", "$$", "]]>", "-->", "|", "~", "`",
)  # fmt: skip
URLS = (
    "page.md", "b.md#x", "#a", "index.html", "../../outside", "/etc/passwd", "//evil.invalid/x", "http://[::1", "http://", "https://a.invalid/\u202e", "mailto:a@b.invalid",
    "?q=<x>", "%2e%2e/x", "repo-files/a.png", "repo-files/../../x.png", "file:///etc/passwd", "x y", "", " ", "a(b)c", "#%zz", "data:image/svg+xml,<svg onload=alert(1)>",
)  # fmt: skip
_JS = "alert(1)"

words = st.one_of(st.text(max_size=12), st.sampled_from(ODD), st.sampled_from(["word", "<T>", "a_b_c", "**b**", "x" * 300]))
urls = st.one_of(st.sampled_from(URLS), st.sampled_from(SCHEMES).map(lambda scheme: scheme.replace("{js}", _JS) + _JS), st.text(max_size=15))
attempts = st.builds(
    lambda attempt, event, scheme: attempt.format(js=_JS, n=1, canary="https://evil.invalid/1", event=event, scheme=scheme.replace("{js}", _JS)),
    st.sampled_from(ATTEMPTS), st.sampled_from(EVENTS), st.sampled_from(SCHEMES),
)  # fmt: skip
QUOTES = [('"', '"')] * 3 + [("'", "'"), ("", ""), ('"', ""), ("'", "/"), ("`", '"')]
tags = st.builds(
    lambda name, attribute, value, quotes, rest: f"<{name} {attribute}={quotes[0]}{value}{quotes[1]}{rest}",
    st.sampled_from(["a", "img", "div", "p", "td", "details", "h2", "li", "/p", "svg", "script", "style", "iframe", "x-y", "input", "form"]),
    st.sampled_from(["href", "src", "style", "class", "id", "xlink:href", "srcdoc", "ONCLICK", "onclick", *EVENTS]), urls, st.sampled_from(QUOTES), st.sampled_from([">", "/>", "", ">t</a>"]),
)  # fmt: skip


def _wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("[{}]({})".format, inner, urls), st.builds('![{}](<{}> "{}")'.format, inner, urls, words), st.builds("**{}**".format, inner),
        st.builds("`{}`".format, inner), st.builds("[{}][{}]".format, inner, words), st.builds("{}[^{}]".format, inner, words), st.lists(inner, max_size=4).map(" ".join),
    )  # fmt: skip


inlines = st.recursive(st.one_of(words, tags, attempts, urls.map("<{}>".format), urls), _wrapped, max_leaves=6)


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def behind(mark: str, text: str) -> str:
        return "\n".join((mark if number == 0 else " " * len(mark)) + line for number, line in enumerate(text.split("\n")))

    return st.one_of(
        st.builds(behind, st.sampled_from(["- ", "* ", "1. ", "999999999. ", "- [ ] ", "[^1]: "]), inner), inner.map(lambda text: "\n".join(f"> {line}" for line in text.split("\n"))),
        st.builds("```{}\n{}\n```".format, words, inner), st.builds("~~~~ {}\n{}".format, words, inner), st.builds("<div>\n\n{}\n".format, inner),
        st.builds("<details><summary>{}</summary>\n\n{}\n\n</details>".format, words, inner), st.builds('!!! note "{}"\n    {}'.format, words, inner),
        st.lists(inner, min_size=1, max_size=4).map("\n\n".join),
    )  # fmt: skip


blocks = st.one_of(
    inlines, st.builds("{} {} {{#{}}}".format, st.sampled_from(["#", "##", "###", "#######"]), inlines, words), st.builds("{}\n===".format, inlines),
    st.builds("| {} | {} |\n| - | :-: |\n| {} |".format, inlines, words, inlines), st.builds("[{}]: {} '{}'".format, words, urls, words), st.builds("```mermaid\n{}\n```".format, inlines),
    st.builds(lambda text, count: text * count, words, st.sampled_from([300, 3000])), st.just("***"),
)  # fmt: skip
# among much that is odd a few things that would hurt at once, each on a line of its own
texts = st.lists(st.one_of(tags, attempts, st.recursive(blocks, _nested, max_leaves=8)), min_size=1, max_size=12).map("\n\n".join)

slugs = st.one_of(
    st.sampled_from(["a", "A", "a ", "../../outside", "..", ".", "/etc/x", "a/b", "a\\b", "index", "404", "assets", "con", "search", "x" * 400, "", "a.md", "\u00fc", "\u202ea", "\0", "-", "page", "page-2"]),
    st.text(max_size=8),
)  # fmt: skip
_junk = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.lists(words, max_size=2), words)
_page = st.one_of(
    st.fixed_dictionaries(
        {"slug": slugs}, optional={"title": words, "description": words, "sources": st.lists(st.one_of(slugs, words), max_size=3), "related": st.lists(slugs, max_size=3), "odd": _junk}
    ),
    st.fixed_dictionaries({"slug": _junk, "title": _junk}),
)  # fmt: skip
_groups = st.recursive(
    st.fixed_dictionaries({"group": words, "pages": st.lists(_page, min_size=1, max_size=4)}),
    lambda inner: st.fixed_dictionaries({"group": words, "pages": st.lists(st.one_of(_page, inner), max_size=3)}, optional={"groups": st.lists(inner, max_size=2)}),
    max_leaves=4,
)
plans = st.one_of(
    st.builds(
        lambda name, tagline, groups: json.dumps({"project_name": name, "tagline": tagline, "navigation": groups}), words, words, st.lists(_groups, min_size=1, max_size=4)
    ),
    st.builds(lambda value: json.dumps({"navigation": value}), _junk), texts,
)  # fmt: skip
