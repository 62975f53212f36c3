"""Reading single expressions of a syntax tree, and the row that becomes of them."""

from __future__ import annotations

import ast
from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """One row: where, name, default, what it says."""

    path: str
    line: int
    owner: str
    name: str
    default: str
    text: str
    kind: str = ""


def called(call: ast.AST) -> str:
    """Return the dotted name of what a call calls; empty for anything else."""
    if not isinstance(call, ast.Call):
        return ""
    return dotted(call.func) or (call.func.attr if isinstance(call.func, ast.Attribute) else "")


def dotted(node: ast.AST) -> str:
    """Return a dotted name as it is written; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def shown(node: ast.AST | None) -> str:
    """Return an expression's source, cut where it gets long."""
    text = ast.unparse(node) if node is not None else ""
    return text if len(text) <= 80 else text[:80] + " …"


def spelled(node: ast.AST | None) -> str:
    """Return a string that is spelled out in the source, also over several parts."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return " ".join(node.value.split())
    if isinstance(node, ast.Call) and node.args:
        return spelled(node.args[0])
    if isinstance(node, ast.BinOp):
        return f"{spelled(node.left)} {spelled(node.right)}".strip()
    return ""
