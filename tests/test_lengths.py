"""No file of the project is longer than a person can hold in mind, or it says why."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("docsfy_jupyter", "tests", "benchmarks")
ENDINGS = {".py", ".js", ".css"}
LIMIT = 400
REASON = "long because"


def too_long(root: Path) -> list[str]:
    """Return the files of our own that are above the limit without "long because …" in their first five lines."""
    found = []
    for path in sorted(path for folder in FOLDERS for path in (root / folder).rglob("*") if path.suffix in ENDINGS):
        if "vendor" in path.relative_to(root).parts:
            continue
        lines = path.read_text("utf-8").splitlines()
        if len(lines) > LIMIT and REASON not in " ".join(lines[:5]).lower():
            found.append(f"{path.relative_to(root).as_posix()}: {len(lines)} lines")
    return found


def test_no_file_is_above_400_lines_unless_it_says_why() -> None:
    assert sum(1 for _ in (ROOT / "docsfy_jupyter").rglob("*.py")) > 50, "the project is where it is looked for"
    assert too_long(ROOT) == []


def test_the_rule_sees_long_files_and_takes_a_reason_only_at_their_beginning(tmp_path: Path) -> None:
    long = "x = 1\n" * LIMIT
    texts = {
        "docsfy_jupyter/fits.py": long,
        "docsfy_jupyter/view/long.css": "a {}\n" * (LIMIT + 1),
        "docsfy_jupyter/site/vendor/theirs.js": long * 2,
        "tests/reasoned.py": f'"""A table.\n\nLong because\nits rows belong together.\n"""\n{long}',
        "tests/late.py": f"{long}# Long because nobody split it.\n",
        "benchmarks/data.csv": long * 2,
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert too_long(tmp_path) == ["docsfy_jupyter/view/long.css: 401 lines", "tests/late.py: 401 lines"]
