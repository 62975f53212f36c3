"""Pure: a variant → percentage, texts, activity log. The one place; panel, status page, command line and batch use it.

The rules are those of ``docs/contract.md``, sections "Progress" and "Activity log".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Literal

from docsfy_jupyter.models import Stage, Status, Variant, parse_plan

Kind = Literal["done", "active", "error", "pending"]
Pages = tuple[tuple[str, str], ...]  # slug and title of every planned page, in the plan's order; empty without a plan

_LABELS = {Status.GENERATING: "Generating…", Status.READY: "Complete", Status.ERROR: "Failed", Status.ABORTED: "Aborted"}
_PAGE_STAGES = (Stage.GENERATING_PAGES, Stage.RENDERING)


@dataclass(frozen=True)
class LogEntry:
    """One line of the activity log; ``at`` is an ISO time where one is known."""

    kind: Kind
    text: str
    at: str | None = None


@dataclass(frozen=True)
class Progress:
    """What a client draws.

    Parameters
    ----------
    status : Status
        One of the four.
    label : str
        ``Generating…``, ``Rendering…``, ``Checking pages…``, ``Complete``, ``Failed``, ``Aborted``.
    percent : int or None
        0 to 100; None when nobody knows (an indeterminate bar).
    text : str
        ``3 / 12 pages`` or ``3 pages``.
    total : int
        Pages of the plan; 0 while there is none.
    log : tuple of LogEntry
        The activity log, oldest first.
    """

    status: Status
    label: str
    percent: int | None
    text: str
    total: int
    log: tuple[LogEntry, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-able."""
        whole = {field.name: getattr(self, field.name) for field in fields(self)}
        log = [{"kind": entry.kind, "text": entry.text, "at": entry.at} for entry in self.log]
        return {**whole, "status": self.status.value, "log": log}


def describe(variant: Variant) -> Progress:
    """Describe a variant for a screen.

    Parameters
    ----------
    variant : Variant
        As the REST API answers it.

    Returns
    -------
    Progress
        Never NaN, never above 100, and 100 only with ``ready``.
    """
    pages = _planned(variant.plan_json)
    total = len(pages)
    return Progress(
        status=variant.status,
        label=_label(variant, total),
        percent=percentage(variant.page_count, total, variant.status),
        text=pages_text(variant.page_count, total),
        total=total,
        log=tuple(_log(variant, pages)),
    )


