"""One run in progress: what it emits becomes changes of its row, and lines of its event log."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.generation.metrics import RunMeter
from docsfy_jupyter.generation.pace import Pace
from docsfy_jupyter.generation.progress_writer import ProgressWriter, Told
from docsfy_jupyter.models import (
    MOST_FINDINGS,
    FailedPage,
    Finding,
    Stage,
    Status,
    Variant,
    VariantKey,
    iso,
    parse_plan,
    safe_text,
    utc_now,
)
from docsfy_jupyter.sources.rules import Source
from docsfy_jupyter.store.records import CallRecord, Event, PageRecord
from docsfy_jupyter.verification.jobs import Report

_KEPT = (
    "created_at",
    "plan_json",
    "last_commit_sha",
    "last_generated",
    "is_default_branch",
    "ref_kind",
    "total_cost_usd",
    "site",
    "findings",
    "finding_list",
    "unmentioned",
    "unmentioned_total",
)


def starting_row(key: VariantKey, source: Source, user: str, before: Variant | None) -> Variant:
    """Return the row that a new run begins with; of the row before it stays what is not about a run."""
    now = iso(utc_now()) or ""
    kept = {name: getattr(before, name) for name in _KEPT} if before is not None else {"created_at": now}
    return Variant(
        name=key.name,
        branch=key.branch,
        ai_provider=key.ai_provider,
        ai_model=key.ai_model,
        owner=key.owner,
        repo_url=source.display,
        credential_env=source.credential_env,
        status=Status.GENERATING,
        updated_at=now,
        generation_id=str(uuid.uuid4()),
        started_at=now,
        started_by=user,
        **kept,
    )


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
    writer : ProgressWriter
        Writes what happens.
    meter : RunMeter
        Counts what happens.
    """

    def __init__(
        self, variant: Variant, before: Variant | None, feed: ChangeFeed, writer: ProgressWriter, meter: RunMeter
    ) -> None:
        self.key: VariantKey = variant.key
        self.generation_id = variant.generation_id
        self.before = before
        self.work: asyncio.Task[Any] | None = None
        self.supervisor: asyncio.Task[None] | None = None
        self.aborted_by: str | None = None
        self.ended = asyncio.Event()
        self.fresh = 0
        self.calls = 0  # of the provider
        self.reused = 0
        self.pace = Pace(None, 1)
        self._total = 0  # pages of the plan
        self.meter = meter
        self._feed = feed
        self._writer = writer

    @property
    def row(self) -> Variant:
        """The row as readers see it now."""
        row = self._feed.get(self.key)
        if row is None:
            raise RuntimeError(f"the row of a run in progress is gone: {self.key.address}")
        return row

    @property
    def waits_for(self) -> str:
        """What still has to happen before an aborted run has ended."""
        working = self.work is None or not self.work.done()
        return "its processes are gone" if working else "the database has taken its end"

    def stage(self, stage: Stage, **changes: Any) -> None:
        """Enter a stage."""
        self.meter.enter(stage)
        times = {**self.row.stage_times, stage.value: iso(utc_now()) or ""}
        place = {} if stage is Stage.QUEUED else {"queue_position": None}
        eta = None
        if stage is Stage.GENERATING_PAGES:
            now = utc_now()
            self.pace.begin(now)
            plan = parse_plan(changes.get("plan_json"))
            self._total = len(plan.pages()) if plan else 0
            eta = self.pace.end(self._total - changes.get("page_count", 0), 0, now)
        self.change(current_stage=stage, stage_times=times, eta_at=iso(eta), **place, **changes)
        self.log("stage", stage.value)

    def change(self, **changes: Any) -> None:
        """Change fields of the row; nothing that runs late can touch a row that has ended."""
        row = self.row
        if row.status is not Status.GENERATING or row.generation_id != self.generation_id:
            return
        row = row.changed(**changes, updated_at=iso(utc_now()) or "")
        self._feed.put(row)
        self._writer.row(row, planned="plan_json" in changes)

    def moved(self, position: int) -> None:
        """Tell the place in the queue."""
        if self.row.current_stage is not Stage.QUEUED:
            self.stage(Stage.QUEUED, queue_position=position)
        else:
            self.change(queue_position=position)

    def page_started(self, slug: str) -> None:
        """Add a page to those in work."""
        self.change(pages_active=(*self.row.pages_active, slug))

    def called(self, record: CallRecord, *, untold: bool) -> None:
        """Note a call of the provider, and what it cost; `untold`: it may have, and nobody knows how much."""
        self.calls += 1
        self._writer.call(record)
        self.meter.call(record)
        if untold:
            self.change(untold_calls=self.row.untold_calls + 1)
        if record.cost_usd is not None:
            cost, before = (self.row.run_cost_usd or 0.0) + record.cost_usd, self.before
            total = ((before.total_cost_usd if before else None) or 0.0) + cost
            self.change(run_cost_usd=cost, total_cost_usd=total)

    def page_ended(self, record: PageRecord) -> None:
        """Count a page that is done, or note that it failed."""
        slug, row = record.slug, self.row
        active = tuple(s for s in row.pages_active if s != slug)
        if record.outcome == "fresh":
            self.fresh += 1
            self.change(
                pages_active=active,
                pages_done=(*row.pages_done, slug),
                page_times={**row.page_times, slug: iso(utc_now()) or ""},
                page_count=row.page_count + 1,
                eta_at=iso(self.pace.end(self._total - row.page_count - 1, self.fresh, utc_now())),
            )
            self.log("page_done", record.title, slug=slug)
        elif record.outcome == "failed":
            self.change(pages_active=active, failed_pages=(*row.failed_pages, FailedPage(slug, safe_text(record.failure or ""))))
            self.log("page_failed", f"{slug}: {record.failure}", slug=slug)
        else:
            self.reused += 1
        self._writer.page(record)
        self.meter.page(record)

    def checked(self, report: Report) -> None:
        """Take over what the pages mention and the clone does not have; what was known before is no event again."""
        before = self.row
        every = list(dict.fromkeys(Finding(one.slug, one.kind, safe_text(one.name)) for one in report.missing))
        # What was told stays listed until it is gone: were the first ones listed, new ones would push it out and back in.
        known = set(before.finding_list)
        chosen = set(sorted(every, key=lambda one: one not in known)[:MOST_FINDINGS])
        found = tuple(one for one in every if one in chosen)
        for finding in (one for one in found if one not in known):
            text = f"Page {finding.slug}: {finding.text} is not in the repository"
            self.log("finding", text, slug=finding.slug, what=finding.kind, name=finding.name)
        gone = known.difference(every)
        for finding in (one for one in before.finding_list if one in gone):
            text = f"Page {finding.slug}: {finding.text} is settled"
            self.log("finding_settled", text, slug=finding.slug, what=finding.kind, name=finding.name)
        names = tuple(safe_text(name) for name in report.unmentioned)
        if names and names != before.unmentioned:
            self.log("unmentioned", f"{report.unmentioned_total} public names and options are on no page", names=list(names))
        total = report.unmentioned_total
        self.change(findings=len(every), finding_list=found, unmentioned=names, unmentioned_total=total)

    def log(self, kind: str, text: str, **details: Any) -> None:
        """Append an event."""
        self._writer.event(self.event(kind, text, **details))

    def event(self, kind: str, text: str, user: str | None = None, **details: Any) -> Event:
        """Build an event of this run."""
        return Event(self.generation_id, utc_now(), kind, safe_text(text), user, details)

    async def take(self) -> Told:
        """Hand over what is not written yet; the run's end is written with it."""
        return await self._writer.take(self.generation_id)
