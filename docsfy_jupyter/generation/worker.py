"""A long-lived child that answers lines of JSON."""

from __future__ import annotations

import asyncio
import itertools
import json
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psutil

from docsfy_jupyter.errors import ChildError, ChildTimeout
from docsfy_jupyter.generation.killing import off_loop, until

_CHUNK = 256 * 1024
_LARGE = 1024 * 1024
_TAIL = 8192
_UNFIT = {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD, psutil.STATUS_STOPPED}


class Worker:
    """One child and its pending requests. Made by `Processes.open_worker`, which also kills it.

    Parameters
    ----------
    process : asyncio.subprocess.Process
        With pipes on all three streams.
    name : str
        For messages.
    """

    def __init__(self, process: Process, name: str) -> None:
        self._process = process
        self._name = name
        self._ids = itertools.count(1)
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tail = b""
        self._error_reader = asyncio.ensure_future(self._read_stderr())
        self._reader = asyncio.ensure_future(self._read_stdout())
        self._dead = False

    @property
    def fit(self) -> bool:
        """Whether it lives and is not stopped: what the loop has not been told yet the system knows."""
        if self._dead or self._process.returncode is not None:
            return False
        with suppress(psutil.Error):
            return psutil.Process(self._process.pid).status() not in _UNFIT
        return False

    async def request(self, obj: Mapping[str, Any], timeout: float | None = None) -> dict[str, Any]:
        """Send one object and return its answer, the line with the same ``id``.

        Parameters
        ----------
        obj : mapping
            JSON-able; its ``id`` is set here. Text with lone surrogates survives (it is escaped).
        timeout : float, optional
            Seconds to wait for the answer.

        Raises
        ------
        ChildError
            The child is dead or dies; the message ends with what it said on stderr.
        ChildTimeout
            No answer in time; the child goes on.
        """
        if self._dead or self._process.stdin is None:
            raise self._death()
        if not self._pending:
            self._tail = b""  # what was said about earlier requests is nothing to this one
        number = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[number] = answer
        try:
            async with asyncio.timeout(timeout):
                self._process.stdin.write(json.dumps({**obj, "id": number}).encode("ascii") + b"\n")
                with suppress(ConnectionError):  # a dead child is reported by the reader, with its last words
                    await self._process.stdin.drain()
                return await answer
        except TimeoutError:
            raise ChildTimeout(f"{self._name} did not answer in {timeout:g} s") from None
        finally:
            self._pending.pop(number, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # it was seen, whether or not somebody still waited

    async def aclose(self) -> None:
        """Stop reading; the child is dead by now."""
        for reader in (self._reader, self._error_reader):
            reader.cancel()
        await asyncio.gather(self._reader, self._error_reader, return_exceptions=True)
        self._fail_pending()

    async def _read_stdout(self) -> None:
        """Cut the output into lines of any length: StreamReader.readline() has a limit."""
        parts: list[bytes] = []
        stream = self._process.stdout
        try:
            while stream is not None and (chunk := await stream.read(_CHUNK)):
                *lines, rest = chunk.split(b"\n")
                for line in lines:
                    await self._settle(b"".join([*parts, line]))
                    parts = []
                if rest:
                    parts.append(rest)
        finally:
            self._dead = True
        with suppress(TimeoutError):  # the reason comes on the other pipe, perhaps a little later
            async with asyncio.timeout(1.0):
                await asyncio.shield(self._error_reader)
                # asyncio's wait() would wait for the pipe to the child as well
                await until(lambda: self._process.returncode is not None, 1.0)
        self._fail_pending()

    async def _settle(self, line: bytes) -> None:
        try:
            answer = await off_loop(lambda: json.loads(line)) if len(line) > _LARGE else json.loads(line)
            number = answer["id"]
        except (ValueError, KeyError, TypeError, RecursionError):
            self._keep(line + b"\n")  # a stray print is no answer, but may say why none comes
            return
        future = self._pending.get(number)
        if future is not None and not future.done():
            future.set_result(answer)

    async def _read_stderr(self) -> None:
        stream = self._process.stderr
        while stream is not None and (chunk := await stream.read(_CHUNK)):
            self._keep(chunk)

    def _keep(self, chunk: bytes) -> None:
        self._tail = (self._tail + chunk)[-_TAIL:]

    def _fail_pending(self) -> None:
        self._dead = True
        for future in self._pending.values():
            if not future.done():
                future.set_exception(self._death())

    def _death(self) -> ChildError:
        said = self._tail.decode("utf-8", "replace").strip()
        code = self._process.returncode
        ended = "ended" if code is None else f"ended with exit code {code}"
        return ChildError(f"{self._name} {ended}{': ' + said if said else ' without a word'}")