def percentage(count: int, total: int, status: Status) -> int | None:
    """Return the percentage, half-up; 100 is ``ready`` and nothing else; None without a total."""
    if status is Status.READY:
        return 100
    if total <= 0:
        return None
    return min((200 * max(count, 0) + total) // (2 * total), 99)


def pages_text(count: int, total: int) -> str:
    """Return ``3 / 12 pages``, or ``3 pages`` when the total is not known."""
    if total > 0:
        return f"{min(count, total)} / {total} pages"
    return f"{count} page" if count == 1 else f"{count} pages"


def text_line(variant: Variant, as_of: str) -> str:
    """Return the one-line text form: ``name · provider/model · status · 3 / 12 pages · as of <time>``."""
    pages = pages_text(variant.page_count, len(_planned(variant.plan_json)))
    return f"{variant.name} · {variant.ai_provider}/{variant.ai_model} · {variant.status.value} · {pages} · as of {as_of}"


@lru_cache(maxsize=64)
def _planned(plan_json: str | None) -> Pages:
    """Read what a plan says here; kept, since a run's row changes with every page and its plan stays the same text."""
    plan = parse_plan(plan_json)
    return tuple((page.slug, page.title or page.slug) for page in plan.pages()) if plan else ()


def _label(variant: Variant, total: int) -> str:
    if variant.status is Status.GENERATING and variant.current_stage is Stage.RENDERING and variant.page_count >= total > 0:
        return "Checking pages…" if variant.checking_since else "Rendering…"
    return _LABELS[variant.status]


def _log(variant: Variant, pages: Pages) -> Iterator[LogEntry]:
    if variant.status is Status.READY:
        yield from _ready_log(variant, pages)
    elif variant.status is Status.GENERATING:
        yield from _generating_log(variant, pages)
    else:
        yield from _ended_log(variant, pages)


def _ready_log(variant: Variant, pages: Pages) -> Iterator[LogEntry]:
    if variant.current_stage is Stage.UP_TO_DATE:
        yield LogEntry("done", "Repository unchanged, docs already up to date", variant.updated_at)
        return
    yield from _prepared(variant, pages)
    yield from _done_pages(variant, pages)
    yield LogEntry("done", "Rendered documentation site", variant.checking_since or variant.last_generated)
    yield LogEntry("done", "Documentation ready!", variant.last_generated)


def _generating_log(variant: Variant, pages: Pages) -> Iterator[LogEntry]:
    stage, times = variant.current_stage, variant.stage_times
    if stage is None or stage is Stage.UP_TO_DATE:
        yield LogEntry("active", "Starting generation...", variant.started_at)
        return
    if stage is Stage.QUEUED:
        yield LogEntry("active", "Waiting for a free slot...", times.get(stage))
    elif stage is Stage.CLONING:
        yield LogEntry("active", "Cloning repository...", times.get(stage))
    elif stage in (Stage.PLANNING, Stage.INCREMENTAL_PLANNING):
        yield LogEntry("done", "Cloned repository", times.get(stage))
        yield LogEntry("active", _planning_text(stage), times.get(stage))
    else:
        yield from _prepared(variant, pages)
        yield from _done_pages(variant, pages)
        if stage is Stage.GENERATING_PAGES:
            yield from _active_pages(variant, pages, "active", "Generating")
        elif variant.checking_since:
            yield LogEntry("done", "Rendered documentation site", variant.checking_since)
            yield LogEntry("active", "Checking pages against the repository...", variant.checking_since)
        else:
            yield LogEntry("active", "Rendering HTML site...", times.get(stage))
    yield from (LogEntry("pending", text) for text in _to_come(stage))


def _planning_text(stage: Stage) -> str:
    return "Planning incremental update..." if stage is Stage.INCREMENTAL_PLANNING else "Planning documentation structure..."


def _to_come(stage: Stage) -> list[str]:
    steps = ["Cloning repository", "Planning documentation structure", "Generating pages", "Rendering HTML site"]
    passed = {
        Stage.QUEUED: 0,
        Stage.CLONING: 1,
        Stage.PLANNING: 2,
        Stage.INCREMENTAL_PLANNING: 2,
        Stage.GENERATING_PAGES: 3,
        Stage.RENDERING: 4,
    }
    return steps[passed[stage] :]


def _ended_log(variant: Variant, pages: Pages) -> Iterator[LogEntry]:
    failed = variant.status is Status.ERROR
    word = "Failed" if failed else "Aborted"
    stage, end = variant.failed_stage, variant.updated_at
    if stage is Stage.CLONING:
        yield LogEntry("error", f"{word} cloning repository", end)
    elif stage in (Stage.PLANNING, Stage.INCREMENTAL_PLANNING):
        yield LogEntry("done", "Cloned repository", variant.stage_times.get(stage or ""))
        what = "incremental update" if stage is Stage.INCREMENTAL_PLANNING else "documentation structure"
        yield LogEntry("error", f"{word} planning {what}", end)
    elif stage in _PAGE_STAGES or (stage is None and variant.page_count > 0):
        yield from _prepared(variant, pages)
        yield from _done_pages(variant, pages)
        if stage is Stage.RENDERING and variant.checking_since:
            yield LogEntry("done", "Rendered documentation site", variant.checking_since)
            yield LogEntry("error", f"{word} checking pages against the repository", end)
        elif stage is Stage.RENDERING:
            yield LogEntry("error", f"{word} rendering HTML site", end)
        else:
            yield from _broken_pages(variant, pages, word)
    yield LogEntry("error", "Generation failed" if failed else "Generation aborted", end)


def _broken_pages(variant: Variant, pages: Pages, word: str) -> Iterator[LogEntry]:
    if variant.failed_pages and pages:
        titles = dict(pages)
        # finished pages are numbered as they ended, not by their place in the plan: those that failed go on from there
        for number, page in enumerate(variant.failed_pages, len(_done_slugs(variant, pages)) + 1):
            title = titles.get(page.slug, page.slug)
            yield LogEntry("error", f"{word} generating page {number} of {len(titles)}: {title}", variant.updated_at)
        return
    yield from _active_pages(variant, pages, "error", f"{word} generating")


def _prepared(variant: Variant, pages: Pages) -> Iterator[LogEntry]:
    times = variant.stage_times
    planning = times.get(Stage.PLANNING) or times.get(Stage.INCREMENTAL_PLANNING)
    writing = times.get(Stage.GENERATING_PAGES)
    total = f" ({len(pages)} pages)" if pages else ""
    yield LogEntry("done", "Cloned repository", planning or writing)
    yield LogEntry("done", f"Planned documentation structure{total}", writing)


def _done_slugs(variant: Variant, pages: Pages) -> list[str]:
    """Return the slugs of the counted pages: reused ones in the plan's order, then this run's in the order of their end."""
    order = [slug for slug, _ in pages]
    known = set(order)
    finished = [slug for slug in variant.pages_done if slug in known]
    elsewhere = {*finished, *variant.pages_active, *(page.slug for page in variant.failed_pages)}
    reused = max(0, min(variant.page_count, len(order)) - len(finished))
    others = [slug for slug in order if slug not in elsewhere]
    return others[:reused] + finished


def _done_pages(variant: Variant, pages: Pages) -> Iterator[LogEntry]:
    if not pages:
        for number in range(1, min(variant.page_count, 200) + 1):
            yield LogEntry("done", f"Generated page {number} of ?: Page {number}")
        return
    titles = dict(pages)
    for number, slug in enumerate(_done_slugs(variant, pages), 1):
        yield LogEntry("done", f"Generated page {number} of {len(titles)}: {titles[slug]}", variant.page_times.get(slug))


def _active_pages(variant: Variant, pages: Pages, kind: Kind, verb: str) -> Iterator[LogEntry]:
    if not pages:
        number = variant.page_count + 1
        yield LogEntry(kind, f"{verb} page {number} of ?: Page {number}")
        return
    titles = dict(pages)
    done = _done_slugs(variant, pages)
    if len(done) >= len(pages):
        return
    active = [slug for slug in variant.pages_active if slug in titles]
    if not active:
        finished = set(done)
        active = [slug for slug, _ in pages if slug not in finished][:1]
    for number, slug in enumerate(active, len(done) + 1):
        yield LogEntry(kind, f"{verb} page {number} of {len(pages)}: {titles[slug]}")
