"""A real HTTP server that speaks OpenAI's chat protocol; a test says what it answers and reads what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def plan_text(pages: int) -> str:
    """Return a plan of so many pages, all about the README."""
    listed = [{"slug": f"page-{i}", "title": f"Page {i}", "description": "", "sources": ["README.md"]} for i in range(1, pages + 1)]
    return json.dumps({"project_name": "demo", "tagline": "", "navigation": [{"group": "All", "pages": listed}]})


def said(text: str, **usage: Any) -> dict[str, Any]:
    """Return a good answer."""
    counted = {"prompt_tokens": 1000, "completion_tokens": 200, **usage}
    return {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}], "usage": counted}


@dataclass
class Asked:
    """One request."""

    body: dict[str, Any]
    headers: dict[str, str]
    path: str
    at: float = field(default_factory=time.monotonic)

    @property
    def prompt(self) -> str:
        return str(self.body["messages"][0]["content"])

    @property
    def planning(self) -> bool:
        return self.prompt.startswith("Plan ") or "was planned for an earlier commit" in self.prompt

    @property
    def title(self) -> str:
        return self.prompt.split("Title: ", 1)[1].split("\n", 1)[0]


Answer = tuple[int, dict[str, str], Any]


@dataclass
class FakeChat:
    """The server, as a test sees it; `answer` may be replaced at any time."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    pages: int = 3
    answer: Callable[[FakeChat, Asked], Answer | None] = lambda _fake, _asked: None

    def respond(self, asked: Asked) -> Answer:
        """Return the test's answer, else a plan or a page."""
        given = self.answer(self, asked)
        if given is not None:
            return given
        return 200, {}, said(plan_text(self.pages) if asked.planning else f"# {asked.title}\n\nText of {asked.title}.")

    @property
    def page_calls(self) -> list[Asked]:
        return [asked for asked in self.asked if not asked.planning]

    @property
    def plan_calls(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.planning]


@contextmanager
def fake_chat() -> Iterator[FakeChat]:
    """Run the server."""
    fake = FakeChat()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked = Asked(body, dict(self.headers), self.path)
            fake.asked.append(asked)
            status, headers, data = fake.respond(asked)
            raw = data if isinstance(data, bytes) else (data if isinstance(data, str) else json.dumps(data)).encode()
            try:
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": str(len(raw)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)
            except OSError:
                pass  # whoever asked has gone

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        fake.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield fake
        server.shutdown()
        thread.join()
