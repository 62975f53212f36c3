"""A thread that works off calls one after the other. It is a daemon: a disk that hangs cannot keep the server from ending."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from docsfy_jupyter.errors import StoreUnavailable

T = TypeVar("T")


@dataclass(frozen=True)
class _Call:
    work: Callable[[], Any]
    answer: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop

    def settle(self, result: Any, error: BaseException | None) -> None:
        """Hand the outcome over to whoever waits, if anybody still does."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self.loop.call_soon_threadsafe(self._settle, result, error)

    def _settle(self, result: Any, error: BaseException | None) -> None:
        if self.answer.done():
            return
        if error is None:
            self.answer.set_result(result)
        else:
            self.answer.set_exception(error)


class SerialThread:
    """Runs what it is given, in order. When the thread itself dies, every call that waits fails, and the next one starts it anew.

    Parameters
    ----------
    name : str
        Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._guard = threading.Lock()
        self._calls: queue.SimpleQueue[_Call | None] | None = None

    async def call(self, work: Callable[[], T]) -> T:
        """Run ``work`` after what was asked for before it; a waiter that is cancelled does not stop the work.

        Raises
        ------
        StoreUnavailable
            The thread died before or while it did this.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        with self._guard:
            if self._calls is None:
                self._calls = queue.SimpleQueue()
                threading.Thread(target=self._run, args=(self._calls,), name=self._name, daemon=True).start()
            self._calls.put(_Call(work, answer, loop))
        return await answer

    def end(self) -> None:
        """Let the thread end after what it was given."""
        with self._guard:
            if self._calls is not None:
                self._calls.put(None)
                self._calls = None

    def _run(self, calls: queue.SimpleQueue[_Call | None]) -> None:
        while (call := calls.get()) is not None:
            try:
                call.settle(call.work(), None)
            except Exception as error:  # noqa: BLE001  it belongs to the caller
                call.settle(None, error)
            except BaseException as error:  # noqa: BLE001  an end of the thread that nobody asked for
                self._died(calls, call, error)
                return
            del call  # or what it was about, and its answer, would stay until the next one

    def _died(self, calls: queue.SimpleQueue[_Call | None], call: _Call, error: BaseException) -> None:
        """Fail the call at hand and those behind it: nobody is left who would work them off."""
        with self._guard:
            if self._calls is calls:
                self._calls = None
        waiting: _Call | None = call
        while True:
            if waiting is not None:
                waiting.settle(None, StoreUnavailable(f"The database's thread {self._name} died ({type(error).__name__})."))
            try:
                waiting = calls.get_nowait()
            except queue.Empty:
                return
