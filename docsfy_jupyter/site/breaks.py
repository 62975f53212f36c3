"""Where long words may break: a browser breaks a name nowhere but where it is told to, or in the midst of a part."""

from __future__ import annotations

import re
from collections import Counter

from markupsafe import Markup

# After a dot or a slash; after an underscore only within a part that is long by itself.
_BREAKS = re.compile(r"(?<=[./])(?=\w)|(?<=\w{12}_)(?=\w)")

_PIECE = re.compile(r"(?s:<(?P<block>pre)[ >].*?</pre>)|<(?P<end>/?)(?P<tag>[a-z][a-z0-9]*)[^>]*>|[^<]+")
_WORD = re.compile(r"[^\s<>]+")
# Behind what parts a name: `store.open_file`, `a/b`, `tests::name`, `dict[str`; within neither a number nor an escaped character.
_JOINTS = re.compile(
    r"(?<=\w[^\w&.,])(?=\w)|(?<=\w[.,])(?=[^\W\d])|(?<=[^\W_]_)(?=[^\W_])|(?<=[^\W_][^\w&][^\w&])(?=\w)"
)
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CHARACTER = r"(?:&\w+;|[^&])[\u0300-\u036f\u200d\ufe00-\ufe0f]*"
_CELL = re.compile(r"<t[dh][ >]")
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})

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
    within: Counter[str] = Counter()
    cells: list[int] = []
    made: list[str] = []
    for found in _PIECE.finditer(page):
        tag, piece = found["tag"], found[0]
        if tag == "table":
            cells = cells[:-1] if found["end"] else [*cells, _unbroken(page, found.end())]
        elif tag is not None:
            within[tag] += -1 if found["end"] else 1
        elif not found["block"]:  # a block of code scrolls, and on paper it wraps
            piece = _broken(piece, within, cells)
        made.append(piece)
    return "".join(made)


def _unbroken(page: str, start: int) -> int:
    """Return how many characters may stand in a row in a cell of a table, so that all of its columns are seen."""
    rows = page[start : page.find("</table>", start)].split("</tr>")
    columns = max(len(_CELL.findall(row)) for row in rows)
    return _UNBROKEN.get(columns) or max(1, min(_MOST, _PAPER // max(columns, 1) - 2))


def _broken(text: str, within: Counter[str], cells: list[int]) -> str:
    if cells:
        return _WORD.sub(lambda word: _word(word[0], cells[-1], cells[-1]), text)
    if any(within[tag] > 0 for tag in _HEADINGS):
        return _WORD.sub(lambda word: _word(word[0], _IN_HEADING, None).replace(NARROW, ALWAYS), text)
    if within["code"] > 0:
        return _WORD.sub(lambda word: _word(word[0], _IN_TEXT, None), text)
    return text


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
    cut = re.compile(f"(?:{_CHARACTER}){{1,{longest}}}")
    return [piece for hump in _HUMPS.split(part) for piece in cut.findall(hump)]
