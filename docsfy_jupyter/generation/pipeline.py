"""One run: clone → plan → pages → site. It emits what happens; it writes no row and decides no terminal status."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docsfy_jupyter.errors import ChildError, CostLimitReached, RenderFailed
from docsfy_jupyter.generation.ahead import PagesAhead
from docsfy_jupyter.generation.folders import KnownPlan, VariantFolder, cache_key
from docsfy_jupyter.generation.job import Emitter, RunJob, RunResult
from docsfy_jupyter.generation.killing import settled
from docsfy_jupyter.generation.pages import PageWriter, tried
from docsfy_jupyter.generation.verifying import PATIENCE, verify
from docsfy_jupyter.generation.workers import WorkerPool
from docsfy_jupyter.models import Plan, Stage, VariantKey, iso, utc_now
from docsfy_jupyter.plans import settle_plan
from docsfy_jupyter.providers.base import (
    PlanRequest,
    ProviderSession,
    RunContext,
)
from docsfy_jupyter.site.jobs import SiteJob, job_to_data, report_from_data
from docsfy_jupyter.sources.checkout import Checkout, changed_files, checkout


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
        self._emit.stage(Stage.CLONING)
        clone = await checkout(job.source, job.key.branch, job.scratch / "clone", job.policy, job.processes, self._emit.log)
        self._emit.change(is_default_branch=clone.is_default_branch, ref_kind=clone.ref_kind, notes=clone.notes)
        async with job.provider.open(self._context(clone)) as session:
            plan, up_to_date = await self._settled_plan(session, clone)
            if up_to_date:
                self._emit.change(page_count=len(plan.pages()), plan_json=plan.to_json())
                return RunResult(Stage.UP_TO_DATE, clone.commit, plan)
            keys = await self._pages(session, clone, plan)
        verifying = asyncio.create_task(verify(job, self._emit, clone, keys))
        try:
            result = await self._render(clone, plan, keys)
            if not verifying.done():
                self._emit.change(checking_since=iso(utc_now()))
                self._emit.log("verifying", f"The site is rendered; its pages are being checked, {PATIENCE:g} s at the most")
            await verifying
        finally:
            verifying.cancel()
            await settled(verifying)
        return result

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
        if self._job.force:  # now that the repository is here and the work may begin: what was paid for is lost for nothing else
            self._check_budget()
            await asyncio.to_thread(self._job.folder.empty_cache)
        known = await asyncio.to_thread(self._job.folder.load_plan)
        if known and known.commit == clone.commit and known.settings == self._settings:
            return known.plan, await asyncio.to_thread(self._stands, session, clone, known.plan)
        self._check_budget()
        request = PlanRequest()
        if known and known.settings == self._settings:
            self._emit.stage(Stage.INCREMENTAL_PLANNING)
            job = self._job
            changed = await changed_files(clone, job.source, known.commit, job.policy, job.processes)
            request = PlanRequest(previous=known.plan, changed=changed)
        else:
            self._emit.stage(Stage.PLANNING)
        answer = await tried(self._job, self._emit, "plan", None, lambda: session.plan(request))
        plan, notes = settle_plan(answer.plan, self._job.key.name)
        for note in notes:
            self._emit.log("plan_repaired", note)
        await asyncio.to_thread(self._job.folder.store_plan, KnownPlan(clone.commit, self._settings, plan))
        return plan, False

    def _check_budget(self) -> None:
        """Stop where others have spent what the day allows while this run was queued."""
        if self._job.budget.used_up:
            raise CostLimitReached(self._job.budget.stopped("the plan and all pages"))

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
        # should the server be killed, its next start counts by this what was made
        known = KnownPlan(clone.commit, self._settings, plan, self._job.generation_id, keys)
        await asyncio.to_thread(self._job.folder.store_plan, known)
        self._emit.stage(Stage.GENERATING_PAGES, plan_json=plan.to_json(), page_count=len(cached))
        ahead = PagesAhead(self._job.workers.renderers, self._job.folder, plan, keys)
        writer = PageWriter(self._job, self._emit, session, clone, plan, keys, ahead.add)
        for page in plan.pages():
            if page.slug in cached:
                self._emit.page_ended(writer.record(page, "cached"))
        async with ahead:
            await writer.write_all([page for page in plan.pages() if page.slug not in cached])
        return keys

    async def _render(self, clone: Checkout, plan: Plan, keys: dict[str, str]) -> RunResult:
        self._emit.stage(Stage.RENDERING, page_count=len(plan.pages()))
        job = self._job
        facts = {"project_name": job.key.name, "repo_url": job.source.display, "branch": job.key.branch, "commit": clone.commit}
        images = await asyncio.to_thread(self._images, keys)
        manifest = {**facts, "settings": self._settings, "plan": plan.to_json(), "keys": keys, "images": images}
        site = await render(job.folder, manifest, job.key, job.workers.renderers, job.render_timeout, self._emit.log)
        return RunResult(None, clone.commit, plan, site, manifest)

    def _images(self, keys: dict[str, str]) -> dict[str, str]:
        images: dict[str, str] = {}
        for key in keys.values():
            images.update(self._job.folder.page_images(key))
        return images


async def render(
    folder: VariantFolder,
    manifest: Mapping[str, Any],
    key: VariantKey,
    renderers: WorkerPool,
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
    renderers : WorkerPool
        Does it.
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
        earlier=folder.written,
        project_name=manifest["project_name"],
        tagline=json.loads(manifest["plan"])["tagline"],
        repo_url=manifest["repo_url"],
        branch=manifest["branch"],
        commit=manifest["commit"],
        provider=key.ai_provider,
        model=key.ai_model,
        generated_at=iso(utc_now()) or "",
    )
    try:
        answer = await renderers.request({"site": job_to_data(job)}, timeout)
    except ChildError as error:
        raise RenderFailed(f"The site could not be rendered: {error.message[-500:]}") from error
    if "error" in answer:
        raise RenderFailed(f"The site could not be rendered: {answer['error']}")
    report = report_from_data(answer)
    for link in report.dead_links:
        log("dead_link", f"Page {link.slug}: the link to {link.target} leads nowhere and was made text", slug=link.slug)
    return target
