"""Hostile pages and odd clones: the check takes its time in proportion to their size, and one odd file loses nothing."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from docsfy_jupyter.verification.check import check
from docsfy_jupyter.verification.clone import Clone
from docsfy_jupyter.verification.jobs import CheckJob, Report

SIZE = 200_000
PLAIN = {"acme/__init__.py": "def known_thing(): ...\n", "pyproject.toml": "[project.scripts]\nacme = 'acme:known_thing'\n"}


def checked(tmp_path: Path, page: str | bytes, clone: dict[str, str | bytes]) -> list[tuple[str, str]]:
    """Check one page as the checking process does, the job by way of JSON; return kinds and names."""
    for name, content in {**{f"clone/{name}": content for name, content in clone.items()}, "page.md": page}.items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    job = CheckJob(str(tmp_path / "clone"), tuple(clone), {"page": str(tmp_path / "page.md")}, (), 60)
    report = Report.from_data(through_json(check(CheckJob.from_data(through_json(job)))))
    return [(one.kind, one.name) for one in report.missing]


def through_json(one: CheckJob | Report) -> dict[str, Any]:
    """Return what comes out at the other end of a pipe."""
    return dict(json.loads(json.dumps(asdict(one))))


HOSTILE = ["[", "(", "`", "<", "*", "-", " ", "\n", "\t", "](", "[](", "[x](", "<!--", "||", " - a\n", "``a` ", "--fl ", "'a"]


@pytest.mark.parametrize("piece", HOSTILE)
def test_200_kb_of_one_piece_are_read_in_the_time_that_their_size_needs(tmp_path: Path, piece: str) -> None:
    text = (piece * SIZE)[:SIZE]
    began = time.process_time()
    for number, page in enumerate((text, f"```python\n{text}\n```", f"```bash\nacme {text}\n```")):
        checked(tmp_path / str(number), page + "\n\n`gone_thing()`\n", dict(PLAIN))
    assert time.process_time() - began < 15  # of the processor; what grows with the square takes many minutes


def test_nested_lists_quotes_and_runs_of_every_length_are_read(tmp_path: Path) -> None:
    lists = "".join(" " * (2 * depth) + "- x\n" for depth in range(440))
    quotes = "".join(">" * depth + "\n" for depth in range(630))
    runs = "".join("`" * length + " " for length in range(1, 630))
    assert checked(tmp_path, f"{lists}\n{quotes}\n{runs}\n\n`gone_thing()`\n", dict(PLAIN)) == [("name", "gone_thing()")]


MARKDOWN = [
    ("`` `gone_one()` `` and `gone_two()` ``", [("name", "gone_two()")]),
    ("\\`gone_one() `gone_two()`", [("name", "gone_two()")]),
    ("```x``` `gone_one()`", [("name", "gone_one()")]),
    ("<!-- `gone_one()`\n--> `gone_two()` <!-- `gone_three()`", [("name", "gone_two()"), ("name", "gone_three()")]),
    (
        "[![x](gone.png)](gone.md) \\[x\\](other.md) ](other.md)",
        [("link", "gone.png"), ("link", "gone.md"), ("link", "other.md")],
    ),
    ('[x](gone.md "a title") `[x](y.md)` [a][b](gone2.md)', [("link", "gone.md"), ("link", "gone2.md")]),
    ("[x](docs/a%20guide.md) [y](docs/no%20guide.md)", [("link", "docs/no%20guide.md")]),
]


@pytest.mark.parametrize(("page", "expected"), MARKDOWN)
def test_spans_comments_and_links_end_where_markdown_ends_them(
    tmp_path: Path, page: str, expected: list[tuple[str, str]]
) -> None:
    found = checked(tmp_path, "Words first.\n\n" + page, {**PLAIN, "docs/a guide.md": "A"})
    assert found == expected


CIRCLES = [
    ({"a/__init__.py": "from . import thing\n"}, "a.thing.more_it()", False),
    ({"a/__init__.py": "", "a/x.py": "from a.y import it\n", "a/y.py": "from a.x import it\n"}, "a.x.it.more_it()", False),
    ({"a/__init__.py": "def f():\n  class A(B): ...\ndef g():\n  class B(A): ...\n"}, "a.A.more_it()", True),
    (
        {"a/__init__.py": "class A0: ...\n" + "".join(f"class A{i}(A{i - 1}): ...\n" for i in range(1, 6000))},
        "a.A5999.more_it()",
        True,
    ),
    (
        {
            "a/__init__.py": "class A0: ...\nclass B0: ...\n"
            + "".join(f"class {c}{i}(A{i - 1}, B{i - 1}): ...\n" for i in range(1, 40) for c in "AB")
        },
        "a.A39.more_it()",
        True,
    ),
    ({"a/__init__.py": "try:\n  class A:\n    def more_it(self): ...\nexcept E:\n  class A: ...\n"}, "a.A.more_it()", False),
]


@pytest.mark.parametrize(("clone", "name", "gone"), CIRCLES)
def test_circles_chains_and_diamonds_of_names_come_to_an_end(
    tmp_path: Path, clone: dict[str, str | bytes], name: str, gone: bool
) -> None:
    clone["words.txt"] = "it thing"
    assert checked(tmp_path, f"See `{name}`.", clone) == ([("name", name)] if gone else [])


ODD: list[dict[str, str | bytes]] = [
    {os.fsdecode(b"a/f\xff.py"): "def odd_thing(): ...\n", os.fsdecode(b"\xff/x.ts"): ""},
    {"pyproject.toml": "x = " + "9" * 9000},
    {"pyproject.toml": "project = 3\ntool = [1]\n"},
    {"package.json": '{"bin": ' + "[" * 100_000},
    {"package.json": '{"bin": {"\\ud800": "x", "": 1}, "dependencies": {"\\ud800": 1}}'},
    {
        "a.py": b"\xff\xfe\x00binary",
        "b.py": b"\xff\xfe = 1",
        "c.py": "x = " + "-" * 20_000 + "1",
        "d.py": "x = a" + ".b" * 20_000,
    },
    {"setup.py": "\n" * 1_000_000 + " " * 1_000_000},
]


@pytest.mark.parametrize("clone", ODD)
def test_an_odd_file_loses_nothing_of_the_check(tmp_path: Path, clone: dict[str, str | bytes]) -> None:
    page = b"`gone_thing()` and `known_thing()`; \x00 [x](\x00.md)" + b" \xff `\xed\xa0\x80_a()`"
    assert checked(tmp_path, page, {**PLAIN, **clone}) == [("name", "gone_thing()"), ("link", "\x00.md")]


def test_a_library_file_that_cannot_be_read_is_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "unreadable.py").mkdir()
    (tmp_path / "fine.py").write_text("elsewhere_thing = 1\n", "utf-8")
    files = [tmp_path / "gone.py", tmp_path / "unreadable.py", tmp_path / "fine.py"]
    monkeypatch.setattr("docsfy_jupyter.verification.clone._library", lambda imported: files)
    assert Clone(CheckJob(str(tmp_path), (), {})).known_elsewhere({"elsewhere_thing", "other"}) == {"elsewhere_thing"}


def test_paths_of_a_common_name_are_looked_up_at_once(tmp_path: Path) -> None:
    clone = Clone(CheckJob(str(tmp_path), tuple(f"packages/p{i}/src/index.ts" for i in range(40_000)), {}, (), 60))
    began = time.process_time()
    found = [clone.has_path(f"p{i}/src/index.ts") for i in range(39_500, 40_500)]
    assert time.process_time() - began < 5  # every path for every question: 27 s
    assert found == [True] * 500 + [False] * 500
    assert [clone.has_path(path) for path in ("src/index.ts", "./p1/src/", "rc/index.ts", "packages", "p1/src")] == [
        True,
        True,
        False,
        True,
        True,
    ]
