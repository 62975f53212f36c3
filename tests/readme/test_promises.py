"""The promises of docs/performance-and-reliability.md name tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_every_promise_names_a_test_that_exists() -> None:
    text = (ROOT / "docs" / "performance-and-reliability.md").read_text("utf-8")
    promises = [line for line in text.splitlines() if line.startswith("| ") and "`tests/" in line]
    assert len(promises) > 10
    for path, name in NAMED.findall(text):
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        tests = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in tests if name else any(test.startswith("test_") for test in tests), (path, name)
