"""The server's store: opened in the background, again and again while another process holds it, and recovered before use."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil

from docsfy_jupyter.errors import DocsfyError, StoreUnavailable
from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.generation.folders import VariantFolder
from docsfy_jupyter.generation.leftovers import end_leftovers
from docsfy_jupyter.generation.publishing import published_end, tidy
from docsfy_jupyter.generation.settings import Settings
from docsfy_jupyter.models import SERVER_RESTARTED, Stage, Status, Variant
from docsfy_jupyter.store.records import Ending
from docsfy_jupyter.store.store import Store

_RETRY = 1.0
_PATIENCE = 30.0


class OpenStore:
    """Opens the store and fills the feed.

    Parameters
    ----------
    settings : Settings
        Says where.
    feed : ChangeFeed
        Gets every row once recovery has ended.
    log : logging.Logger
        Told loudly of whatever was damaged.
    instance : str
        First part of the mark of this server's children.

    Attributes
    ----------
    opened : asyncio.Event
        Set once the store is open and the feed is filled.
    """

    def __init__(self, settings: Settings, feed: ChangeFeed, log: logging.Logger, instance: str) -> None:
        self._instance = instance
        self.store: Store | None = None
        self._settings = settings
        self._feed = feed
        self._log = log
        self._problem: DocsfyError | None = StoreUnavailable("The database is being opened; try again in a moment.")
        self.opened = asyncio.Event()
        self._tried = asyncio.Event()  # a first attempt has ended, well or not

    async def ready(self) -> Store:
        """Return the store once recovery has ended.

        Raises
        ------
        StoreUnavailable
            The database is held by another process or cannot be opened; it is tried again.
        """
        if not self._tried.is_set():  # every request asks, and a time limit takes as long as the answer to some
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._tried.wait()
        if self.store is None:
            raise self._problem or StoreUnavailable("The database is not open.")
        return self.store

    async def run(self) -> None:
        """Open it, however long that takes."""
        while self.store is None:
            try:
                store = await Store.open(self._settings.data_dir)
                await self._recover(store)
                self.store, self._problem = store, None
                self.opened.set()
            except StoreUnavailable as error:
                await self._wait(error)
            except Exception as error:  # noqa: BLE001  told to every caller and to the log, and tried again
                await self._wait(StoreUnavailable(f"The database could not be opened ({type(error).__name__}: {error})."))
        self._tried.set()

    async def _wait(self, error: StoreUnavailable) -> None:
        if self._problem is None or self._problem.message != error.message:
            self._log.warning("docsfy_jupyter: %s", error.message)
        self._problem = error
        self._tried.set()
        await asyncio.sleep(_RETRY)

    async def close(self) -> None:
        """Close it; a second call does nothing."""
        if self.store is not None:
            try:
                await self.store.close()
            except StoreUnavailable as error:
                self._log.error("docsfy_jupyter: %s", error.message)

    async def _recover(self, store: Store) -> None:
        try:
            for notice in store.notices:
                self._log.error("docsfy_jupyter: %s", notice)
            await self._end_leftovers()
            orphans = await store.recover(SERVER_RESTARTED, self._published, self._recounted)
            if cut_off := sum(row.status is Status.ERROR for row in orphans):
                self._log.warning("docsfy_jupyter: %d runs were cut off by a restart; their rows say so", cut_off)
            if published := len(orphans) - cut_off:
                self._log.warning("docsfy_jupyter: %d runs had published their sites before a restart; they are ready", published)
            rows = await store.load_variants()
            await asyncio.to_thread(self._discard_unfinished, rows)
        except BaseException:
            with contextlib.suppress(StoreUnavailable):
                await store.close()
            raise
        for row in rows:
            self._feed.put(row)
        for row in orphans:
            self._feed.on_status(row)

    async def _end_leftovers(self) -> None:
        """End the children of a server that was killed together with its watcher: the database's lock says that it is gone."""
        try:
            ended = await asyncio.to_thread(end_leftovers, self._settings.data_dir / "docsfy.children", self._instance)
        except OSError as error:
            self._log.warning("docsfy_jupyter: should this server be killed, its children may outlive it: %s", error)
            return
        if ended:
            self._log.warning("docsfy_jupyter: %d processes that a killed server had left were ended", ended)

    def _published(self, row: Variant) -> Ending | None:
        """Return the end of a run whose server was killed between the publication of its site and its last row."""
        folder = VariantFolder(self._settings.data_dir, row.key)
        kept = published_end(folder, row)
        if kept is None:
            return None
        tidy(folder, kept.manifest, self._log)
        return kept.ending

    def _recounted(self, row: Variant) -> Variant:
        """Count the pages of a run that was cut off: the last ones came after the last write of its row."""
        plan = row.plan()
        if plan is None or row.current_stage not in (Stage.GENERATING_PAGES, Stage.RENDERING):
            return row
        folder = VariantFolder(self._settings.data_dir, row.key)
        known = folder.load_plan()
        if known is None or known.generation_id != row.generation_id:
            return row
        return row.changed(page_count=len(folder.cached(known.keys) & {page.slug for page in plan.pages()}))

    def _discard_unfinished(self, rows: list[Variant]) -> None:
        """Remove what a killed server left half done: clones, sites, files written aside. Nothing runs yet."""
        shutil.rmtree(self._settings.scratch, ignore_errors=True)
        for row in rows:
            try:
                VariantFolder(self._settings.data_dir, row.key).discard_unfinished()
            except OSError:  # of one variant; the others are to be had all the same
                self._log.exception("docsfy_jupyter: tidying up the files of %s failed", row.key.address)
