"""Cursor's command line, `cursor-agent` or `agent`; after its published documentation of 2026, not tried: it has no free key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docsfy_jupyter.providers.ai.agent_cli import MODEL, AgentCliProvider, Reply, count, total
from docsfy_jupyter.providers.ai.answers import failure_of
from docsfy_jupyter.providers.base import Usage


class CursorProvider(AgentCliProvider):
    """Cursor's agent in print mode, and in mode ``ask``: print mode alone edits files of its folder without being asked.

    The folder must be trusted; its ``.cursor/`` (rules, servers to start, commands to run) is set aside.
    """

    name = "cursor"
    default_model = "auto"
    # the longer name first: other programs are called "agent" too
    programs = ("cursor-agent", "agent")
    arguments = ("--print", "--trust", "--output-format", "json", "--mode", "ask", "--model", MODEL)
    variables = ("CURSOR_API_KEY", "CURSOR_CONFIG_DIR")
    billed_by = ("CURSOR_API_KEY",)
    set_aside = (".cursor", ".cursorrules")
    install = "Install it as https://cursor.com/docs/cli tells; set CURSOR_API_KEY, or log in once with `cursor-agent login`"
    suggested = ("auto",)

    def read(self, envelope: Mapping[str, Any], env: Mapping[str, str]) -> Reply:
        """Read ``result``, unless ``is_error`` says that it is none; the program tells tokens and no price."""
        text = str(envelope.get("result") or "")
        used = envelope.get("usage")
        used = used if isinstance(used, dict) else {}
        cached = count(used.get("cacheReadTokens"))
        read = total(used.get("inputTokens"), used.get("cacheWriteTokens"), cached)
        usage = Usage(None, "unknown", read, count(used.get("outputTokens")), cached)
        if envelope.get("is_error") is True or str(envelope.get("subtype") or "").startswith("error"):
            return Reply("", usage, failure_of(text or str(envelope.get("error") or "")))
        return Reply(text, usage)
