"""Every rule of docs/contract.md names a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| (?!rule \||---)(.+) \| (.+) \|$", re.MULTILINE)


def test_every_rule_names_a_test_that_exists() -> None:
    rules = ROW.findall((ROOT / "docs" / "contract.md").read_text("utf-8"))
    assert len(rules) > 40
    assert [rule for rule, held_by in rules if not _exists(held_by)] == []


def _exists(held_by: str) -> bool:
    named = re.fullmatch(r"`(tests/\S+\.py)::(test_\w+)`", held_by)
    if named is None or not (ROOT / named[1]).is_file():
        return False
    tree = ast.parse((ROOT / named[1]).read_text("utf-8"))
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == named[2] for node in ast.walk(tree))
