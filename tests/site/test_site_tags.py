"""Foreign HTML in a page: what is a tag works, what is none is text, and no text is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from one_page import render_one
from site_links import broken_links

from docsfy_jupyter.site.jobs import DeadLink
from docsfy_jupyter.site.tags import anchors, clean, tame

WHOLE = [
    # (HTML, what the page has of it)
    ('<p align="center">a</p>', '<p align="center">a</p>'),
    ("<p align=center>a<BR/></p >", '<p align="center">a<br></p>'),
    ("<p\n  align='center'\n>a</p>", '<p align="center">a</p>'),
    ('<a title="a > b" href="#x">c</a>', '<a title="a &gt; b" href="#x">c</a>'),
    ('<a title="List<T>" href=#x?a=b>c</a>', '<a title="List&lt;T&gt;" href="#x?a=b">c</a>'),
    ("<details open><summary>s</summary>t</details>", '<details open=""><summary>s</summary>t</details>'),
    ("<p title='class = x' class=y>a</p>", "<p>a</p>"),
    ('<a href="#x" title="class = y">a</a>', '<a href="#x" title="class = y">a</a>'),
    ('<a name="x" id="y">a</a><a name=z></a>', '<a id="y">a</a><a id="z"></a>'),
    ('<img alt="a > b" src="https://h/i.png">', '<a href="https://h/i.png">a &gt; b</a>'),
    ('<img data-src="https://h/i.png" src="i.png">', '<img src="i.png">'),
    ("a<!-- <b> \" -->b<!-->c<!--->d<!-- x --!>e", "abcde"),
]
TEXT = [
    ('<a href="x>text</a> to the end', '&lt;a href="x&gt;text to the end'),
    ("<a href='x>it</a> isn't", "&lt;a href='x&gt;it isn't"),
    ('<a href="x>one</a> <a href="#y">two</a>', '&lt;a href="x&gt;one <a href="#y">two</a>'),
    ('<p title="x>one</p> <p title=" y">two</p>', '&lt;p title="x&gt;one<p></p> <p>two</p>'),
    ("<p align=center", "&lt;p align=center"),
    ("<b>x</b", "<b>x&lt;/b</b>"),
    ("<p <b>x</b>", "&lt;p <b>x</b>"),
    ("<p>1 < 2 <3 </ 4 <? 5 ?> <!6> <>", "<p>1 &lt; 2 &lt;3 &lt;/ 4 &lt;? 5 ?&gt; &lt;!6&gt; &lt;&gt;</p>"),
    ("a <!-- b <i>c</i> <!-- d", "a &lt;!-- b <i>c</i> &lt;!-- d"),
    ("<script>a</script><x-y t='<b>'>", "&lt;script&gt;a&lt;/script&gt;&lt;x-y t='&lt;b&gt;'&gt;"),
    ("<p\u00a0align=center>a", "&lt;p&nbsp;align=center&gt;a"),
]  # fmt: skip


def shown(raw: str) -> str:
    """Return what a page has of a piece of HTML."""
    return clean(tame(raw), lambda tag, target: target).replace(' rel="noopener noreferrer"', "")


@pytest.mark.parametrize(("raw", "html"), [*WHOLE, *TEXT])
def test_a_tag_that_ends_is_one_and_anything_else_is_text(raw: str, html: str) -> None:
    assert shown(raw) == html


@pytest.mark.parametrize(
    "opened", ['<div title="x>', "<div title='x", "<div", "<div><a href=\"x>y</a>", "<div><!-- x", "<p>a <img src='b", "<table><tr><td style=\""]
)  # fmt: skip
def test_what_is_left_open_ends_with_its_paragraph(tmp_path: Path, opened: str) -> None:
    article, report = render_one(tmp_path, f"# T\n\n[on](#two)\n\n{opened}\n\nIt's \"quoted\" -->\n\n## Two\n\n> {opened}\n\n**Last** isn't \"it\" --> .\n")
    for text in ('It\'s "quoted" --&gt;', '<h2 id="two">Two<', '<a href="#two"', "<strong>Last</strong> isn't \"it\" --&gt; ."):
        assert text in article
    assert report.dead_links == []
    assert broken_links(tmp_path / "out") == []


def test_links_lead_to_the_anchors_that_are_there_and_to_no_other(tmp_path: Path) -> None:
    wanted = "abcdefgh"
    links = " ".join(f"[{one}](#{one})" for one in [*wanted, "fn1", "fnref1", "fn2"])
    text = (
        f"# T\n\n{links}[^1]\n\n[^1]: note\n\n<a name=\"a\"></a>\n\nin <span id='b'>a line</span>\n\n<div id=c>\n\n</div>\n\n"
        '`<a id="d">`\n\n<div id="e\n\n<!-- <p id="f"> -->\n\n<table><td id="g"></table>\n\n<p title=" id=h">x</p>\n'
    )
    _, report = render_one(tmp_path, text)
    assert report.dead_links == [DeadLink("page", f"#{one}") for one in [*"defgh", "fn2"]]
    assert broken_links(tmp_path / "out") == []
    assert anchors(tame('<A NAME="x&amp;y"></A></p id=z>')) == {"x&y"}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["<", "<!--", "<a ", '<a href="', "<a x=\"<a y='", "<div a a a", "<a/", "<a =", "<p a=' ", '<a p=" q=\'" r=\' s="'])
def test_a_long_piece_is_read_in_one_go(piece: str) -> None:
    # reading on to the end from each of 100,000 beginnings would take hours
    raw = piece * 100_000
    assert tame(raw).replace("&lt;", "<").replace("&gt;", ">") == raw
