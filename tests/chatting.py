"""A manager with a provider that asks the fake chat server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fake_chat_api import FakeChat
from recording import running

from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.providers.ai.openai import OpenAIProvider
from docsfy_jupyter.providers.ai.openai_server import OpenAIServer

KEY = "sk-test-0123456789abcdef"


@asynccontextmanager
async def with_chat(chat: FakeChat, folder: Path, calls: int = 8, limits: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[Manager]:
    """A manager whose provider `chat` asks the fake."""
    server = OpenAIServer(base_url=chat.url, **options)
    async with running(folder, **(limits or {})) as manager:
        manager.providers._makers["chat"] = lambda: OpenAIProvider("chat", server, calls)
        yield manager
