"""Pages that are done are rendered while the provider writes others, so that little is left to do after the last one."""

from __future__ import annotations

import asyncio
from types import TracebackType

from docsfy_jupyter.generation.folders import VariantFolder
from docsfy_jupyter.generation.killing import settled
from docsfy_jupyter.generation.workers import WorkerPool
from docsfy_jupyter.models import Plan, PlanPage
from docsfy_jupyter.site.jobs import AheadJob, ahead_to_data

_WORTH = 8  # pages: fewer take less than a worker's start does
_AT_ONCE = 8  # pages: the end of the last ones is waited for
_LONGEST = 120.0  # seconds that they may take
_PATIENCE = 10.0  # seconds that the run waits for them after its last page


class PagesAhead:
    """Has the pages of one run rendered in the background; leaving the context waits for those in work, or ends them.

    Parameters
    ----------
    renderers : WorkerPool
        Do it.
    folder : VariantFolder
        The variant's files.
    plan : Plan
        All its pages.
    keys : dict
        Slug to cache key.
    """

    def __init__(self, renderers: WorkerPool, folder: VariantFolder, plan: Plan, keys: dict[str, str]) -> None:
        self._renderers, self._folder, self._keys = renderers, folder, keys
        self._slugs = [page.slug for page in plan.pages()]
        self._waiting: list[PlanPage] = []
        self._work: asyncio.Task[None] | None = None
        self._over = False  # nothing more is begun

    def add(self, page: PlanPage) -> None:
        """Take a page whose text is in the cache now."""
        self._waiting.append(page)
        idle = self._work is None or self._work.done()
        if idle and self._next():
            self._work = asyncio.create_task(self._render())

    async def __aenter__(self) -> PagesAhead:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over = True
        if self._work is None:
            return
        try:
            if error is None:
                await asyncio.wait([self._work], timeout=_PATIENCE)
        finally:
            self._work.cancel()
            await settled(self._work)

    async def _render(self) -> None:
        try:
            while self._next():
                pages, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                job = await asyncio.to_thread(self._job, pages)
                await self._renderers.request({"ahead": ahead_to_data(job)}, _LONGEST)
        except Exception:  # noqa: BLE001  whatever it is, the rendering of the site meets it too and tells it
            self._over = True

    def _next(self) -> bool:
        """Whether there are pages to be rendered and somebody who is free to do it: others' sites come first."""
        return not self._over and len(self._waiting) >= _WORTH and self._renderers.free

    def _job(self, pages: list[PlanPage]) -> AheadJob:
        folder, keys = self._folder, {page.slug: self._keys[page.slug] for page in pages}
        images = {path: folder.images / blob for key in keys.values() for path, blob in folder.page_images(key).items()}
        return AheadJob(pages, {slug: folder.page(key) for slug, key in keys.items()}, images, self._slugs, folder.written)
