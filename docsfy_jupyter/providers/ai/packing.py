"""Contents of a clone for models that see no files: an outline of the repository, and the files that a page is about."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from docsfy_jupyter.models import clean_text
from docsfy_jupyter.providers.local.files import Checkout, redact

CHARACTERS_A_TOKEN = 4  # of English and code, as OpenAI's and Anthropic's documentation say; the packing errs on the short side
_FIRST = ("readme", "pyproject.toml", "package.json", "cargo.toml", "go.mod", "setup.cfg", "changelog", "makefile")
_MAX_OUTLINED = 400  # modules


def pack_repository(checkout: Checkout, tokens: int) -> str:
    """Return what a planner should see: the leading files whole, and an outline of every Python module.

    Parameters
    ----------
    checkout : Checkout
        The files that may be shown; it leaves secrets out.
    tokens : int
        At most so many, estimated.
    """
    room = tokens * CHARACTERS_A_TOKEN
    leading = "\n".join(_whole(checkout, _leading(checkout.files), room * 2 // 3))
    outline = "\n".join(_outlines(checkout, room - len(leading)))
    parts = {"Some of the files": leading, "Outline of the modules": outline}
    return "\n".join(f"{head}:\n\n{text}\n" for head, text in parts.items() if text)


def pack_files(checkout: Checkout, paths: Iterable[str], tokens: int) -> str:
    """Return the contents of the files that a page is about, the first of them whole, the rest as far as there is room."""
    text = "\n".join(_whole(checkout, [path for path in paths if path in checkout], tokens * CHARACTERS_A_TOKEN))
    return f"The files:\n\n{text}\n" if text else ""


def _leading(paths: Iterable[str]) -> list[str]:
    """Return the files that say what a project is, those of the top folder first."""

    def place(path: str) -> int:
        name = PurePosixPath(path).name.lower()
        return next((index for index, first in enumerate(_FIRST) if name.startswith(first)), len(_FIRST))

    wanted = [path for path in paths if path.count("/") <= 1 and place(path) < len(_FIRST)]
    return sorted(wanted, key=lambda path: (path.count("/"), place(path), path))


def _whole(checkout: Checkout, paths: Iterable[str], room: int) -> Iterator[str]:
    for path in paths:
        text = checkout.text(path)
        if text is None or "\x00" in text:
            continue
        shown = redact(text)
        if len(shown) > room - 200:
            shown = shown[: max(room - 200, 0)].rpartition("\n")[0]
            if not shown:
                return
            shown += "\n[the rest is left out]"
        fence = "`" * max(3, _longest_run(shown) + 1)
        block = f"### {clean_text(path)}\n{fence}\n{shown.rstrip()}\n{fence}\n"
        yield block
        room -= len(block)


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _outlines(checkout: Checkout, room: int) -> Iterator[str]:
    modules = [path for path in checkout.files if path.endswith(".py")][:_MAX_OUTLINED]
    for path in modules:
        source = checkout.python(path)
        line = _outline(path, source) if source else None
        if line is None:
            continue
        room -= len(line) + 1
        if room < 0:
            return
        yield line


def _outline(path: str, source: str) -> str | None:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            members = [m.name for m in node.body if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef) and m.name[0] != "_"]
            names.append(f"class {node.name}({', '.join(members)})")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            names.append(f"def {node.name}({', '.join(argument.arg for argument in node.args.args)})")
    first = (ast.get_docstring(tree) or "").strip().split("\n")[0]
    return f"- {clean_text(path)}: {'; '.join(filter(None, [first, *names]))}" if names or first else None
