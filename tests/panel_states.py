"""Rows of every state that a panel can be in: what section 5 and 6 of docs/contract.md say of them, and what the browser gets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from docsfy_jupyter.models import FailedPage, Stage, Status, Variant
from docsfy_jupyter.screen import screen

NOW = "2026-11-25T10:42:00+00:00"
LONG = "How a page whose title nobody thought of shortening, since it says all that there is to say, is shown in narrow places"[:120]
HTML = 'exit code 1: <img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script> <b>Bold</b> & "quoted" ' + "x" * 90


def at(minute: int, second: int = 0) -> str:
    return f"2026-11-25T10:{minute:02}:{second:02}+00:00"


def plan(*titles: str) -> str:
    pages = [{"slug": f"p{number}", "title": title} for number, title in enumerate(titles, 1)]
    return json.dumps({"project_name": "demo", "navigation": [{"group": "All", "pages": pages}]})


def variant(status: Status = Status.GENERATING, stage: Stage | None = None, **changes: Any) -> Variant:
    """Return a row as the server answers it."""
    row = Variant("demo", "main", "local", "static", "me", "https://github.com/owner/demo.git", status, at(30), at(41, 30))
    times = {"queued": at(40), "cloning": at(40, 5), "planning": at(40, 20), "generating_pages": at(41), "rendering": at(41, 25)}
    known = {"started_at": at(40), "started_by": "me", "generation_id": "g1", "stage_times": times, "current_stage": stage}
    return row.changed(**{**known, **changes})


@dataclass(frozen=True)
class Case:
    """One row of the contract's tables: the bar, and the log as (kind, text)."""

    row: Variant
    label: str
    percent: int | None
    text: str
    log: tuple[tuple[str, str], ...]


CLONED, READY = ("done", "Cloned repository"), Status.READY
RENDERED = ("done", "Rendered documentation site")
PLANNED = ("done", "Planned documentation structure (3 pages)")
STEPS = ("Cloning repository", "Planning documentation structure", "Generating pages", "Rendering HTML site")
ABC = plan("A", "B", "C")
PAGES, ERROR, ABORTED = Stage.GENERATING_PAGES, Status.ERROR, Status.ABORTED


def to_come(number: int) -> tuple[tuple[str, str], ...]:
    return tuple(("pending", text) for text in STEPS[-number:])


def made(*titles: str, of: object = 3) -> tuple[tuple[str, str], ...]:
    return tuple(("done", f"Generated page {number} of {of}: {title}") for number, title in enumerate(titles, 1))


def going(label: str, percent: int | None, text: str, *log: tuple[str, str], stage: Stage | None = None, **more: Any) -> Case:
    return Case(variant(stage=stage, **more), label, percent, text, log)


def ended(word: str, percent: int | None, text: str, *log: tuple[str, str], **more: Any) -> Case:
    status = ERROR if word == "Failed" else ABORTED
    message = "Generation aborted by user" if status is ABORTED else "It failed."
    row = variant(status, error_message=message, **more)
    return Case(row, word, percent, text, (*log, ("error", f"Generation {word.lower()}")))


