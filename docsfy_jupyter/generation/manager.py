"""The one owner of the runs in progress, the queue and the rows in memory. Knows no HTTP and no SQL."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from docsfy_jupyter.errors import (
    AbortPending,
    AlreadyGenerating,
    Conflict,
    NotFound,
    NotGenerating,
    StoreUnavailable,
)
from docsfy_jupyter.generation.choosing import check_not_taken, chosen_provider, default_name, known_credential
from docsfy_jupyter.generation.ending import BY_SERVER, Endings, conclude
from docsfy_jupyter.generation.estimator import Estimator
from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.generation.folders import VariantFolder
from docsfy_jupyter.generation.job import RunJob, RunResult
from docsfy_jupyter.generation.killing import unbroken
from docsfy_jupyter.generation.metrics import RunMeter, process_metrics
from docsfy_jupyter.generation.open_store import OpenStore
from docsfy_jupyter.generation.pace import Pace
from docsfy_jupyter.generation.pipeline import Pipeline, render
from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.generation.progress_writer import ProgressWriter
from docsfy_jupyter.generation.publishing import OLD_SITES
from docsfy_jupyter.generation.retention import Retention
from docsfy_jupyter.generation.run import Run, starting_row
from docsfy_jupyter.generation.settings import Settings
from docsfy_jupyter.generation.slots import Slots
from docsfy_jupyter.generation.spending import Budget, DailySpending, check_limits_can_be_kept
from docsfy_jupyter.generation.workers import Workers
from docsfy_jupyter.models import Status, Variant, VariantKey, utc_now
from docsfy_jupyter.providers.registry import ProviderRegistry
from docsfy_jupyter.requests import GenerateRequest
from docsfy_jupyter.sources.freshness import Freshness
from docsfy_jupyter.sources.remote import DefaultBranches
from docsfy_jupyter.sources.rules import Source, parse_source, validate_ref
from docsfy_jupyter.store.records import RunStart
from docsfy_jupyter.store.store import Store

_LAST_WRITES = 2.0


@dataclass(frozen=True)
class Batch:
    """Runs that are asked for in one request: their id, and the default branches of their repositories."""

    batch_id: str
    branches: DefaultBranches


class Manager:
    """Starts, aborts and describes runs.

    Parameters
    ----------
    settings : Settings
        Options.
    providers : ProviderRegistry
        Who writes pages.
    log : logging.Logger
        The server's log.
    """

    def __init__(self, settings: Settings, providers: ProviderRegistry, log: logging.Logger) -> None:
        self.settings = settings
        self.providers = providers
        self.feed = ChangeFeed()
        self._log = log
        self._processes = Processes()
        self._workers = Workers.of(self._processes)
        self.freshness = Freshness(settings.policy, self._processes)
        self.estimator = Estimator(settings, providers, self.feed, self._processes, self.folder)
        self._slots = Slots(settings.max_concurrent_generations, settings.generations_by_provider)
        self._runs: dict[VariantKey, Run] = {}
        self._held: dict[VariantKey, str] = {}  # variants that are changed outside a run, and how
        self._tasks: list[asyncio.Task[None]] = []
        self._day = DailySpending(settings.max_cost_usd_per_day)
        self._opened = OpenStore(settings, self.feed, log, self._processes.instance)
        self.opened = self._opened.opened  # set once recovery has ended, however long another process holds the database
        self._writer = ProgressWriter(self._opened, log)
        self._endings = Endings(self._opened, self.feed, log)
        self._retention = Retention(self._opened, settings.keep_events_days, log)
        self._metrics = process_metrics()
        self._metrics.expect(providers.names())

    # life

    async def start(self) -> None:
        """Begin: open the store in the background, recover, and write what runs emit."""
        await self._processes.start()
        self._tasks = [asyncio.create_task(part.run()) for part in (self._opened, self._writer, self._endings, self._retention)]

    async def ready(self) -> Store:
        """Return the store once recovery has ended.

        Raises
        ------
        StoreUnavailable
            The database is held by another process or cannot be opened; the manager goes on trying.
        """
        return await self._opened.ready()

    async def check(self) -> None:
        """Say whether the store is open and has everything that happened.

        Raises
        ------
        StoreUnavailable
            With the reason.
        """
        await self.ready()
        self._endings.check()

    async def stop(self) -> None:
        """End every run, write its row, close the store. Never raises, never hangs for long."""
        runs = list(self._runs.values())
        for run in runs:
            run.aborted_by = run.aborted_by or BY_SERVER
            if run.work is not None:
                run.work.cancel()
        supervisors = [run.supervisor for run in runs if run.supervisor is not None]
        if supervisors:
            await asyncio.wait(supervisors, timeout=8)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._workers.aclose()
        await self._processes.aclose()
        with contextlib.suppress(StoreUnavailable, TimeoutError):  # what is still not written the next start recovers
            async with asyncio.timeout(_LAST_WRITES):
                await self._endings.settle_all()
                await self._writer.flush()
        await self._opened.close()

    @property
    def active(self) -> int:
        """How many runs are in progress or queued."""
        return len(self._runs)

    # reads

    def find(self, key: VariantKey) -> Variant:
        """Return a row.

        Raises
        ------
        NotFound
        """
        row = self.feed.get(key)
        if row is None:
            raise NotFound(f"There is no variant {key.address}.")
        return row

    def folder(self, key: VariantKey) -> VariantFolder:
        """Return the files of a variant."""
        return VariantFolder(self.settings.data_dir, key)

    # generate

    def batch(self, batch_id: str) -> Batch:
        """Return what runs share that are asked for in one request."""
        return Batch(batch_id, DefaultBranches(self.settings.policy, self._processes))

    async def generate(self, request: GenerateRequest, user: str, batch: Batch | None = None) -> Variant:
        """Start a run; answers when the row says ``generating``.

        Parameters
        ----------
        request : GenerateRequest
            Validated.
        user : str
            Who asks; owner of a new variant.
        batch : Batch, optional
            What the run belongs to.

        Raises
        ------
        BadRequest, SourceRefused, ProviderUnavailable
            No row was made.
        AlreadyGenerating, NameTaken
            The row and the run in progress are untouched.
        """
        store = await self.ready()
        provider, model = chosen_provider(request, self.settings, self.providers)
        self.providers.check(provider, model)
        check_limits_can_be_kept(provider, model, request.max_cost_usd, self._day.limit)
        if not provider.costs_nothing(model):
            await self._day.check(store)
        policy = self.settings.policy
        credential = request.credential_env or known_credential(self.feed.rows(), request, user)
        source = await asyncio.to_thread(
            lambda: parse_source(repo_url=request.repo_url, repo_path=request.repo_path, policy=policy, credential_env=credential)
        )
        name = request.name or default_name(source)
        if request.branch is not None:
            validate_ref(request.branch)
        branches = batch.branches if batch else DefaultBranches(policy, self._processes)
        branch = request.branch or await branches.of(source)
        key = VariantKey(name, branch, provider.name, model, request.owner or user)
        await self._endings.settle(key)
        run = self._reserve(key, source, user, self.estimator.foreseen(key, request))
        batch_id = batch.batch_id if batch else None
        start = RunStart(run.generation_id, key, source.display, user, utc_now(), request.force, batch_id)
        try:
            # a caller that goes away while the row is written must not leave one that nobody works on
            _, cancelled = await unbroken(store.begin_run(run.row, start, run.event("started", f"Started by {user}", user)))
        except BaseException:
            self._unreserve(run)
            raise
        self.feed.on_status(run.row)
        run.supervisor = asyncio.create_task(self._supervise(run, self._job(run, source, request)))
        if cancelled:
            raise asyncio.CancelledError
        return run.row

    def _reserve(self, key: VariantKey, source: Source, user: str, foreseen: Mapping[str, Any] | None) -> Run:
        """Take the key: no await between the look and the taking, so that two requests never both win."""
        check_not_taken(self.feed.named(key.name), key.name, key.owner, source)
        if key in self._runs:
            in_progress = self._runs[key].generation_id
            raise AlreadyGenerating(f"{key.address} is already generating; wait for it or abort it.", generation_id=in_progress)
        if key in self._held:
            raise Conflict(f"{key.address} is being {self._held[key]}; try again in a moment.")
        before = self.feed.get(key)
        row = starting_row(key, source, user, before).changed(foreseen=foreseen)
        run = Run(row, before, self.feed, self._writer, RunMeter(self._metrics, key.ai_provider))
        self._runs[key] = run
        self.feed.put(row)
        return run

    @contextmanager
    def _holding(self, key: VariantKey, doing: str, hint: str) -> Iterator[None]:
        """Keep runs, and whatever else changes a variant outside them, away while its row and folder are changed."""
        if key in self._runs:
            raise AlreadyGenerating(f"{key.address} is generating; {hint}.")
        if key in self._held:
            raise Conflict(f"{key.address} is being {self._held[key]}; try again in a moment.")
        self._held[key] = doing
        try:
            yield
        finally:
            del self._held[key]

    def _unreserve(self, run: Run) -> None:
        self._runs.pop(run.key, None)
        run.meter.end()
        run.ended.set()
        if run.before is not None:
            self.feed.put(run.before)
        else:
            self.feed.remove(run.key)

    def _job(self, run: Run, source: Source, request: GenerateRequest) -> RunJob:
        minutes, provider = request.ai_cli_timeout, self.providers.get(run.key.ai_provider)
        return RunJob(
            key=run.key,
            generation_id=run.generation_id,
            source=source,
            folder=self.folder(run.key),
            scratch=self.settings.scratch / run.generation_id,
            provider=provider,
            policy=self.settings.policy,
            processes=self._processes,
            workers=self._workers,
            force=request.force,
            call_timeout=minutes * 60 if minutes else self.settings.call_timeout,
            concurrent_pages=self.settings.max_concurrent_pages,
            budget=Budget(request.max_cost_usd, None if provider.costs_nothing(run.key.ai_model) else self._day),
        )

    # the run's supervisor: never cancelled

    async def _supervise(self, run: Run, job: RunJob) -> None:
        run.work = asyncio.create_task(self._work(run, job))
        if run.aborted_by is not None:
            run.work.cancel()
        await asyncio.wait({run.work})
        await asyncio.to_thread(shutil.rmtree, job.scratch, ignore_errors=True)
        self._processes.forget_folder(job.scratch)
        try:
            ending = await conclude(run, job, self._log)
            await self._tidy(job.folder, run.key)
            run.meter.end(ending.row.status)
            await self._endings.write(ending)
            self.feed.on_status(ending.row)
        finally:
            self._runs.pop(run.key, None)
            run.ended.set()

    async def _work(self, run: Run, job: RunJob) -> RunResult:
        async with self._slots.slot(run.row.repo_url, run.key.ai_provider, run.moved):
            self._processes.watch_folder(job.scratch)
            await asyncio.to_thread(job.scratch.mkdir, parents=True, exist_ok=True)
            lanes = job.provider.concurrent_pages or job.concurrent_pages
            store = await self.ready()
            run.pace = Pace(await store.page_seconds(run.key.ai_provider, run.key.ai_model), lanes)
            if run.row.foreseen is None:
                run.change(foreseen=await self.estimator.unasked(store, job, run.before))
            return await Pipeline(job, run).run()

    async def _tidy(self, folder: VariantFolder, key: VariantKey) -> None:
        """Remove what a rendering has begun and given up; where the disk does not let that happen, the next one tries again."""
        try:
            await asyncio.to_thread(folder.discard_given_up)
        except OSError:
            self._log.exception("docsfy_jupyter: tidying up after a rendering of %s failed", key.address)

    # abort and delete

    async def abort(self, key: VariantKey, user: str, generation_id: str | None = None) -> Variant:
        """Abort a run; answers when its children are dead and the row is written.

        Raises
        ------
        NotFound
            Unknown variant.
        NotGenerating
            Nothing runs, or it has just finished.
        AbortPending
            Not dead within `Settings.abort_patience`; the abort goes on.
        """
        row = self.find(key)
        run = self._runs.get(key)
        if run is None or (run.supervisor is None and row.status.terminal):
            raise NotGenerating(f"{key.address} is not generating; it is {row.status.value}.")
        if generation_id is not None and generation_id != run.generation_id:
            raise Conflict(f"Another run of {key.address} is in progress ({run.generation_id}); nothing was aborted.")
        run.aborted_by = run.aborted_by or user
        if run.work is not None:
            run.work.cancel()
        try:
            async with asyncio.timeout(self.settings.abort_patience):
                await run.ended.wait()
        except TimeoutError:
            raise AbortPending(f"Abort still in progress: {key.address} turns aborted when {run.waits_for}.") from None
        row = self.find(key)
        if row.status is not Status.ABORTED or row.generation_id != run.generation_id:
            raise NotGenerating(f"{key.address} had already finished; it is {row.status.value}.")
        return row

    async def delete(self, key: VariantKey, user: str) -> None:
        """Delete a variant with its pages and site; its runs stay in the history, marked.

        Raises
        ------
        NotFound, AlreadyGenerating
        """
        store = await self.ready()
        self.find(key)
        with self._holding(key, "deleted", "abort it before deleting it"):
            await self._endings.settle(key)
            await store.delete_variant(key, user)
            self.feed.remove(key)
            await asyncio.to_thread(self.folder(key).remove)

    async def render(self, key: VariantKey) -> Variant:
        """Render a variant again from its page cache; pays for nothing.

        Raises
        ------
        NotFound, Conflict, RenderFailed
        """
        store = await self.ready()
        self.find(key)
        with self._holding(key, "rendered", "it is rendered at the end of the run"):
            await self._endings.settle(key)
            folder = self.folder(key)
            manifest = await asyncio.to_thread(folder.load_manifest)
            if not manifest:
                raise Conflict(f"{key.address} has no page cache of a finished run; generate it first.")
            keys = dict(manifest["keys"])
            if lost := sorted(keys.keys() - await asyncio.to_thread(folder.cached, keys)):
                raise Conflict(f"The page cache of {key.address} is damaged ({', '.join(lost)}); generate it again.")
            try:
                site = await render(folder, manifest, key, self._workers.renderers, 600.0, lambda *_, **__: None)
                await asyncio.to_thread(folder.sites.publish, site)
            finally:
                await self._tidy(folder, key)
            await asyncio.to_thread(folder.sites.remove_old, OLD_SITES)
            row = self.find(key).changed(site=True)
            await store.save_row(row)
            self.feed.put(row)
            return row
