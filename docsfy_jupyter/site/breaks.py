"""Where long words may break: a browser breaks a name nowhere but where it is told to, or in the midst of a part."""

from __future__ import annotations

import functools
import re

from markupsafe import Markup

# After a dot or a slash; after an underscore only within a part that is long by itself.
_BREAKS = re.compile(r"(?<=[./])(?=\w)|(?<=\w{12}_)(?=\w)")

# What has long words that may break, and a block of code, which scrolls, and on paper wraps.
_PART = re.compile(r"(?s:<(?P<kind>pre|code|h[1-6])[ >].*?</(?P=kind)>)|<table[ >]")
_TABLE = re.compile(r"<(/?)table[ >]")
_WORD = re.compile(r"[^\s<>]+")
# Behind what parts a name: `store.open_file`, `a/b`, `tests::name`, `dict[str`; within neither a number nor an escaped character.
_JOINTS = re.compile(
    r"(?<=\w[^\w&.,])(?=\w)|(?<=\w[.,])(?=[^\W\d])|(?<=[^\W_]_)(?=[^\W_])|(?<=[^\W_][^\w&][^\w&])(?=\w)"
)
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CHARACTER = r"(?:&\w+;|[^&])[\u0300-\u036f\u200d\ufe00-\ufe0f]*"
_CELL = re.compile(r"<t[dh][ >]")

_UNBROKEN = {1: 32, 2: 16, 3: 12}  # characters in a row for a table's number of columns: what a phone's screen has room for
_MOST, _PAPER = 14, 100  # characters, in a cell and in a row: of tables with more columns a sheet of paper has to show all
_IN_TEXT, _IN_HEADING = 20, 12  # characters; code in sentences, and words of headings, that are no longer stay whole
_LONG = 32  # characters; longer words break on wide screens too

ALWAYS, NARROW = "<wbr>", '<wbr class="narrow">'


def breakable(text: str) -> Markup:
    """Let a dotted name break between its parts, so that a narrow column breaks it nowhere else."""
    return Markup("<wbr>").join(_BREAKS.split(text))


def let_break(page: str) -> str:
    """Let long words of a page break: in cells of tables wherever they must, in headings and code between their parts.

    Parameters
    ----------
    page : str
        Sanitised HTML, in which ``<`` and ``>`` are those of tags.

    Returns
    -------
    str
        The same with ``<wbr>``, of the class ``narrow`` where only phones and paper have to break.
    """
    made, at = [], 0
    while found := _PART.search(page, at):
        made.append(page[at : found.start()])
        at = found.end() if found["kind"] else _end_of_table(page, found.start())
        made.append(_part(found["kind"], page[found.start() : at]))
    return "".join([*made, page[at:]])


def _end_of_table(page: str, start: int) -> int:
    """Return where a table ends, with those in its cells."""
    depth = 0
    for tag in _TABLE.finditer(page, start):
        depth += -1 if tag[1] else 1
        if depth == 0:
            return tag.end()
    return len(page)


def _part(kind: str | None, part: str) -> str:
    if kind == "pre":
        return part
    if kind == "code":
        return _broken(part, _IN_TEXT, None)
    if kind is not None:
        return _broken(part, _IN_HEADING, None).replace(NARROW, ALWAYS)
    unbroken = _unbroken(part)
    return _broken(part, unbroken, unbroken)


def _unbroken(table: str) -> int:
    """Return how many characters may stand in a row in a cell of a table, so that all of its columns are seen."""
    columns = max(len(_CELL.findall(row)) for row in table.split("</tr>"))
    return _UNBROKEN.get(columns) or max(1, min(_MOST, _PAPER // max(columns, 1) - 2))


def _broken(part: str, whole: int, longest: int | None) -> str:
    """Break the words of a part of a page that are longer than `whole`, but those of a block of code in it."""
    pieces = part.split("<")
    scrolls = False
    for place, piece in enumerate(pieces):
        tag, end, text = piece.partition(">")
        if tag.startswith(("pre", "/pre")):
            scrolls = tag[0] != "/"
        if len(text) > whole and not scrolls:
            pieces[place] = tag + end + _WORD.sub(lambda word: _word(word[0], whole, longest), text)
    return "<".join(pieces)


def _word(word: str, whole: int, longest: int | None) -> str:
    """Break a word that is longer than `whole`, between its parts, and these so that none is longer than `longest`."""
    if len(word) <= whole:
        return word
    parts = _JOINTS.split(word)
    if longest is not None:
        parts = [piece for part in parts for piece in _pieces(part, longest)]
    return (ALWAYS if len(word) > _LONG else NARROW).join(parts)


def _pieces(part: str, longest: int) -> list[str]:
    if len(part) <= longest:
        return [part]
    return [piece for hump in _HUMPS.split(part) for piece in _cut(longest).findall(hump)]


@functools.cache
def _cut(longest: int) -> re.Pattern[str]:
    return re.compile(f"(?:{_CHARACTER}){{1,{longest}}}")
