"""The one owner of the runs in progress, the queue and the rows in memory. Knows no HTTP and no SQL."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docsfy_jupyter.errors import (
    AbortPending,
    AlreadyGenerating,
    BadRequest,
    Conflict,
    DocsfyError,
    NameTaken,
    NotFound,
    NotGenerating,
    StoreUnavailable,
)
from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.generation.folders import VariantFolder
from docsfy_jupyter.generation.pipeline import Pipeline, RunJob, RunResult, render
from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.generation.run import Run
from docsfy_jupyter.generation.slots import Slots
from docsfy_jupyter.models import (
    ABORTED_BY_USER,
    SERVER_RESTARTED,
    Status,
    Variant,
    VariantKey,
    iso,
    safe_text,
    utc_now,
)
from docsfy_jupyter.providers.registry import ProviderRegistry
from docsfy_jupyter.requests import NAME_PATTERN, GenerateRequest
from docsfy_jupyter.sources.remote import default_branch
from docsfy_jupyter.sources.rules import Source, SourcePolicy, parse_source, same_repository, validate_ref
from docsfy_jupyter.store.records import Event, ProgressUpdate, RunEnd, RunStart
from docsfy_jupyter.store.store import Store

_WRITE_PAUSE = 0.1
_STORE_RETRY = 1.0
_ABORT_PATIENCE = 5.0
_OLD_SITES = 60.0  # seconds that a reader may still be in the site before this one


@dataclass(frozen=True)
class Settings:
    """The server's options, as the traits say.

    Parameters
    ----------
    data_dir : Path
        Database, page caches and sites.
    default_provider, default_model : str
        Used when a request names none.
    max_concurrent_generations, max_concurrent_pages : int
        Limits.
    call_timeout : float
        Seconds that one provider call may take.
    policy : SourcePolicy
        Which repositories are allowed.
    """

    data_dir: Path
    default_provider: str = "local"
    default_model: str = ""
    max_concurrent_generations: int = 4
    max_concurrent_pages: int = 5
    call_timeout: float = 600.0
    policy: SourcePolicy = field(default_factory=SourcePolicy)


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
        self._slots = Slots(settings.max_concurrent_generations)
        self._store: Store | None = None
        self._problem: DocsfyError | None = StoreUnavailable("The database is being opened; try again in a moment.")
        self._runs: dict[VariantKey, Run] = {}
        self._dirty: set[Run] = set()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._recovered = asyncio.Event()
        self._scratch = settings.data_dir / "tmp"

    # life

    async def start(self) -> None:
        """Begin: open the store in the background, recover, and write what runs emit."""
        await self._processes.start()
        self._tasks = [asyncio.create_task(self._open_store()), asyncio.create_task(self._write_loop())]

    async def ready(self) -> Store:
        """Return the store once recovery has ended.

        Raises
        ------
        StoreUnavailable
            The database is held by another process or cannot be opened; the manager goes on trying.
        """
        if self._store is None and self._problem is not None and self._problem.details.get("final"):
            raise self._problem
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._recovered.wait(), 30)
        if self._store is None:
            raise self._problem or StoreUnavailable("The database is not open.")
        return self._store

    async def _open_store(self) -> None:
        while self._store is None:
            try:
                store = await Store.open(self.settings.data_dir)
                await self._recover(store)
                self._store, self._problem = store, None
            except StoreUnavailable as error:
                if self._problem is None or self._problem.message != error.message:
                    self._log.warning("docsfy_jupyter: %s", error.message)
                self._problem = StoreUnavailable(error.message, **{**error.details, "final": True})
                await asyncio.sleep(_STORE_RETRY)
        self._recovered.set()

    async def _recover(self, store: Store) -> None:
        for notice in store.notices:
            self._log.error("docsfy_jupyter: %s", notice)
        orphans = await store.recover(SERVER_RESTARTED)
        if orphans:
            self._log.warning("docsfy_jupyter: %d runs were cut off by a restart; their rows say so", len(orphans))
        await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)
        for variant in await store.load_variants():
            self.feed.put(variant)

    async def stop(self) -> None:
        """End every run, write its row, close the store. Never raises, never hangs for long."""
        runs = list(self._runs.values())
        for run in runs:
            run.aborted_by = run.aborted_by or "the server (it was stopped)"
            if run.work is not None:
                run.work.cancel()
        supervisors = [run.supervisor for run in runs if run.supervisor is not None]
        if supervisors:
            await asyncio.wait(supervisors, timeout=8)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._processes.aclose()
        if self._store is not None:
            await self._store.close()

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

    async def generate(self, request: GenerateRequest, user: str) -> Variant:
        """Start a run; answers when the row says ``generating``.

        Parameters
        ----------
        request : GenerateRequest
            Validated.
        user : str
            Who asks; owner of a new variant.

        Raises
        ------
        BadRequest, SourceRefused, ProviderUnavailable
            No row was made.
        AlreadyGenerating, NameTaken
            The row and the run in progress are untouched.
        """
        store = await self.ready()
        provider = self.providers.get(request.ai_provider or self.settings.default_provider)
        model = request.ai_model or self._default_model(provider.name) or provider.default_model
        provider.check(model)
        policy = self.settings.policy
        source = await asyncio.to_thread(
            lambda: parse_source(
                repo_url=request.repo_url, repo_path=request.repo_path, policy=policy, credential_env=request.credential_env
            )
        )
        name = request.name or _default_name(source)
        if request.branch is not None:
            validate_ref(request.branch)
        branch = request.branch or await default_branch(source, policy, self._processes)
        key = VariantKey(name, branch, provider.name, model, request.owner or user)
        run = self._reserve(key, source, user)
        try:
            await store.begin_run(run.row, self._run_start(run, request), run.event("started", f"Started by {user}", user))
        except BaseException:
            self._unreserve(run)
            raise
        run.supervisor = asyncio.create_task(self._supervise(run, self._job(run, source, request)))
        return run.row

    def _default_model(self, provider: str) -> str:
        return self.settings.default_model if provider == self.settings.default_provider else ""

    def _reserve(self, key: VariantKey, source: Source, user: str) -> Run:
        """Take the key: no await between the look and the taking, so that two requests never both win."""
        if key in self._runs:
            raise AlreadyGenerating(f"{key.address} is already generating; wait for it or abort it.")
        for row in self.feed.rows():
            if (row.name, row.owner) == (key.name, key.owner) and not same_repository(row.repo_url, source.display):
                raise NameTaken(
                    f"The name {key.name!r} is taken by {row.repo_url}. Pass another name (name=…) to document {source.display}."
                )
        now = iso(utc_now()) or ""
        before = self.feed.get(key)
        row = self._starting_row(key, source, user, now, before)
        run = Run(row, before, self.feed, self._mark)
        self._runs[key] = run
        self.feed.put(row)
        return run

    @staticmethod
    def _starting_row(key: VariantKey, source: Source, user: str, now: str, old: Variant | None) -> Variant:
        blank = Variant(
            key.name, key.branch, key.ai_provider, key.ai_model, key.owner, source.display, Status.GENERATING, now, now
        )
        base = old or blank
        return blank.changed(
            created_at=base.created_at,
            plan_json=base.plan_json,
            last_commit_sha=base.last_commit_sha,
            last_generated=base.last_generated,
            is_default_branch=base.is_default_branch,
            ref_kind=base.ref_kind,
            total_cost_usd=base.total_cost_usd,
            site=base.site,
            generation_id=str(uuid.uuid4()),
            started_at=now,
            started_by=user,
        )

    def _unreserve(self, run: Run) -> None:
        self._runs.pop(run.key, None)
        self._dirty.discard(run)
        run.ended.set()
        if run.before is not None:
            self.feed.put(run.before)
        else:
            self.feed.remove(run.key)

    @staticmethod
    def _run_start(run: Run, request: GenerateRequest) -> RunStart:
        return RunStart(
            generation_id=run.generation_id,
            key=run.key,
            repo_url=run.row.repo_url,
            started_by=run.row.started_by or "",
            started_at=utc_now(),
            forced=request.force,
            batch_id=None,
        )

    def _job(self, run: Run, source: Source, request: GenerateRequest) -> RunJob:
        minutes = request.ai_cli_timeout
        return RunJob(
            key=run.key,
            generation_id=run.generation_id,
            source=source,
            folder=self.folder(run.key),
            scratch=self._scratch / run.generation_id,
            provider=self.providers.get(run.key.ai_provider),
            policy=self.settings.policy,
            processes=self._processes,
            force=request.force,
            call_timeout=minutes * 60 if minutes else self.settings.call_timeout,
            concurrent_pages=self.settings.max_concurrent_pages,
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
            await self._end(run, job)
        except Exception:  # noqa: BLE001  logged; the supervisor must clear the run whatever happened
            self._log.exception("docsfy_jupyter: the end of run %s could not be written", run.generation_id)
        finally:
            self._runs.pop(run.key, None)
            self._dirty.discard(run)
            run.ended.set()

    async def _work(self, run: Run, job: RunJob) -> RunResult:
        async with self._slots.slot(run.moved):
            self._processes.watch_folder(job.scratch)
            await asyncio.to_thread(job.scratch.mkdir, parents=True, exist_ok=True)
            return await Pipeline(job, run).run()

    async def _end(self, run: Run, job: RunJob) -> None:
        if run.work is None or run.work.cancelled():
            changes, outcome = self._aborted(run), Status.ABORTED
        elif (error := run.work.exception()) is not None:
            changes, outcome = self._failed(run, error), Status.ERROR
        else:
            changes, outcome = await self._succeeded(run, job, run.work.result()), Status.READY
        await self._write_end(run, changes, outcome)

    @staticmethod
    def _aborted(run: Run) -> dict[str, Any]:
        stopped = (run.aborted_by or "").startswith("the server")
        message = "The server was stopped during generation" if stopped else ABORTED_BY_USER
        return {"error_message": message, "failed_stage": run.row.current_stage}

    def _failed(self, run: Run, error: BaseException) -> dict[str, Any]:
        changes: dict[str, Any] = {"failed_stage": run.row.current_stage}
        if isinstance(error, DocsfyError):
            text = error.message
            changes["failed_pages"] = tuple(error.details.get("failed_pages", run.row.failed_pages))
        else:
            self._log.error("docsfy_jupyter: run %s failed", run.generation_id, exc_info=error)
            text = f"Internal error ({type(error).__name__}: {error}); the server's log has the details."
        return {**changes, "error_message": safe_text(text)[:4000]}

    async def _succeeded(self, run: Run, job: RunJob, result: RunResult) -> dict[str, Any]:
        now = iso(utc_now())
        changes: dict[str, Any] = {"error_message": None, "failed_pages": (), "plan_json": result.plan.to_json()}
        if result.site is not None:
            await asyncio.to_thread(job.folder.sites.publish, result.site)
            await asyncio.to_thread(job.folder.store_manifest, dict(result.manifest))
            await asyncio.to_thread(job.folder.prune, dict(result.manifest["keys"]))
            await asyncio.to_thread(job.folder.sites.remove_old, _OLD_SITES)
            changes |= {"last_generated": now, "last_commit_sha": result.commit, "site": True}
        return changes | {"current_stage": result.stage, "page_count": len(result.plan.pages())}

    async def _write_end(self, run: Run, changes: dict[str, Any], outcome: Status) -> None:
        store = await self.ready()
        pending, events, pages = run.take()
        run_cost = run.row.run_cost_usd if run.fresh else 0.0
        total = None if run_cost is None else (run.row.total_cost_usd or 0.0) + run_cost
        final = {**pending, "queue_position": None, "pages_active": ()}
        final |= {"current_stage": None, "run_cost_usd": run_cost, "total_cost_usd": total, "eta_at": None}
        final |= {**changes, "status": outcome, "updated_at": iso(utc_now())}
        end = RunEnd(
            ended_by=run.aborted_by,
            ended_at=utc_now(),
            outcome=outcome.value,
            failed_stage=final.get("failed_stage"),
            error_message=final.get("error_message"),
            commit_sha=final.get("last_commit_sha") or run.row.last_commit_sha,
            page_count=final.get("page_count", run.row.page_count),
            total_pages=_total(run.row.changed(plan_json=final.get("plan_json", run.row.plan_json))),
            pages_fresh=run.fresh,
            pages_cached=run.reused,
            cost_usd=run_cost,
            stage_times=dict(run.row.stage_times),
        )
        await store.add_pages(pages)
        await store.add_events(events)
        event = run.event(outcome.value, final.get("error_message") or outcome.value, run.aborted_by)
        if await store.end_run(run.key, run.generation_id, final, end, event):
            self.feed.put(run.row.changed(**final))

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
            Not dead within 5 s; the abort goes on.
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
            await asyncio.wait_for(run.ended.wait(), _ABORT_PATIENCE)
        except TimeoutError:
            raise AbortPending(f"Abort still in progress: {key.address} turns aborted when its processes are gone.") from None
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
        if key in self._runs:
            raise AlreadyGenerating(f"{key.address} is generating; abort it before deleting it.")
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
        if key in self._runs:
            raise AlreadyGenerating(f"{key.address} is generating; it is rendered at the end of the run.")
        folder = self.folder(key)
        manifest = await asyncio.to_thread(folder.load_manifest)
        if not manifest:
            raise Conflict(f"{key.address} has no page cache of a finished run; generate it first.")
        site = await render(folder, manifest, key, self._processes, 600.0, lambda *_, **__: None)
        await asyncio.to_thread(folder.sites.publish, site)
        await asyncio.to_thread(folder.sites.remove_old, _OLD_SITES)
        await store.save_row(key, {"site": True})
        self.feed.put(self.find(key).changed(site=True))
        return self.find(key)

    # the writer of progress

    def _mark(self, run: Run) -> None:
        self._dirty.add(run)
        self._wake.set()

    async def _write_loop(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_WRITE_PAUSE)
            self._wake.clear()
            if self._store is not None:
                try:
                    await self._flush(self._store)
                except Exception:  # noqa: BLE001  logged; the loop must go on
                    self._log.exception("docsfy_jupyter: progress could not be written; the run goes on")

    async def _flush(self, store: Store) -> None:
        runs, self._dirty = self._dirty, set()
        updates: list[ProgressUpdate] = []
        events: list[Event] = []
        records = []
        for run in runs:
            changes, new_events, pages = run.take()
            events += new_events
            records += pages
            if changes:
                updates.append(ProgressUpdate(run.key, run.generation_id, changes))
        if updates:
            await store.save_progress(updates)
        if events:
            await store.add_events(events)
        if records:
            await store.add_pages(records)


def _total(row: Variant) -> int:
    plan = row.plan()
    return len(plan.pages()) if plan else 0


def _default_name(source: Source) -> str:
    try:
        GenerateRequest(repo_url="https://placeholder.invalid/x", name=source.name)
    except ValueError:
        raise BadRequest(
            f"{safe_text(source.name)!r} cannot be the name of a variant (it must match {NAME_PATTERN}); pass name=… yourself."
        ) from None
    return source.name
