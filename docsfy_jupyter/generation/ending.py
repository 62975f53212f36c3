"""How a run ends: the one terminal status, written once, and again and again where the database cannot be written.

Readers never wait for a broken disk: the row in memory says how the run ended as soon as the first attempt is over. Until
the database has it too, the health call says so, the variant takes no new run, and a restart finds a row in ``generating``
and recovers it.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import Any

from docsfy_jupyter.errors import DocsfyError, StoreUnavailable
from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.generation.job import RunJob, RunResult
from docsfy_jupyter.generation.open_store import OpenStore
from docsfy_jupyter.generation.progress_writer import Told
from docsfy_jupyter.generation.publishing import publish, tidy
from docsfy_jupyter.generation.run import Run
from docsfy_jupyter.models import ABORTED_BY_USER, Status, Variant, VariantKey, iso, safe_text, utc_now
from docsfy_jupyter.store.records import Ending, RunEnd, estimated

STOPPED = "The server was stopped during generation"
BY_SERVER = "the server (it was stopped)"
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_ATTEMPT = 10.0
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_BAD_DISK = {errno.EIO, errno.EROFS, errno.EFBIG, errno.EACCES, errno.EPERM, errno.ESTALE}


async def conclude(run: Run, job: RunJob, log: logging.Logger) -> Ending:
    """Look at a work task that is done, publish what it made, and say how the run ended."""
    told = await run.take()
    if run.work is None or run.work.cancelled():
        message = STOPPED if run.aborted_by == BY_SERVER else ABORTED_BY_USER
        stage = run.row.current_stage
        return await _without_site(run, job, told, status=Status.ABORTED, error_message=message, failed_stage=stage)
    try:
        result: RunResult = run.work.result()
        ready = _ready(result)
        if result.site is None:
            return await _without_site(run, job, told, **ready)
        ending = _ending(run, told, {**ready, "last_generated": iso(utc_now()), "site": True})
        await asyncio.to_thread(publish, job.folder, result.site, result.manifest, ending)
    except Exception as error:  # noqa: BLE001  whatever it is, it is how the run ended
        return await _without_site(run, job, told, **_failed(run, error, log))
    await asyncio.to_thread(tidy, job.folder, result.manifest, log)
    return ending


async def _without_site(run: Run, job: RunJob, told: Told, **changes: Any) -> Ending:
    """Return the end of a run that published nothing."""
    # by what is on the disk: a database that was damaged and began anew knows of no site that is still served
    site = await asyncio.to_thread(job.folder.sites.current) is not None
    return _ending(run, told, {**changes, "site": site})


def _ready(result: RunResult) -> dict[str, Any]:
    plan, pages = result.plan.to_json(), len(result.plan.pages())
    made = {"plan_json": plan, "page_count": pages, "last_commit_sha": result.commit, "current_stage": result.stage}
    return {"status": Status.READY, "error_message": None, "failed_pages": (), **made}


def _failed(run: Run, error: Exception, log: logging.Logger) -> dict[str, Any]:
    changes: dict[str, Any] = {"status": Status.ERROR, "failed_stage": run.row.current_stage}
    if isinstance(error, DocsfyError):
        text = error.message
        changes["failed_pages"] = tuple(error.details.get("failed_pages", run.row.failed_pages))
    elif isinstance(error, OSError) and error.errno in _NO_ROOM:
        text = f"No space left on the device that holds {error.filename or 'the data folder'}. Free some, then start again."
    elif isinstance(error, OSError) and error.errno in _BAD_DISK:
        text = f"The data folder cannot be written ({error.strerror}: {error.filename or 'a file'}). Mend that, then start again."
    else:
        log.error("docsfy_jupyter: run %s failed", run.generation_id, exc_info=error)
        text = f"Internal error ({type(error).__name__}: {error}); the server's log has the details."
    return {**changes, "error_message": safe_text(text)[:4000]}


def _ending(run: Run, told: Told, changes: dict[str, Any]) -> Ending:
    before, now = run.row, utc_now()
    cost = before.run_cost_usd if run.calls else 0.0
    usual: dict[str, Any] = {"current_stage": None, "queue_position": None, "pages_active": (), "eta_at": None}
    row = before.changed(**{**usual, **changes}, run_cost_usd=cost, updated_at=iso(now) or "")
    by = run.aborted_by if row.status is Status.ABORTED else None
    plan = row.plan()
    end = RunEnd(
        generation_id=run.generation_id,
        ended_by=by,
        ended_at=now,
        outcome=row.status.value,
        failed_stage=row.failed_stage,
        error_message=row.error_message,
        commit_sha=row.last_commit_sha if row.status is Status.READY else None,
        page_count=row.page_count,
        total_pages=len(plan.pages()) if plan else 0,
        pages_fresh=run.fresh,
        pages_cached=run.reused,
        cost_usd=cost,
        stage_times=dict(row.stage_times),
        **estimated(row),
    )
    events, pages, calls = told
    event = run.event(row.status.value, row.error_message or row.status.value, by)
    return Ending(row, end, (*events, event), tuple(pages), tuple(calls))


class Endings:
    """Writes the ends of runs.

    Parameters
    ----------
    opened : OpenStore
        The store.
    feed : ChangeFeed
        Where readers see the rows.
    log : logging.Logger
        Told when an end cannot be written, and when it could.
    """

    def __init__(self, opened: OpenStore, feed: ChangeFeed, log: logging.Logger) -> None:
        self._opened = opened
        self._feed = feed
        self._log = log
        self._unwritten: dict[VariantKey, Ending] = {}
        self._reason = ""
        self._wake = asyncio.Event()

    async def write(self, ending: Ending) -> None:
        """Write an end, and tell it to readers whether or not that succeeded. Never raises."""
        key, row = ending.row.key, ending.row
        try:
            written = await self._attempt(ending)
        except Exception as error:  # noqa: BLE001  kept and tried again
            self._unwritten[key] = ending
            self._reason = _told(error)
            self._log.error("docsfy_jupyter: %s is %s; %s", key.address, row.status.value, self._sentence())
            self._wake.set()
        else:
            if written is None:
                self._feed.remove(key)
                return
            row = written
        self._feed.put(row)

    async def settle(self, key: VariantKey) -> None:
        """Write the end of a variant's last run now, if that is still to be done: a new run must not overtake it.

        Raises
        ------
        StoreUnavailable
            It cannot be written yet.
        """
        ending = self._unwritten.get(key)
        if ending is None:
            return
        try:
            await self._attempt(ending)
        except Exception as error:
            self._reason = _told(error)
            raise StoreUnavailable(self._sentence()) from error
        if self._unwritten.get(key) is ending:
            del self._unwritten[key]
            self._log.warning("docsfy_jupyter: the end of the last run of %s could be written now", key.address)

    def check(self) -> None:
        """Say whether everything that ended is in the database.

        Raises
        ------
        StoreUnavailable
            With how many are not, and why.
        """
        if self._unwritten:
            raise StoreUnavailable(self._sentence())

    async def run(self) -> None:
        """Try again, for ever, with longer and longer pauses."""
        pause = _FIRST_PAUSE
        while True:
            await self._wake.wait()
            await asyncio.sleep(pause)
            pause = _FIRST_PAUSE if await self.settle_all() else min(pause * 2, _LONGEST_PAUSE)
            if not self._unwritten:
                self._wake.clear()

    async def settle_all(self) -> bool:
        """Try each once; returns whether none is left."""
        for key in tuple(self._unwritten):
            try:
                await self.settle(key)
            except StoreUnavailable:
                return False
        return True

    async def _attempt(self, ending: Ending) -> Variant | None:
        store = self._opened.store
        if store is None:
            raise StoreUnavailable("The database is not open.")
        try:
            async with asyncio.timeout(_ATTEMPT):
                return await store.end_run(ending)
        except TimeoutError:
            raise StoreUnavailable(f"The database did not answer within {_ATTEMPT:g} s.") from None

    def _sentence(self) -> str:
        ends = "the end of 1 run" if len(self._unwritten) == 1 else f"the ends of {len(self._unwritten)} runs"
        return f"The database does not have {ends} yet, it is tried again until the server stops: {self._reason}"


def _told(error: Exception) -> str:
    return error.message if isinstance(error, DocsfyError) else f"{type(error).__name__}: {error}"