CASES = {
    "starting": going("Generating…", None, "0 pages", ("active", "Starting generation...")),
    "queued": going("Generating…", None, "0 pages", ("active", "Waiting for a free slot..."), *to_come(4), stage=Stage.QUEUED),
    "cloning": going("Generating…", None, "0 pages", ("active", "Cloning repository..."), *to_come(3), stage=Stage.CLONING),
    "planning": going(
        "Generating…", None, "0 pages", CLONED, ("active", "Planning documentation structure..."), *to_come(2), stage=Stage.PLANNING
    ),
    "incremental planning, of the old plan": going(
        "Generating…", 0, "0 / 3 pages", CLONED, ("active", "Planning incremental update..."), *to_come(2),
        stage=Stage.INCREMENTAL_PLANNING, plan_json=ABC,
    ),
    "pages, an older server": going(
        "Generating…", 33, "1 / 3 pages", CLONED, PLANNED, *made("A"), ("active", "Generating page 2 of 3: B"), *to_come(1),
        stage=PAGES, plan_json=ABC, page_count=1,
    ),
    "pages that finish out of order": going(
        "Generating…", 33, "1 / 3 pages", CLONED, PLANNED, *made("C"),
        ("active", "Generating page 2 of 3: A"), ("active", "Generating page 3 of 3: B"), *to_come(1),
        stage=PAGES, plan_json=ABC, page_count=1, pages_done=("p3",), pages_active=("p1", "p2"),
    ),
    "half up": going(
        "Generating…", 13, "1 / 8 pages", CLONED, ("done", "Planned documentation structure (8 pages)"), *made("A", of=8),
        ("active", "Generating page 2 of 8: B"), *to_come(1), stage=PAGES, plan_json=plan(*"ABCDEFGH"), page_count=1,
    ),
    "all pages, still in that stage": going(
        "Generating…", 99, "3 / 3 pages", CLONED, PLANNED, *made("A", "B", "C"), *to_come(1),
        stage=PAGES, plan_json=ABC, page_count=3,
    ),
    "pages without a plan": going(
        "Generating…", None, "2 pages", CLONED, ("done", "Planned documentation structure"), *made("Page 1", "Page 2", of="?"),
        ("active", "Generating page 3 of ?: Page 3"), *to_come(1), stage=PAGES, page_count=2,
    ),
    "a malformed plan": going(
        "Generating…", None, "0 pages", CLONED, ("done", "Planned documentation structure"),
        ("active", "Generating page 1 of ?: Page 1"), *to_come(1), stage=PAGES, plan_json='{"navigation": NaN}',
    ),
    "rendering": going(
        "Rendering…", 99, "3 / 3 pages", CLONED, PLANNED, *made("A", "B", "C"), ("active", "Rendering HTML site..."),
        stage=Stage.RENDERING, plan_json=ABC, page_count=3,
    ),
    "checking": going(
        "Checking pages…", 99, "3 / 3 pages", CLONED, PLANNED, *made("A", "B", "C"), RENDERED,
        ("active", "Checking pages against the repository..."),
        stage=Stage.RENDERING, plan_json=ABC, page_count=3, checking_since=at(41, 40),
    ),
    "ready": Case(
        variant(READY, plan_json=ABC, page_count=3, last_generated=at(42), last_commit_sha="0123456789abcdef", site=True),
        "Complete", 100, "3 / 3 pages",
        (CLONED, PLANNED, *made("A", "B", "C"), RENDERED, ("done", "Documentation ready!")),
    ),
    "up to date": Case(
        variant(READY, Stage.UP_TO_DATE, plan_json=ABC, page_count=3, last_generated=at(10), last_commit_sha="0123456789abcdef", site=True),
        "Complete", 100, "3 / 3 pages", (("done", "Repository unchanged, docs already up to date"),),
    ),
    "failed before cloning": ended("Failed", None, "0 pages", failed_stage=Stage.QUEUED),
    "failed cloning": ended("Failed", None, "0 pages", ("error", "Failed cloning repository"), failed_stage=Stage.CLONING),
    "aborted planning": ended(
        "Aborted", None, "0 pages", CLONED, ("error", "Aborted planning documentation structure"), failed_stage=Stage.PLANNING
    ),
    "failed pages": ended(
        "Failed", 67, "2 / 3 pages", CLONED, PLANNED, *made("A", "C"), ("error", "Failed generating page 3 of 3: B"),
        failed_stage=PAGES, plan_json=ABC, page_count=2, pages_done=("p1", "p3"), failed_pages=(FailedPage("p2", "exit code 1"),),
    ),
    "aborted pages": ended(
        "Aborted", 33, "1 / 3 pages", CLONED, PLANNED, *made("A"), ("error", "Aborted generating page 2 of 3: B"),
        failed_stage=PAGES, plan_json=ABC, page_count=1, site=True,
    ),
    "failed rendering": ended(
        "Failed", 99, "3 / 3 pages", CLONED, PLANNED, *made("A", "B", "C"), ("error", "Failed rendering HTML site"),
        failed_stage=Stage.RENDERING, plan_json=ABC, page_count=3,
    ),
    "aborted checking": ended(
        "Aborted", 99, "3 / 3 pages", CLONED, PLANNED, *made("A", "B", "C"), RENDERED,
        ("error", "Aborted checking pages against the repository"),
        failed_stage=Stage.RENDERING, plan_json=ABC, page_count=3, checking_since=at(41, 40),
    ),
    "failed, an older server": ended(
        "Failed", 33, "1 / 3 pages", CLONED, PLANNED, *made("A"), ("error", "Failed generating page 2 of 3: B"),
        plan_json=ABC, page_count=1,
    ),
}  # fmt: skip


def answer(row: Variant) -> dict[str, Any]:
    """Return what ``api/variant?view=progress`` answers of a row."""
    found: dict[str, Any] = json.loads(json.dumps(screen(row)))
    return found
