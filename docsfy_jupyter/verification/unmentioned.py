"""What the repository offers and no page mentions: options of its command lines, public names of its packages."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable
from pathlib import PurePosixPath

from docsfy_jupyter.providers.local.commands import command_options
from docsfy_jupyter.providers.local.scan import NOT_API, ParsedFile, scan
from docsfy_jupyter.verification.clone import Clone

MOST_UNMENTIONED = 50  # that a report names
_NOT_PRODUCT = NOT_API | {"scripts", "tools", "build", "dist", "vendor", "vendored", "third_party", "migrations"}
_TOP = re.compile(rb"^(?:async[ \t]+def|def|class)[ \t]+([A-Za-z]\w*)", re.MULTILINE)
_DECLARES = re.compile(rb"\b(?:argparse|optparse|click|typer)\b")


def unmentioned(clone: Clone, pages: Iterable[str]) -> list[str]:
    """Return options, then public names by how deep they lie, each once.

    Parameters
    ----------
    clone : Clone
        Where they are looked for.
    pages : iterable of str
        Every page's text.
    """
    text = "\n".join(pages)
    words = set(re.findall(r"\w+", text))
    options: list[str] = []
    names: list[str] = []
    code = [path for path in clone.files if path.endswith(".py") and not _is_test(path)]
    for path in sorted(list(filter(_is_product, code)) or code, key=lambda path: (path.count("/"), path)):
        data = clone.read(path)
        names += [name.decode() for name in _TOP.findall(data)] if not _is_private(path) else []
        if _DECLARES.search(data):
            options += _options(path, data)
    told = set(re.findall(r"(?<![\w-])--[A-Za-z][\w-]*", text))
    return [option for option in dict.fromkeys(options) if option not in told] + [
        name for name in dict.fromkeys(names) if name not in words
    ]


def _is_product(path: str) -> bool:
    pure = PurePosixPath(path)
    if pure.stem in {"setup", "noxfile", "tasks", "fabfile"}:
        return False
    folders = set(pure.parts[:-1])
    return len(pure.parts) > 1 and not folders & _NOT_PRODUCT and not any(part.startswith(".") for part in pure.parts)


def _is_test(path: str) -> bool:
    pure = PurePosixPath(path)
    return bool({"test", "tests"} & set(pure.parts)) or pure.name.startswith("test_") or pure.stem == "conftest"


def _is_private(path: str) -> bool:
    parts = PurePosixPath(path).with_suffix("").parts
    return any(part.startswith("_") and part not in {"__init__", "__main__"} for part in parts)


def _options(path: str, data: bytes) -> list[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    declared = command_options(ParsedFile(path, tree, scan(tree)))
    # Of several spellings the long one counts, of ``--x / --no-x`` the first.
    spellings = (re.findall(r"--[A-Za-z][\w-]*", option.name) for option in declared)
    return [found[0] for found in spellings if found]
