"""Every field case has a test, or a reason for having none. ``python tests/test_cases.py`` (``make cases``) prints the list."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent


def groups() -> dict[str, dict[str, Any]]:
    """Return the project's list of cases."""
    return tomllib.loads((TESTS / "data" / "cases.toml").read_text("utf-8"))


def titles() -> dict[str, str]:
    """Return the title of every case."""
    return {case: title for group in groups().values() for case, title in group["cases"].items()}


def marked() -> dict[str, list[str]]:
    """Return the tests of every case, found in the source so that nothing needs to be imported."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for case in _marks(ast.parse(path.read_text("utf-8"))):
            found.setdefault(case, []).append(path.name)
    return found


def _marks(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.case":
            yield from (ast.literal_eval(argument) for argument in node.args)


def untested() -> Iterator[tuple[str, str, str]]:
    """Yield every case without a test: id, title and reason, which is empty where there is none."""
    tested = marked()
    for group in groups().values():
        for case, title in group["cases"].items():
            if case not in tested:
                yield case, title, group.get("without_test", {}).get(case) or group.get("later", "")


def test_every_mark_names_a_case_of_the_list() -> None:
    assert len(titles()) == 83
    assert {case: files for case, files in marked().items() if case not in titles()} == {}


def test_every_case_has_a_test_or_a_reason_for_having_none() -> None:
    assert [(case, title) for case, title, reason in untested() if not reason] == []


def test_no_reason_is_given_for_a_case_that_has_a_test() -> None:
    given = {case for group in groups().values() for case in group.get("without_test", {})}
    assert given <= titles().keys()
    assert given & marked().keys() == set()


if __name__ == "__main__":
    rows = list(untested())
    print(f"{len(titles()) - len(rows)} of {len(titles())} field cases have a test. Without one:")
    for case, title, reason in rows:
        print(f"  {case}  {title}: {reason or 'no reason given'}")
