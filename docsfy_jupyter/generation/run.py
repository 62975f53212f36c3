"""One run in progress: what it emits becomes changes of its row, coalesced, and lines of its event log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.generation.pipeline import PageOutcome
from docsfy_jupyter.models import FailedPage, Stage, Status, Variant, VariantKey, iso, safe_text, utc_now
from docsfy_jupyter.store.records import Event, PageRecord


class Run:
    """A run in progress; implements the pipeline's `Emitter`.

    Parameters
    ----------
    variant : Variant
        The row as the run's start wrote it.
    before : Variant or None
        The row before it.
    feed : ChangeFeed
        Where readers see the row.
    dirty : callable
        Called with the run whenever it has something to be written.
    """

    def __init__(self, variant: Variant, before: Variant | None, feed: ChangeFeed, dirty: Callable[[Run], None]) -> None:
        self.key: VariantKey = variant.key
        self.generation_id = variant.generation_id
        self.before = before
        self.work: asyncio.Task[Any] | None = None
        self.supervisor: asyncio.Task[None] | None = None
        self.aborted_by: str | None = None
        self.ended = asyncio.Event()
        self.fresh = 0
        self.reused = 0
        self._feed = feed
        self._dirty = dirty
        self._changes: dict[str, Any] = {}
        self._events: list[Event] = []
        self._pages: list[PageRecord] = []

    @property
    def row(self) -> Variant:
        """The row as readers see it now."""
        row = self._feed.get(self.key)
        if row is None:
            raise RuntimeError(f"the row of a run in progress is gone: {self.key.address}")
        return row

    def stage(self, stage: Stage, **changes: Any) -> None:
        """Enter a stage."""
        times = {**self.row.stage_times, stage.value: iso(utc_now()) or ""}
        place = {} if stage is Stage.QUEUED else {"queue_position": None}
        self.change(current_stage=stage, stage_times=times, **place, **changes)
        self.log("stage", stage.value)

    def change(self, **changes: Any) -> None:
        """Change fields of the row; nothing that runs late can touch a row that has ended."""
        row = self.row
        if row.status is not Status.GENERATING or row.generation_id != self.generation_id:
            return
        self._feed.put(row.changed(**changes, updated_at=iso(utc_now()) or ""))
        self._changes.update(changes, updated_at=self.row.updated_at)
        self._dirty(self)

    def moved(self, position: int) -> None:
        """Tell the place in the queue."""
        if self.row.current_stage is not Stage.QUEUED:
            self.stage(Stage.QUEUED)
        self.change(queue_position=position)

    def page_started(self, slug: str) -> None:
        """Add a page to those in work."""
        self.change(pages_active=(*self.row.pages_active, slug))

    def page_ended(self, record: PageOutcome) -> None:
        """Count a page that is done, or note that it failed."""
        slug, row = record.page.slug, self.row
        active = tuple(s for s in row.pages_active if s != slug)
        now = iso(utc_now()) or ""
        if record.outcome == "fresh":
            self.fresh += 1
            self.change(
                pages_active=active,
                pages_done=(*row.pages_done, slug),
                page_times={**row.page_times, slug: now},
                page_count=row.page_count + 1,
                run_cost_usd=_sum(row.run_cost_usd, record.cost_usd, first=self.fresh == 1),
            )
            self.log("page_done", record.page.title, slug=slug)
        elif record.outcome == "failed":
            self.change(pages_active=active, failed_pages=(*row.failed_pages, FailedPage(slug, safe_text(record.failure or ""))))
            self.log("page_failed", f"{slug}: {record.failure}", slug=slug)
        else:
            self.reused += 1
        self._pages.append(self._page_record(record))
        self._dirty(self)

    def log(self, kind: str, text: str, **details: Any) -> None:
        """Append an event."""
        self._events.append(self.event(kind, text, **details))
        self._dirty(self)

    def event(self, kind: str, text: str, user: str | None = None, **details: Any) -> Event:
        """Build an event of this run."""
        return Event(
            generation_id=self.generation_id, at=utc_now(), kind=kind, text=safe_text(text), user_name=user, details=details
        )

    def take(self) -> tuple[dict[str, Any], list[Event], list[PageRecord]]:
        """Hand over what is to be written, and forget it."""
        taken = (self._changes, self._events, self._pages)
        self._changes, self._events, self._pages = {}, [], []
        return taken

    def _page_record(self, record: PageOutcome) -> PageRecord:
        return PageRecord(
            generation_id=self.generation_id,
            slug=record.page.slug,
            title=record.page.title,
            provider=self.key.ai_provider,
            model=self.key.ai_model,
            commit_sha=record.commit,
            sources=tuple(record.page.sources),
            prompt_hash=record.prompt_hash,
            generator_version="",
            cache_key=record.cache_key,
            seconds=record.seconds,
            outcome=record.outcome,
            failure=record.failure,
            at=utc_now(),
        )


def _sum(total: float | None, cost: float | None, *, first: bool) -> float | None:
    """Add a cost to a total: an unknown part makes the whole unknown."""
    if cost is None or (total is None and not first):
        return None
    return (total or 0.0) + cost
