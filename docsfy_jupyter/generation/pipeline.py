"""One run: clone → plan → pages → site. It emits what happens; it writes no row and decides no terminal status."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from docsfy_jupyter.errors import DocsfyError, PagesFailed, ProviderFailed, RenderFailed
from docsfy_jupyter.generation.folders import KnownPlan, VariantFolder, cache_key
from docsfy_jupyter.generation.process import Processes, child_environment
from docsfy_jupyter.models import FailedPage, Plan, PlanPage, Stage, VariantKey, iso, utc_now
from docsfy_jupyter.plans import settle_plan
from docsfy_jupyter.providers.base import (
    FREE,
    PageAnswer,
    PlanAnswer,
    PlanRequest,
    Provider,
    ProviderSession,
    RunContext,
    Usage,
)
from docsfy_jupyter.site.jobs import SiteJob, job_to_json, report_from_json
from docsfy_jupyter.sources.checkout import Checkout, changed_files, checkout
from docsfy_jupyter.sources.rules import Source, SourcePolicy
from docsfy_jupyter.store.records import CallRecord, PageRecord

A = TypeVar("A", PlanAnswer, PageAnswer)

PAGE_TRIES = 3


class Emitter(Protocol):
    """Where a run tells what happens; the manager folds it into rows and events."""

    def stage(self, stage: Stage, **changes: Any) -> None:
        """Enter a stage, together with other changes of the row."""

    def change(self, **changes: Any) -> None:
        """Change fields of the row."""

    def page_started(self, slug: str) -> None:
        """Note that a page is in work."""

    def called(self, record: CallRecord) -> None:
        """Note a call of the provider."""

    def page_ended(self, record: PageRecord) -> None:
        """Note that a page is done, reused or failed."""

    def log(self, kind: str, text: str, **details: Any) -> None:
        """Append an event."""


@dataclass(frozen=True)
class RunJob:
    """What to generate, and with what."""

    key: VariantKey
    generation_id: str
    source: Source
    folder: VariantFolder
    scratch: Path
    provider: Provider
    policy: SourcePolicy
    processes: Processes
    force: bool
    call_timeout: float
    concurrent_pages: int
    render_timeout: float = 600.0


@dataclass(frozen=True)
class RunResult:
    """How a run that did not fail ended; ``site`` is the version to publish, None when nothing was rendered."""

    stage: Stage | None
    commit: str
    plan: Plan
    site: Path | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)


class Pipeline:
    """Runs one job.

    Parameters
    ----------
    job : RunJob
        What to do.
    emit : Emitter
        Told of everything that happens.
    """

    def __init__(self, job: RunJob, emit: Emitter) -> None:
        self._job = job
        self._emit = emit
        self._settings = f"{job.provider.name}:{job.provider.version}:{job.key.ai_model}"

    async def run(self) -> RunResult:
        """Do the work.

        Raises
        ------
        RunFailed
            A step failed; the message is for people.
        """
        job = self._job
        if job.force:
            await asyncio.to_thread(job.folder.empty_cache)
        self._emit.stage(Stage.CLONING)
        clone = await checkout(job.source, job.key.branch, job.scratch / "clone", job.policy, job.processes, self._emit.log)
        self._emit.change(is_default_branch=clone.is_default_branch, ref_kind=clone.ref_kind)
        async with job.provider.open(self._context(clone)) as session:
            plan, up_to_date = await self._settled_plan(session, clone)
            if up_to_date:
                self._emit.change(page_count=len(plan.pages()), plan_json=plan.to_json())
                return RunResult(Stage.UP_TO_DATE, clone.commit, plan)
            keys = await self._pages(session, clone, plan)
        return await self._render(clone, plan, keys)

    def _context(self, clone: Checkout) -> RunContext:
        job = self._job
        return RunContext(
            generation_id=job.generation_id,
            project_name=job.key.name,
            model=job.key.ai_model,
            checkout=clone.path,
            commit=clone.commit,
            repo_url=job.source.display,
            files=clone.files,
            call_timeout=job.call_timeout,
            processes=job.processes,
            log=self._emit.log,
        )

    async def _settled_plan(self, session: ProviderSession, clone: Checkout) -> tuple[Plan, bool]:
        known = await asyncio.to_thread(self._job.folder.load_plan)
        if known and known.commit == clone.commit and known.settings == self._settings:
            return known.plan, await asyncio.to_thread(self._stands, session, clone, known.plan)
        request = PlanRequest()
        if known and known.settings == self._settings:
            self._emit.stage(Stage.INCREMENTAL_PLANNING)
            job = self._job
            changed = await changed_files(clone, job.source, known.commit, job.policy, job.processes)
            request = PlanRequest(previous=known.plan, changed=changed)
        else:
            self._emit.stage(Stage.PLANNING)
        answer = await recorded(self._job, self._emit, "plan", None, session.plan(request))
        plan, notes = settle_plan(answer.plan, self._job.key.name)
        for note in notes:
            self._emit.log("plan_repaired", note)
        await asyncio.to_thread(self._job.folder.store_plan, KnownPlan(clone.commit, self._settings, plan))
        return plan, False

    def _stands(self, session: ProviderSession, clone: Checkout, plan: Plan) -> bool:
        """Say whether nothing is left to do: same commit and settings, every page cached, the site there."""
        folder = self._job.folder
        manifest = folder.load_manifest()
        same = manifest.get("commit") == clone.commit and manifest.get("settings") == self._settings
        keys = self._keys(session, clone, plan)
        return same and folder.cached(keys) == set(keys) and folder.sites.current() is not None

    def _keys(self, session: ProviderSession, clone: Checkout, plan: Plan) -> dict[str, str]:
        blobs = {file.path: file.blob for file in clone.files}
        provider = self._job.provider
        return {
            page.slug: cache_key(
                page, blobs, provider.name, provider.version, self._job.key.ai_model, session.prompt_hash(plan, page)
            )
            for page in plan.pages()
        }

    async def _pages(self, session: ProviderSession, clone: Checkout, plan: Plan) -> dict[str, str]:
        keys = await asyncio.to_thread(self._keys, session, clone, plan)
        cached = await asyncio.to_thread(self._job.folder.cached, keys)
        self._emit.stage(Stage.GENERATING_PAGES, plan_json=plan.to_json(), page_count=len(cached))
        writer = _PageWriter(self._job, self._emit, session, clone, plan, keys)
        for page in plan.pages():
            if page.slug in cached:
                self._emit.page_ended(writer.record(page, "cached"))
        await writer.write_all([page for page in plan.pages() if page.slug not in cached])
        return keys

    async def _render(self, clone: Checkout, plan: Plan, keys: dict[str, str]) -> RunResult:
        self._emit.stage(Stage.RENDERING, page_count=len(plan.pages()))
        job = self._job
        facts = {"project_name": job.key.name, "repo_url": job.source.display, "branch": job.key.branch, "commit": clone.commit}
        images = await asyncio.to_thread(self._images, keys)
        manifest = {**facts, "settings": self._settings, "plan": plan.to_json(), "keys": keys, "images": images}
        site = await render(job.folder, manifest, job.key, job.processes, job.render_timeout, self._emit.log)
        return RunResult(None, clone.commit, plan, site, manifest)

    def _images(self, keys: dict[str, str]) -> dict[str, str]:
        images: dict[str, str] = {}
        for key in keys.values():
            images.update(self._job.folder.page_images(key))
        return images


class _PageWriter:
    """Writes the missing pages, so many at once; a failed page stops no other, unless it says that none can succeed."""

    def __init__(
        self, job: RunJob, emit: Emitter, session: ProviderSession, clone: Checkout, plan: Plan, keys: dict[str, str]
    ) -> None:
        self._job, self._emit, self._session = job, emit, session
        self._clone, self._plan, self._keys = clone, plan, keys
        self._files = {file.path: file for file in clone.files}
        self._room = asyncio.Semaphore(job.provider.concurrent_pages or job.concurrent_pages)
        self._failed: list[FailedPage] = []

    async def write_all(self, pages: list[PlanPage]) -> None:
        """Write the pages.

        Raises
        ------
        PagesFailed
            After all others are done, with every failed page and its reason.
        ProviderFailed
            At once, when no page can succeed.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for page in pages:
                    group.create_task(self._write(page))
        except* (DocsfyError, OSError) as errors:
            raise errors.exceptions[0] from None
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

    async def _write(self, page: PlanPage) -> None:
        async with self._room:
            self._emit.page_started(page.slug)
            started = time.monotonic()
            try:
                answer = await self._tried(page)
                await asyncio.to_thread(self._keep, page, answer)
            except DocsfyError as error:
                if isinstance(error, ProviderFailed) and error.fatal:
                    raise
                self._failed.append(FailedPage(page.slug, error.message))
                self._emit.page_ended(self.record(page, "failed", time.monotonic() - started, error.message))
                return
            self._emit.page_ended(self.record(page, "fresh", time.monotonic() - started))

    async def _tried(self, page: PlanPage) -> PageAnswer:
        for number in range(1, PAGE_TRIES + 1):
            try:
                call = self._session.write_page(self._plan, page)
                return await recorded(self._job, self._emit, "page", page.slug, call)
            except ProviderFailed as error:
                if error.fatal or not error.transient or number == PAGE_TRIES:
                    raise
                pause = random.uniform(0.5, 1.0) * 2 ** (number - 1) * 0.5  # noqa: S311  jitter, not a secret
                self._emit.log("page_retry", f"Page {page.slug}: {error.message}; trying again in {pause:.1f} s", slug=page.slug)
                await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    def _keep(self, page: PlanPage, answer: PageAnswer) -> None:
        images = {}
        for path in answer.files:
            file = self._files.get(path)
            if file is not None and file.regular:
                self._job.folder.store_image(self._clone.path / path, file.blob)
                images[path] = file.blob
        self._job.folder.store_page(self._keys[page.slug], answer.markdown, images)


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
    try:
        answer = await call
        outcome, usage = "ok", answer.usage
        return answer
    except Exception as error:
        outcome = "failed"
        if isinstance(error, DocsfyError):
            usage = error.details.get("usage", usage)
        raise
    finally:
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
            )
        )


