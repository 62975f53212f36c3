"""The pages of a run: so many at once, each tried again where that may help, every call of the provider recorded."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from docsfy_jupyter.errors import CostLimitReached, DocsfyError, PagesFailed, ProviderFailed
from docsfy_jupyter.generation.job import Emitter, RunJob
from docsfy_jupyter.generation.killing import unbroken
from docsfy_jupyter.generation.spending import Outcome
from docsfy_jupyter.models import FailedPage, Plan, PlanPage, utc_now
from docsfy_jupyter.providers.base import FREE, PageAnswer, PlanAnswer, ProviderSession, Usage
from docsfy_jupyter.sources.checkout import Checkout
from docsfy_jupyter.store.records import CallRecord, PageRecord

A = TypeVar("A", PlanAnswer, PageAnswer)

TRIES = 3  # of one call


class PageWriter:
    """Writes the missing pages, so many at once; a failed page stops no other, unless it says that none can succeed."""

    def __init__(
        self,
        job: RunJob,
        emit: Emitter,
        session: ProviderSession,
        clone: Checkout,
        plan: Plan,
        keys: dict[str, str],
        kept: Callable[[PlanPage], None],
    ) -> None:
        self._job, self._emit, self._session = job, emit, session
        self._clone, self._plan, self._keys, self._kept = clone, plan, keys, kept
        self._files = {file.path: file for file in clone.files}
        self._failed: list[FailedPage] = []
        self._ended = asyncio.Event()  # of one of those in work
        self._left = 0  # pages that were not begun, since the run has cost what it may

    async def write_all(self, pages: list[PlanPage]) -> None:
        """Write the pages.

        Raises
        ------
        PagesFailed
            After all others are done, with every failed page and its reason.
        CostLimitReached
            After the pages in work are done, when others were not begun.
        ProviderFailed
            At once, when no page can succeed.
        """
        job = self._job
        waiting = iter(pages)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(job.provider.concurrent_pages or job.concurrent_pages):
                    group.create_task(self._write(waiting))
        except* (DocsfyError, OSError) as errors:
            raise errors.exceptions[0] from None
        if self._left:
            left = f"{self._left} of {len(self._plan.pages())} pages"
            raise CostLimitReached(job.budget.stopped(left), failed_pages=tuple(self._failed))
        if self._failed:
            order = [page.slug for page in self._plan.pages()]
            failed = sorted(self._failed, key=lambda page: order.index(page.slug))
            reasons = ", ".join(f"{page.slug} ({page.reason})" for page in failed)
            text = f"{len(failed)} of {len(order)} pages failed: {reasons}"
            raise PagesFailed(text, failed_pages=tuple(failed))

    def record(self, page: PlanPage, outcome: str, seconds: float = 0.0, failure: str | None = None) -> PageRecord:
        """Describe what became of a page."""
        job = self._job
        return PageRecord(
            generation_id=job.generation_id,
            slug=page.slug,
            title=page.title,
            provider=job.key.ai_provider,
            model=job.key.ai_model,
            commit_sha=self._clone.commit,
            sources=tuple(page.sources),
            prompt_hash=self._session.prompt_hash(self._plan, page),
            generator_version=job.provider.version,
            cache_key=self._keys[page.slug],
            seconds=seconds,
            outcome=outcome,
            failure=failure,
            occurred_at=utc_now(),
        )

    async def _write(self, waiting: Iterator[PlanPage]) -> None:
        """Write one page after the other of those that several share."""
        budget = self._job.budget
        for page in waiting:
            # near the limit, those in work may use up what is left of it
            while budget.working and not budget.spares:
                self._ended.clear()
                await self._ended.wait()
            if budget.used_up:
                self._left += 1
                continue
            budget.working += 1
            try:
                await self._written(page)
            finally:
                budget.working -= 1
                self._ended.set()

    async def _written(self, page: PlanPage) -> None:
        self._emit.page_started(page.slug)
        started = time.monotonic()
        try:
            answer = await tried(self._job, self._emit, "page", page.slug, lambda: self._session.write_page(self._plan, page))
            # who aborts meanwhile finds the page kept and counted, or neither: a thread cannot be stopped
            _, cancelled = await unbroken(asyncio.to_thread(self._keep, page, answer))
        except DocsfyError as error:
            if isinstance(error, ProviderFailed) and error.fatal:
                raise
            self._failed.append(FailedPage(page.slug, error.message))
            self._emit.page_ended(self.record(page, "failed", time.monotonic() - started, error.message))
            return
        self._emit.page_ended(self.record(page, "fresh", time.monotonic() - started))
        if cancelled:
            raise asyncio.CancelledError
        self._kept(page)

    def _keep(self, page: PlanPage, answer: PageAnswer) -> None:
        images = {}
        for path in answer.files:
            file = self._files.get(path)
            if file is not None and file.regular:
                self._job.folder.store_image(self._clone.path / path, file.blob)
                images[path] = file.blob
        self._job.folder.store_page(self._keys[page.slug], answer.markdown, images)


async def tried(job: RunJob, emit: Emitter, purpose: str, slug: str | None, call: Callable[[], Coroutine[Any, Any, A]]) -> A:
    """Make a call of the provider, and again after a pause where that may help; see `recorded`.

    Raises
    ------
    DocsfyError
        The last try's.
    """
    about = f"Page {slug}" if slug else "The plan"
    for number in range(1, TRIES + 1):
        try:
            return await recorded(job, emit, purpose, slug, call())
        except ProviderFailed as error:
            if error.fatal or not error.transient or number == TRIES or job.budget.used_up:
                raise
            pause = random.uniform(0.5, 1.0) * 2 ** (number - 1) * 0.5  # noqa: S311  jitter, not a secret
            emit.log(f"{purpose}_retry", f"{about}: {error.message}; trying again in {pause:.1f} s", slug=slug)
            await asyncio.sleep(pause)
    raise AssertionError("unreachable")


async def recorded(job: RunJob, emit: Emitter, purpose: str, slug: str | None, call: Coroutine[Any, Any, A]) -> A:
    """Make one call of the provider, and note what became of it and what it cost.

    Parameters
    ----------
    job : RunJob
        The run.
    emit : Emitter
        Told of the call, whatever its outcome; a call that was aborted or failed has an unknown cost, unless the error's
        ``details['usage']`` knows it.
    purpose : str
        ``plan`` or ``page``.
    slug : str or None
        The page.
    call : coroutine
        Of the session.
    """
    started = time.monotonic()
    outcome, usage = "aborted", FREE if job.provider.free else Usage()
    counted: Outcome = "cut off"
    try:
        answer = await call
        outcome, usage, counted = "ok", answer.usage, "answered"
        return answer
    except Exception as error:
        outcome, counted = "failed", "refused"
        if isinstance(error, DocsfyError):
            usage = error.details.get("usage", usage)
            counted = "cut off" if error.details.get("cut_off") else counted
        raise
    finally:
        usage = job.provider.priced(job.key.ai_model, usage)
        job.budget.add(usage.cost_usd, counted)
        emit.called(
            CallRecord(
                generation_id=job.generation_id,
                slug=slug,
                purpose=purpose,
                provider=job.key.ai_provider,
                model=job.key.ai_model,
                tokens_in=usage.tokens_in,
                tokens_out=usage.tokens_out,
                tokens_cached=usage.tokens_cached,
                cost_usd=usage.cost_usd,
                basis=usage.basis,
                seconds=time.monotonic() - started,
                outcome=outcome,
                occurred_at=utc_now(),
            ),
            untold=usage.cost_usd is None and counted != "refused",
        )
