"""Code as HTML with the classes of Pygments, as few as the style sheet has colours for."""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES, _TokenType
from pygments.util import ClassNotFound

_LONGEST_HIGHLIGHTED = 200_000


def highlighted(code: str, language: str) -> str:
    """Return code as HTML; as plain text where the language is unknown or the code is very long."""
    lexer = _lexer(language) if language and len(code) < _LONGEST_HIGHLIGHTED else None
    return html.escape(code, quote=False) if lexer is None else "".join(_spans(lexer, code))


def _spans(lexer: Lexer, code: str) -> Iterator[str]:
    # Pygments' own formatter gives every name and bracket a span; without those a page is half as long, for the sanitiser too.
    for name, tokens in groupby(lexer.get_tokens(code), lambda token: _class_of(token[0])):
        text = html.escape("".join(text for _, text in tokens), quote=False)
        yield f'<span class="{name}">{text}</span>' if name else text


@functools.cache
def _class_of(kind: _TokenType) -> str:
    """Return the class of a kind of token, empty for one that looks like plain text."""
    while kind not in STANDARD_TYPES and kind.parent is not None:
        kind = kind.parent
    name = STANDARD_TYPES.get(kind, "")
    return name if name in _coloured() else ""


@functools.cache
def _coloured() -> frozenset[str]:
    """Return the classes that the style sheet names."""
    styles = (Path(__file__).parent / "static" / "code.css").read_text(encoding="utf-8")
    return frozenset(re.findall(r"\.([a-z][a-z0-9]*)", styles))


@functools.cache
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return None
