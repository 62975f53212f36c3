"""An AI that answers at once: one service that speaks the protocol of docsfy's sidecar and OpenAI's, with the same texts.

Run ``python ai_service.py PORT``. What it answers is set by ``POST /settings`` with ``{"pages": 200, "kib": 6, "latency": 0.0}``
(seconds, of pages); ``GET /busy`` tells how many calls are in work. A caller that goes away ends its call.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from dataclasses import dataclass, replace
from typing import Any

from tornado import web
from tornado.httpserver import HTTPServer

SECTION = (
    "## Part {number}\n\nWhat `part_{number}` does, in *plain* words, with a [link](https://example.invalid/{number}).\n\n"
    "```python\ndef part_{number}(value: int) -> int:\n    return value + {number}\n```\n\n"
    "| name | type |\n|---|---|\n| value | int |\n\n"
)
MODELS = [{"provider": provider, "id": "m1", "name": "M1"} for provider in ("google-vertex-claude", "google", "acpx-cursor")]


@dataclass(frozen=True)
class Wanted:
    """What is answered."""

    pages: int = 5
    kib: int = 6
    latency: float = 0.0


class Service:
    """The state of all handlers."""

    def __init__(self) -> None:
        self.wanted = Wanted()
        self.busy = 0
        self.numbers = itertools.count(1)

    def text(self, prompt: str) -> str:
        """Return a page, a plan, or of what else docsfy asks an empty list or object."""
        if wants_page(prompt):
            sections = max(1, self.wanted.kib * 1024 // len(SECTION))
            return "# A page\n\n" + "".join(SECTION.format(number=number) for number in range(sections))
        if '"navigation"' in prompt or prompt.startswith("Plan "):
            return plan(self.wanted.pages)
        return "[]" if "array" in prompt[-1500:].lower() else "{}"


def wants_page(prompt: str) -> bool:
    """Whether a page is wanted, by docsfy or by us."""
    return "Start the page with exactly this first line" in prompt or "\nTitle: " in prompt


def plan(pages: int) -> str:
    """Return a plan with ten pages in a group."""
    made = [
        {"slug": f"page-{n}", "title": f"Page {n}", "description": "About it.", "type": "guide", "sources": ["README.md"]}
        for n in range(1, pages + 1)
    ]
    groups = [{"group": f"Group {first}", "pages": made[first : first + 10]} for first in range(0, pages, 10)]
    return json.dumps({"project_name": "big", "tagline": "Many parts.", "navigation": groups})


class Answering(web.RequestHandler):
    """Base: JSON in and out."""

    def initialize(self, service: Service) -> None:
        self.service = service
        self.gone = asyncio.Event()

    def on_connection_close(self) -> None:
        self.gone.set()

    async def answer(self, prompt: str) -> str | None:
        """Return the text after the latency; None when the caller has gone."""
        self.service.busy += 1
        try:
            if self.service.wanted.latency and wants_page(prompt):
                async with asyncio.timeout(self.service.wanted.latency):
                    await self.gone.wait()
                return None
        except TimeoutError:
            pass
        finally:
            self.service.busy -= 1
        return self.service.text(prompt)


class Prompt(Answering):
    """docsfy's: a message of a session."""

    async def post(self, _session: str) -> None:
        text = await self.answer(json.loads(self.request.body)["message"])
        if text is not None:
            self.finish({"text": text, "usage": {"input_tokens": 10, "output_tokens": 10, "cost_usd": 0.0}})


class Chat(Answering):
    """OpenAI's: a chat."""

    async def post(self) -> None:
        messages: list[dict[str, Any]] = json.loads(self.request.body)["messages"]
        text = await self.answer(messages[-1]["content"])
        if text is not None:
            choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            self.finish({"choices": [choice], "usage": {"prompt_tokens": 10, "completion_tokens": 10}})


class Told(Answering):
    """What is answered without thought."""

    def get(self, *_: str) -> None:
        told: dict[str, dict[str, Any]] = {
            "busy": {"busy": self.service.busy},
            "models": {"models": MODELS, "data": [{"id": "m1"}]},
            "health": {"status": "ok"},
        }
        self.finish(told[self.request.path.rpartition("/")[2]])

    def post(self, *_: str) -> None:
        if self.request.path == "/settings":
            self.service.wanted = replace(Wanted(), **json.loads(self.request.body))
        self.finish({"session_id": f"s{next(self.service.numbers)}", "models": MODELS, "ok": True})

    def delete(self, *_: str) -> None:
        self.finish({"ok": True})


async def main(port: int) -> None:
    """Serve until the process ends."""
    shared = {"service": Service()}
    routes: list[tuple[str, type[Answering], dict[str, Service]]] = [
        (r"/sessions/([^/]+)/prompt", Prompt, shared),
        (r"/v1/chat/completions", Chat, shared),
        (r"/sessions(?:/.*)?|/(?:v1/)?models(?:/refresh)?|/health|/busy|/settings", Told, shared),
    ]
    HTTPServer(web.Application(routes), max_body_size=64 << 20).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
