"""The view of variants, as ES modules and style sheets: the notebook's widgets and the server's pages both draw with it."""

from __future__ import annotations

import re
from importlib.resources import files

ASSETS = ("dashboard.js", "overview.js", "page.css", "page.js", "panel.css", "panel.js", "status.js")

# The modules keep to these forms: one import a line, and exports of declarations or of names.
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z]+\.js)";\n', re.MULTILINE)
_EXPORTS = re.compile(r"^export (?:default )?\{[^}]*\};\n", re.MULTILINE)
_DECLARED = re.compile(r"^export (?=function |class |const )", re.MULTILINE)


def read_asset(name: str) -> str:
    """Return the text of one of `ASSETS`.

    Raises
    ------
    KeyError
        There is no such asset.
    """
    if name not in ASSETS:
        raise KeyError(name)
    return (files(__package__) / name).read_text("utf-8")


def bundled(name: str) -> str:
    """Return a module together with those that it imports, as one: a widget's module has no address to import from.

    Each imported module becomes a block of its own, whose exported names are taken out of it.
    """
    text = read_asset(name)
    blocks = []
    for match in _IMPORT.finditer(text):
        names = re.sub(r"^import|from .*$", "", match[0].strip()).strip()
        body = _DECLARED.sub("", _EXPORTS.sub("", bundled(match[1])))
        blocks.append(f"const {names} = (() => {{\n{body}\nreturn {names};\n}})();\n")
    return "".join(blocks) + _IMPORT.sub("", text)
