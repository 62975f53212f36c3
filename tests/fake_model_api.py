"""The vendors' model servers on loopback, so that their real programs run end to end without a key.

Speaks what `claude` 2.1 and `gemini` 0.61 ask: Anthropic's ``POST /v1/messages`` and Google's ``…:generateContent``, streamed and
whole, with usage. It plans when it is asked for a plan and writes the page whose title stands in the prompt; before that it
does what it was told for that turn: an HTTP status (an error), ``"hang"``, ``"cut"`` (half an answer, the other half being too
much), or a `Tool` that the agent is to use.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fake_agent import plan_text

KINDS = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}
CUT = "# Half a page\n\nIt ends in the middle of a"
TOKENS = {"input_tokens": 1000, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 200, "output_tokens": 500}


@dataclass(frozen=True)
class Tool:
    """A tool that the model asks the agent to use."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One request of a program; `told` is what tools answered before it."""

    path: str
    turn: str
    body: dict[str, Any]
    headers: dict[str, str]
    told: tuple[str, ...]

    @property
    def tools(self) -> set[str]:
        """The names of the tools that the model may use."""
        return set(re.findall(r'"name": "(\w+)"', json.dumps(self.body.get("tools", []))))


@dataclass
class ModelApi:
    """A running fake: what it was asked, and what it does for a turn (``plan`` or a page's title) before it answers."""

    url: str = ""
    pages: int = 2
    acts: dict[str, list[int | str | Tool]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def turns(self) -> list[str]:
        """Return what was asked about, sorted, each once."""
        return sorted({asked.turn for asked in self.asked})

    def next_act(self, asked: Asked) -> int | str | Tool:
        """Note a request; return what to do: in the end, the text of the answer."""
        with self._lock:
            self.asked.append(asked)
            acts = self.acts.get(asked.turn) or []
            if acts:
                return acts.pop(0) if acts[0] != "hang" else "hang"
        return plan_text(self.pages) if asked.turn == "plan" else f"# {asked.turn}\n\nText of {asked.turn} by the model.\n"


class Handler(BaseHTTPRequestHandler):
    """One connection of a program."""

    protocol_version = "HTTP/1.1"
    api: ModelApi

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer that somebody is here."""
        self._send(200, b"")

    def do_GET(self) -> None:
        """Know nothing of what a program asks beside the model."""
        self._send(404, b"{}")

    def do_POST(self) -> None:
        """Play the model."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        google = "enerateContent" in self.path
        if not google and not self.path.startswith("/v1/messages"):
            self._send(200, b"{}")
            return
        prompt, told = _google_words(body) if google else _anthropic_words(body)
        title = re.search(r"^Title: (.*)$", prompt, re.MULTILINE)
        turn = title[1] if title else "plan" if "Plan the documentation" in prompt else "aside"
        act = self.api.next_act(Asked(self.path, turn, body, dict(self.headers), tuple(told)))
        if act == "hang":
            self.api.released.wait(120)
            self.close_connection = True
            return
        act = CUT if act == "cut" else act
        if isinstance(act, int):
            self._send(
                act, json.dumps({"type": "error", "error": {"type": KINDS.get(act, "error"), "message": f"fake {act}"}}).encode()
            )
        elif google:
            self._google(act)
        else:
            self._anthropic(act, body)

    def _anthropic(self, act: str | Tool, body: dict[str, Any]) -> None:
        if isinstance(act, Tool):
            block: dict[str, Any] = {
                "type": "tool_use",
                "id": f"toolu_{len(self.api.asked)}",
                "name": act.name,
                "input": act.arguments,
            }
            start, delta = block | {"input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(act.arguments)}
        else:
            block = {"type": "text", "text": act}
            start, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": act}
        reason = "tool_use" if isinstance(act, Tool) else "max_tokens" if act == CUT else "end_turn"
        stop = {"stop_reason": reason, "stop_sequence": None}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body.get("model"), "usage": TOKENS}
        if not body.get("stream"):
            self._send(200, json.dumps({**message, **stop, "content": [block]}).encode())
            return
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": {**message, "content": [], "stop_reason": None, "stop_sequence": None}},
            {"type": "content_block_start", "index": 0, "content_block": start},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": stop, "usage": TOKENS},
            {"type": "message_stop"},
        ]
        self._send(200, "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode(), "text/event-stream")

    def _google(self, act: str | Tool) -> None:
        part = {"functionCall": {"name": act.name, "args": act.arguments}} if isinstance(act, Tool) else {"text": act}
        reason = "MAX_TOKENS" if act == CUT else "STOP"
        answer = {
            "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": reason, "index": 0}],
            "usageMetadata": {
                "promptTokenCount": 1300,
                "cachedContentTokenCount": 200,
                "candidatesTokenCount": 480,
                "thoughtsTokenCount": 20,
                "totalTokenCount": 1800,
            },
            "modelVersion": "fake",
        }
        if "stream" in self.path:
            self._send(200, f"data: {json.dumps(answer)}\n\n".encode(), "text/event-stream")
        else:
            self._send(200, json.dumps(answer).encode())

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status >= 400:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of programs that were killed in mid-call."""


@contextmanager
def fake_model_api() -> Iterator[ModelApi]:
    """Serve until the end of the context."""
    api = ModelApi()
    with _Server(("127.0.0.1", 0), type("Bound", (Handler,), {"api": api})) as server:
        api.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield api
        finally:
            api.released.set()
            server.shutdown()
            thread.join()


def _anthropic_words(body: dict[str, Any]) -> tuple[str, list[str]]:
    words, told = [], []
    for message in body.get("messages", []):
        content = message["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if block["type"] == "tool_result":
                told.append(json.dumps(block["content"]))
            elif message["role"] == "user":
                words.append(block.get("text", ""))
    return "\n".join(words), told


def _google_words(body: dict[str, Any]) -> tuple[str, list[str]]:
    parts = [part for content in body.get("contents", []) for part in content.get("parts", [])]
    told = [json.dumps(part["functionResponse"]["response"]) for part in parts if "functionResponse" in part]
    return "\n".join(part.get("text", "") for part in parts), told