async def render(
    folder: VariantFolder,
    manifest: Mapping[str, Any],
    key: VariantKey,
    processes: Processes,
    timeout: float,
    log: Any,
) -> Path:
    """Render a site from the page cache in a child process, aside.

    Parameters
    ----------
    folder : VariantFolder
        The variant's files.
    manifest : mapping
        Plan, cache keys, images and facts, as `Pipeline` keeps them.
    key : VariantKey
        The variant.
    processes : Processes
        Starts the child.
    timeout : float
        Seconds.
    log : callable
        Told of dead links.

    Returns
    -------
    Path
        The new version, not yet published.

    Raises
    ------
    RenderFailed
        With the renderer's own sentence.
    """
    target = await asyncio.to_thread(folder.sites.fresh)
    job = SiteJob(
        plan=Plan.model_validate_json(manifest["plan"]),
        pages={slug: folder.page(cached) for slug, cached in manifest["keys"].items()},
        images={path: folder.images / blob for path, blob in manifest["images"].items()},
        out=target,
        project_name=manifest["project_name"],
        tagline=json.loads(manifest["plan"])["tagline"],
        repo_url=manifest["repo_url"],
        branch=manifest["branch"],
        commit=manifest["commit"],
        provider=key.ai_provider,
        model=key.ai_model,
        generated_at=iso(utc_now()) or "",
    )
    argv = [sys.executable, "-P", "-m", "docsfy_jupyter.site.worker"]
    result = await processes.run(argv, stdin=job_to_json(job).encode(), env=child_environment(), timeout=timeout)
    if result.returncode != 0:
        raise RenderFailed(f"The site could not be rendered: {result.stderr.strip()[-500:] or f'exit code {result.returncode}'}")
    report = report_from_json(result.stdout.decode())
    for link in report.dead_links:
        log("dead_link", f"Page {link.slug}: the link to {link.target} leads nowhere and was made text", slug=link.slug)
    return target
