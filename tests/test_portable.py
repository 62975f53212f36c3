"""What only Unix has is imported in one place, beside what stands for it on Windows."""

from __future__ import annotations

import ast
from pathlib import Path

import docsfy_jupyter

UNIX = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}


def test_modules_that_only_unix_has_are_imported_in_one_place() -> None:
    package = Path(docsfy_jupyter.__file__).parent
    found = {}
    for path in package.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        names = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
        names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        if names & UNIX:
            found[path.relative_to(package).as_posix()] = names & UNIX
    assert found == {"locking.py": {"fcntl"}}
