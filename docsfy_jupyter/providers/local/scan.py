"""One pass over a syntax tree, for everything that the pages ask of it: trees are large, and walking them is most of the time."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Protocol

_PLAIN = (ast.Name, ast.Constant, ast.expr_context, ast.operator, ast.cmpop, ast.boolop, ast.unaryop)
_NAME = re.compile(r"[\w.]+")
# top folders whose code is not what a project offers
NOT_API = frozenset(
    (
        *("test", "tests", "testing", "docs", "doc", "examples", "example"),
        *("benchmarks", "benchmark", "samples", "notebooks", "demo", "demos"),
    )
)


@dataclass
class Scan:
    """What a module holds, in the order of its source.

    Parameters
    ----------
    calls : list of (call, name)
        Every call, with the name of the innermost function around it (empty outside of any).
    functions, classes, imports, subscripts : list of nodes
        At any depth.
    raised : dict
        The exceptions that a function's own body raises, by its name and last line.
    """

    calls: list[tuple[ast.Call, str]] = field(default_factory=list)
    functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = field(default_factory=list)
    classes: list[ast.ClassDef] = field(default_factory=list)
    imports: list[ast.Import | ast.ImportFrom] = field(default_factory=list)
    subscripts: list[ast.Subscript] = field(default_factory=list)
    raised: dict[tuple[str, int], list[str]] = field(default_factory=dict)


class Parsed(Protocol):
    """A file that was parsed and scanned."""

    @property
    def path(self) -> str:
        """Relative to the checkout."""

    @property
    def tree(self) -> ast.Module | None:
        """None where it is no Python."""

    @property
    def scan(self) -> Scan:
        """What it holds."""


@dataclass(frozen=True)
class ParsedFile:
    """The plainest `Parsed`."""

    path: str
    tree: ast.Module | None
    scan: Scan


def scan(tree: ast.Module) -> Scan:
    """Walk a tree once."""
    found = Scan()
    pending: list[tuple[ast.AST, ast.FunctionDef | ast.AsyncFunctionDef | None]] = [(tree, None)]
    while pending:
        node, owner = pending.pop()
        if isinstance(node, ast.Call):
            found.calls.append((node, owner.name if owner else ""))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.functions.append(node)
            owner = node
        elif isinstance(node, ast.ClassDef):
            found.classes.append(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.imports.append(node)
        elif isinstance(node, ast.Subscript):
            found.subscripts.append(node)
        elif isinstance(node, ast.Raise) and owner is not None:
            _note(found, node, owner)
        inner = [child for child in ast.iter_child_nodes(node) if not isinstance(child, _PLAIN)]
        pending.extend((child, owner) for child in reversed(inner))
    return found


def _note(found: Scan, node: ast.Raise, owner: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    name = ast.unparse(raised) if isinstance(raised, ast.Name | ast.Attribute) else ""
    if _NAME.fullmatch(name) and name.rpartition(".")[2][:1].isupper():
        names = found.raised.setdefault((owner.name, owner.end_lineno or owner.lineno), [])
        if name not in names:
            names.append(name)


def without_rewrapping(tree: ast.Module, code: str) -> str:
    """Blank ``f = decorate(f)`` after ``def f``: what a reader looks for is the function, not the assignment."""
    lines = code.split("\n")
    for body in [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]:
        known = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        for node in body:
            if isinstance(node, ast.Assign) and _wraps(node, known):
                lines[node.lineno - 1 : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - node.lineno + 1)
    return "\n".join(lines)


def _wraps(node: ast.Assign, known: set[str]) -> bool:
    target, call = node.targets[0], node.value
    if len(node.targets) != 1 or not isinstance(target, ast.Name) or not isinstance(call, ast.Call) or target.id not in known:
        return False
    return any(isinstance(a, ast.Name) and a.id == target.id for a in call.args) and ast.unparse(call.func) != "property"
