"""Workers that outlive a request: who starts a Python for every small job pays mostly for its imports."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from docsfy_jupyter.errors import ChildError, ChildTimeout
from docsfy_jupyter.generation.process import Processes, child_environment
from docsfy_jupyter.generation.worker import Worker
from docsfy_jupyter.processors import usable_processors

IDLE = 20.0  # seconds: what a person does next comes sooner; later nobody who looks at the machine is to find them


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

    def __init__(self, processes: Processes, argv: Sequence[str], most: int, idle: float) -> None:
        self._processes = processes
        self._argv = argv
        self._room = asyncio.Semaphore(most)
        self._idle_seconds = idle
        self._idle: dict[Worker, tuple[AsyncExitStack, asyncio.TimerHandle]] = {}
        self._ends: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def free(self) -> bool:
        """Whether a request would be begun at once."""
        return not self._room.locked()

    async def request(self, obj: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Have a worker answer; one that fails, or whose answer is not awaited to the end, is dead afterwards.

        Parameters
        ----------
        obj : mapping
            JSON-able.
        timeout : float
            Seconds until a worker must be free, and then for its answer.

        Raises
        ------
        ChildError, ChildTimeout, ChildNotStarted
            With a sentence for people.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._room.acquire()
        except TimeoutError:
            raise ChildTimeout(f"All workers were busy for {timeout:g} s") from None
        try:
            return await self._answer(obj, timeout)
        except ChildError as error:
            if self._closed:
                raise ChildError("It was stopped because the server is shutting down") from error
            raise
        finally:
            self._room.release()

    async def _answer(self, obj: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        worker, ends = await self._taken()
        again = False
        try:
            answer = await worker.request(obj, timeout)
            again = not answer.pop("last", False) and not self._closed
        finally:
            if again:
                timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._expire, worker)
                self._idle[worker] = ends, timer
            else:
                await ends.aclose()
        return answer

    async def aclose(self) -> None:
        """End the idle ones, and wait for those that are ending; the others end with their requests."""
        self._closed = True
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
            await ends.aclose()
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
        """Return the pools: with more workers than processors, so that a site that takes minutes holds up no other."""
        most = max(4, 2 * usable_processors())
        python = [sys.executable, "-P", "-m"]  # -P keeps the working folder off the import path
        return cls(
            WorkerPool(processes, [*python, "docsfy_jupyter.site.worker"], most, IDLE),
            WorkerPool(processes, [*python, "docsfy_jupyter.verification.worker"], most, IDLE),
        )

    async def aclose(self) -> None:
        """End the idle ones."""
        await asyncio.gather(self.renderers.aclose(), self.checkers.aclose())
