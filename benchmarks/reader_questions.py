"""Questions that a reader of a package's documentation has, drawn from its syntax trees by a seeded die.

Nothing here is shared with the product: answers come from `ast` and from docstrings as they are written.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Question:
    """One question.

    Parameters
    ----------
    kind : str
        ``parameters``, ``default``, ``raises``, ``where``, ``returns`` or ``attribute``.
    query : str
        What a reader would type.
    needs : tuple of str
        Patterns, all of which the text that the reader reaches must match.
    """

    package: str
    kind: str
    query: str
    needs: tuple[str, ...]


@dataclass(frozen=True)
class _Symbol:
    module: str
    name: str
    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def draw(root: Path, package: str, count: int, seed: int) -> list[Question]:
    """Return `count` questions of every kind, as far as the package has that many."""
    kinds: dict[str, list[Question]] = {}
    symbols = list(_symbols(root, package))
    names = [s.name for s in symbols]
    for symbol in symbols:
        # A name that is defined twice has two right answers: such a question is not asked.
        if names.count(symbol.name) == 1:
            for kind, query, needs in _asked(symbol):
                kinds.setdefault(kind, []).append(Question(package, kind, query, tuple(needs)))
    die = random.Random(seed)
    return [q for kind in sorted(kinds) for q in die.sample(kinds[kind], min(count, len(kinds[kind])))]


def _symbols(root: Path, package: str) -> Iterator[_Symbol]:
    for path in sorted((root / package).rglob("*.py")):
        parts = list(path.relative_to(root).with_suffix("").parts)
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if any(p.startswith("_") for p in parts):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in _public(tree.body):
            yield _Symbol(".".join(parts), node.name, node)
            if isinstance(node, ast.ClassDef):
                for inner in _public(node.body):
                    if not isinstance(inner, ast.ClassDef):
                        yield _Symbol(".".join(parts), f"{node.name}.{inner.name}", inner)


def _public(body: list[ast.stmt]) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node


def _asked(symbol: _Symbol) -> Iterator[tuple[str, str, list[str]]]:
    node, name = symbol.node, symbol.name
    # Tools count from the first decorator or from the name, pdoc sometimes one too high: a reader finds the place all the same.
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    lines = "|".join(map(str, range(first, node.lineno + 2)))
    if ast.get_docstring(node):
        yield (
            "where",
            f"{name} defined",
            [rf"\b{re.escape(symbol.module)}\b|{symbol.module.replace('.', '/')}\b", rf"\b({lines})\b"],
        )
    if isinstance(node, ast.ClassDef):
        for attribute in _attributes(node):
            yield "attribute", f"{name} {attribute}", [rf"\b{attribute}\b", rf"\b{name}\b"]
        return
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    wanted = [a.arg for a in arguments if a.arg not in {"self", "cls"}]
    if len(wanted) >= 2:
        yield "parameters", f"{name} parameters", [rf"\b{w}\b" for w in wanted]
    for argument, default in _defaults(node):
        shown = re.escape(ast.unparse(default)).replace('"', "['\"]").replace("'", "['\"]")
        yield "default", f"{name} {argument} default", [rf"\b{argument}\b.{{0,160}}?{shown}"]
    raised = _raised(node)
    if raised:
        yield "raises", f"{name} raises", [rf"\b{r}\b" for r in raised]
    if node.returns is not None and ast.unparse(node.returns) not in {"None", "Any"}:
        words = re.findall(r"[A-Za-z_]\w+", ast.unparse(node.returns).replace("'", " "))
        yield "returns", f"{name} returns", [rf"\b{w}\b" for w in dict.fromkeys(words)]


def _attributes(node: ast.ClassDef) -> list[str]:
    found: list[str] = []
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            found.append(item.target.id)
        elif isinstance(item, ast.Assign):
            found += [t.id for t in item.targets if isinstance(t, ast.Name)]
        elif isinstance(item, ast.FunctionDef) and item.name == "__init__":
            for inner in ast.walk(item):
                targets = inner.targets if isinstance(inner, ast.Assign) else []
                found += [t.attr for t in targets if isinstance(t, ast.Attribute) and ast.unparse(t.value) == "self"]
    return [a for a in dict.fromkeys(found) if not a.startswith("_")]


def _defaults(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, ast.expr]]:
    positional = [*node.args.posonlyargs, *node.args.args]
    if node.args.defaults:
        yield from ((a.arg, d) for a, d in zip(positional[-len(node.args.defaults) :], node.args.defaults, strict=True))
    yield from ((a.arg, d) for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d is not None)


def _raised(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Return the exceptions of ``raise`` statements in the body itself and those that the docstring names."""
    found = re.findall(r":raises?\s+`?~?[\w.]*?(\w+)`?:", ast.get_docstring(node) or "")
    pending: list[ast.AST] = list(node.body)
    while pending:
        inner = pending.pop()
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(inner, ast.Raise) and isinstance(inner.exc, ast.Call):
            name = ast.unparse(inner.exc.func).rpartition(".")[2]
            found += [name] if name[:1].isupper() else []
        pending.extend(ast.iter_child_nodes(inner))
    return list(dict.fromkeys(found))
