"""The provider that needs no model: pages from the source itself."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from docsfy_jupyter.errors import ProviderFailed, ProviderUnavailable
from docsfy_jupyter.generation.process import child_environment
from docsfy_jupyter.generation.worker import Worker
from docsfy_jupyter.models import Plan, PlanPage
from docsfy_jupyter.providers.base import FREE, PageAnswer, PlanAnswer, PlanRequest, Provider, ProviderSession, RunContext
from docsfy_jupyter.providers.local.analysis import digest

_VERSION = "3"
# Where this package lives: the worker finds it there however it was installed.
_ROOT = Path(__file__).resolve().parents[3]


class LocalSession(ProviderSession):
    """One run; its worker starts with the first request.

    Parameters
    ----------
    context : RunContext
        The run.
    stack : AsyncExitStack
        Ends the worker.
    """

    def __init__(self, context: RunContext, stack: AsyncExitStack) -> None:
        self._context = context
        self._stack = stack
        self._worker: Worker | None = None
        self._opening = asyncio.Lock()

    async def plan(self, request: PlanRequest) -> PlanAnswer:
        """Plan the pages."""
        answer = await self._ask({"what": "plan"})
        return PlanAnswer(Plan.model_validate(answer["plan"]), FREE)

    async def write_page(self, plan: Plan, page: PlanPage) -> PageAnswer:
        """Write one page."""
        answer = await self._ask({"page": page.slug})
        return PageAnswer(answer["markdown"], tuple(answer["files"]), FREE)

    def prompt_hash(self, plan: Plan, page: PlanPage) -> str:
        """Return a hash over this provider's version; sources and fingerprint say the rest."""
        return digest("local", _VERSION, self._context.project_name, self._context.repo_url)

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        worker = await self._opened()
        return _checked(await worker.request(request, self._context.call_timeout))

    async def _opened(self) -> Worker:
        async with self._opening:
            if self._worker is None:
                context = self._context
                argv = [sys.executable, "-P", "-m", "docsfy_jupyter.providers.local.worker"]
                # -P keeps the working folder off the import path: nothing of the clone may be imported.
                env = child_environment({"PYTHONPATH": str(_ROOT), "PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8"})
                worker = await self._stack.enter_async_context(context.processes.open_worker(argv, env=env, cwd=None))
                job = {
                    "checkout": str(context.checkout), "project_name": context.project_name, "repo_url": context.repo_url,
                    "commit": context.commit, "files": [asdict(f) for f in context.files],
                }  # fmt: skip
                _checked(await worker.request({"open": job}, context.call_timeout))
                self._worker = worker
            return self._worker


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    if answer.get("error"):
        raise ProviderFailed(f"The local analysis failed: {answer['error']}")
    return answer


class LocalProvider(Provider):
    """Writes documentation from the source alone: no key, no network, the same pages for the same commit."""

    name = "local"
    default_model = "static"
    version = _VERSION
    free = True

    def check(self, model: str) -> None:
        """Refuse any model but ``static``."""
        if model != self.default_model:
            raise ProviderUnavailable(f"The local provider has no model {model!r}; its only model is 'static'.")

    def open(self, context: RunContext) -> AbstractAsyncContextManager[ProviderSession]:
        """Open a session for one run."""
        self.check(context.model)
        return _session(context)

    def describe(self) -> dict[str, Any]:
        """Say what it costs and needs."""
        return {"cost": "free", "network": False}


@asynccontextmanager
async def _session(context: RunContext) -> AsyncIterator[ProviderSession]:
    async with AsyncExitStack() as stack:
        yield LocalSession(context, stack)
