"""Requests as bytes on a socket: how many a second a server answers, and how long one answer is."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def request_bytes(url: str, headers: Mapping[str, str]) -> bytes:
    """Return a GET request as it goes over the line."""
    parts = urlsplit(url)
    lines = [f"GET {parts.path}{f'?{parts.query}' if parts.query else ''} HTTP/1.1", f"Host: {parts.netloc}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


def whole_answer(buffer: bytes) -> int | None:
    """Return the length of the answer at the begin of a buffer, None as long as it is not whole."""
    head = buffer.find(b"\r\n\r\n")
    if head < 0:
        return None
    found = _LENGTH.search(buffer, 0, head)
    size = head + 4 + (int(found[1]) if found else 0)
    return size if len(buffer) >= size else None


@dataclass
class Load:
    """What a load found.

    Parameters
    ----------
    rate : float
        Answers a second.
    seconds : list of float
        How long each took, sorted.
    """

    rate: float
    seconds: list[float] = field(default_factory=list)


class _Asking(asyncio.Protocol):
    """One connection that asks again as soon as it was answered."""

    def __init__(self, request: bytes, until: float, seconds: list[float]) -> None:
        self._request, self._until, self._seconds = request, until, seconds
        self._buffer = b""
        self._began = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if whole_answer(self._buffer) is None:
            return
        status = self._buffer[9:12]
        self._buffer = b""
        now = time.perf_counter()
        self._seconds.append(now - self._began)
        if status not in (b"200", b"304"):
            self._end(f"answered {status!r}")
        elif now >= self._until:
            self._end(None)
        else:
            self._ask()

    def connection_lost(self, _error: Exception | None) -> None:
        self._end("closed the connection")

    def _end(self, fault: str | None) -> None:
        if not self.ended.done():
            if fault:
                self.ended.set_exception(RuntimeError(f"the server {fault}"))
            else:
                self.ended.set_result(None)
        self._transport.close()


def loaded(url: str, headers: Mapping[str, str], connections: int = 8, seconds: float = 1.0) -> Load:
    """Ask a server from so many connections at once, for so long."""

    async def ask() -> Load:
        parts = urlsplit(url)
        took: list[float] = []
        began = time.perf_counter()
        loop = asyncio.get_running_loop()
        request = request_bytes(url, headers)
        made = [
            await loop.create_connection(lambda: _Asking(request, began + seconds, took), parts.hostname, parts.port)
            for _ in range(connections)
        ]
        await asyncio.gather(*(protocol.ended for _, protocol in made))
        return Load(len(took) / (time.perf_counter() - began), sorted(took))

    return asyncio.run(ask())


def answer(url: str, headers: Mapping[str, str]) -> tuple[int, bytes, bytes]:
    """Return status, head and body of one answer, as they came."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    with socket.create_connection((parts.hostname, parts.port), timeout=120) as line:
        line.sendall(request_bytes(url, headers))
        buffer = b""
        while whole_answer(buffer) is None:
            data = line.recv(1 << 20)
            assert data, "the server closed the connection"
            buffer += data
    head, _, body = buffer.partition(b"\r\n\r\n")
    return int(head[9:12]), head + b"\r\n\r\n", body


def header(head: bytes, name: str) -> str:
    """Return a header of an answer; empty where there is none."""
    found = re.search(rf"\r\n{name}: *([^\r]*)".encode(), head, re.IGNORECASE)
    return found[1].decode() if found else ""
