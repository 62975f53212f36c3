"""Workers that outlive a request: who starts a Python for every small job pays mostly for its imports."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from docsfy_jupyter.generation.killing import unbroken
from docsfy_jupyter.generation.process import Processes, child_environment
from docsfy_jupyter.generation.worker import Worker

_IDLE = 3.0  # seconds: runs of a batch follow each other faster, and nobody who looks at the machine later finds them


class WorkerPool:
    """Children of one kind, each given one request at a time; an idle one waits a little for the next.

    Parameters
    ----------
    processes : Processes
        Starts and kills them.
    argv : sequence of str
        A program that answers lines of JSON, see `docsfy_jupyter.lines`.
    most : int
        How many there are at once; further requests wait.
    idle : float
        Seconds that one is kept without a request.
    """

    def __init__(self, processes: Processes, argv: Sequence[str], most: int, idle: float = _IDLE) -> None:
        self._processes = processes
        self._argv = argv
        self._room = asyncio.Semaphore(most)
        self._idle_seconds = idle
        self._idle: dict[Worker, tuple[AsyncExitStack, asyncio.TimerHandle]] = {}
        self._ends: set[asyncio.Task[None]] = set()

    async def request(self, obj: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Have a worker answer; one that fails, or whose answer is not awaited to the end, is dead afterwards.

        Parameters
        ----------
        obj : mapping
            JSON-able.
        timeout : float
            Seconds for the answer, once a worker is free.

        Raises
        ------
        ChildError, ChildTimeout, ChildNotStarted
            With a sentence for people.
        """
        async with self._room:
            worker, ends = await self._taken()
            answered = False
            try:
                answer = await worker.request(obj, timeout)
                answered = not answer.pop("last", False)
            finally:
                if answered:
                    timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._expire, worker)
                    self._idle[worker] = ends, timer
                else:
                    await _ended(ends)
            return answer

    async def aclose(self) -> None:
        """End the idle ones, and wait for those that are ending."""
        for worker in tuple(self._idle):
            self._expire(worker)
        await asyncio.gather(*self._ends, return_exceptions=True)

    async def _taken(self) -> tuple[Worker, AsyncExitStack]:
        """Take the worker that was idle last, or start one."""
        while self._idle:
            worker, (ends, timer) = self._idle.popitem()
            timer.cancel()
            if worker.fit:
                return worker, ends
            await _ended(ends)
        ends = AsyncExitStack()
        return await ends.enter_async_context(self._processes.open_worker(self._argv, env=child_environment())), ends

    def _expire(self, worker: Worker) -> None:
        ends, timer = self._idle.pop(worker)
        timer.cancel()
        end = asyncio.create_task(ends.aclose())
        self._ends.add(end)
        end.add_done_callback(self._ends.discard)


@dataclass(frozen=True)
class Workers:
    """The pools of a server.

    Parameters
    ----------
    renderers, checkers : WorkerPool
        Of sites; of pages against their repository.
    """

    renderers: WorkerPool
    checkers: WorkerPool

    @classmethod
    def of(cls, processes: Processes) -> Workers:
        """Return the pools; more workers than processors would only wait for each other."""
        most = max(2, os.cpu_count() or 1)
        python = [sys.executable, "-P", "-m"]  # -P keeps the working folder off the import path
        return cls(
            WorkerPool(processes, [*python, "docsfy_jupyter.site.worker"], most),
            WorkerPool(processes, [*python, "docsfy_jupyter.verification.worker"], most),
        )

    async def aclose(self) -> None:
        """End the idle ones."""
        await self.renderers.aclose()
        await self.checkers.aclose()


async def _ended(ends: AsyncExitStack) -> None:
    _, cancelled = await unbroken(ends.aclose())
    if cancelled:
        raise asyncio.CancelledError
