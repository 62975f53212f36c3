"""The view of variants, as ES modules and style sheets: the notebook's widgets and the server's pages both draw with it."""

from __future__ import annotations

import re
from importlib.resources import files

_PAGES = ("overview.js", "page.css", "page.js", "status.js")
_PARTS = ("dashboard.js", "dom.js", "form.js", "link.js", "log.js", "panel.css", "panel.js", "remarks.js", "watch.js")
ASSETS = (*_PAGES, *_PARTS)

# The modules keep to these forms: one import a line, and exports of declarations or, a line each, of names.
_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./([a-z]+)\.js";\n', re.MULTILINE)
_NAMES = re.compile(r"^export \{([^}]*)\};\n", re.MULTILINE)
_DEFAULT = re.compile(r"^export default \{[^}]*\};\n", re.MULTILINE)
_DECLARED = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export) .*", re.MULTILINE)


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
    """Return a module together with all that it imports, as one: a widget's module has no address to import from.

    Each imported module is there once, before those that import it, as a block of its own that hands out what it exports.

    Raises
    ------
    KeyError
        There is no such asset.
    ValueError
        Modules import each other in a circle, or not in the form that is understood here.
    """
    blocks: dict[str, str] = {}
    text = _joined(name.removesuffix(".js"), blocks, ())
    _refuse_others(_DEFAULT.sub("", _NAMES.sub("", _DECLARED.sub("", text))))
    return "".join(blocks.values()) + text


def _joined(name: str, blocks: dict[str, str], path: tuple[str, ...]) -> str:
    """Return a module's text whose imports are taken from blocks; those that are missing are added."""
    if name in path:
        raise ValueError(f"modules import each other: {' → '.join((*path, name))}")
    text = read_asset(f"{name}.js")
    for match in _IMPORT.finditer(text):
        if match[2] not in blocks:
            blocks[match[2]] = _block(match[2], _joined(match[2], blocks, (*path, name)))
    return _IMPORT.sub(r"const \1 = module_\2;\n", text)


def _block(name: str, text: str) -> str:
    exported = [*_DECLARED.findall(text), *(part.strip() for names in _NAMES.findall(text) for part in names.split(","))]
    body = _DECLARED.sub("", _DEFAULT.sub("", _NAMES.sub("", text)))
    _refuse_others(body)
    return f"const module_{name} = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();\n"


def _refuse_others(text: str) -> None:
    if found := _OTHER.search(text):
        raise ValueError(f"a module has an import or export that cannot be joined: {found[0]}")
