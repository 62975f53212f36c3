"""A way to a server that counts what goes through it, and that can be cut."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "host", "accept-encoding", "server", "date"}


@dataclass
class Relay:
    """Hands requests on to `target`, and notes each as (time, method, path, status)."""

    target: str
    url: str = ""
    cut: bool = False  # while it is, no request is answered
    decodes: bool = False  # hands on %2F in a path as a slash, as some proxies do, and Host as Jupyter wants of all
    held: threading.Event = field(default_factory=threading.Event)  # while it is not set, answers wait
    requests: list[tuple[float, str, str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.held.set()

    def count(self, method: str = "GET", path: str = "/docsfy/api/variant") -> int:
        return len(self.times(method, path))

    def times(self, method: str = "GET", path: str = "/docsfy/api/variant") -> list[float]:
        return [at for at, verb, where, _ in self.requests if verb == method and where.split("?")[0].endswith(path)]

    def hand_on(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in _HOP}
        at = time.monotonic()
        if self.cut:
            self.requests.append((at, handler.command, handler.path, 0))
            handler.close_connection = True
            return
        path, mark, query = handler.path.partition("?")
        if self.decodes:
            path = re.sub("%2F", "/", path, flags=re.IGNORECASE)
            headers["Host"] = handler.headers["Host"]
        url = self.target.rstrip("/") + path + mark + query
        answer = httpx.request(handler.command, url, content=body, headers=headers, timeout=60, trust_env=False)
        self.requests.append((at, handler.command, handler.path, answer.status_code))
        self.held.wait(30)
        handler.send_response(answer.status_code)
        for name, value in answer.headers.multi_items():
            if name.lower() not in _HOP:
                handler.send_header(name, value)
        if answer.status_code != 304:
            handler.send_header("Content-Length", str(len(answer.content)))
        handler.end_headers()
        handler.wfile.write(answer.content)


@contextmanager
def relay_to(target: str) -> Iterator[Relay]:
    """Stand between clients and the server at `target`, whose base URL is ``/``."""
    relay = Relay(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            relay.hand_on(self)

        do_GET = do_POST = do_DELETE = handle_one

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="relay", daemon=True)
        thread.start()
        relay.url = f"http://127.0.0.1:{server.server_address[1]}/"
        yield relay
        relay.held.set()
        server.shutdown()
        thread.join(10)
