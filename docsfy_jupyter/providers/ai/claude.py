"""Anthropic's `claude` (Claude Code), tried with 2.1."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from docsfy_jupyter.providers.ai.agent_cli import MODEL, AgentCliProvider, Reply, count, total
from docsfy_jupyter.providers.ai.answers import failure_of
from docsfy_jupyter.providers.base import Usage

# the subscription's limit comes with status 429 like a passing one, but no other try can succeed before it is reset
_LIMIT = re.compile(r"hit your (?:\w+ )?limit|usage limit reached|out of (?:extra )?usage", re.IGNORECASE)


class ClaudeProvider(AgentCliProvider):
    """Claude Code in its print mode: only tools that read, none of the repository's own settings, nothing kept of the session.

    A repository's ``.claude/settings.json`` may name commands that run at the start of every session, and ``.mcp.json``
    programs to start; ``--setting-sources user`` and ``--strict-mcp-config`` keep them, and ``CLAUDE.md``, out.
    """

    name = "claude"
    default_model = "sonnet"
    programs = ("claude",)
    arguments = (
        "-p",
        "--output-format",
        "json",
        "--model",
        MODEL,
        "--tools",
        "Read,Grep,Glob",
        "--permission-mode",
        "default",
        "--setting-sources",
        "user",
        "--strict-mcp-config",
        "--disable-slash-commands",
        "--no-session-persistence",
    )
    variables = (
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_BASE_URL",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CONFIG_DIR",
    )
    # few tries inside, so that a login that has expired is told in seconds; with its default of ten it is silent for minutes
    fixed = {  # noqa: RUF012  declared a ClassVar by the parent
        "CLAUDE_CODE_MAX_RETRIES": "2",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    billed_by = (
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_USE_VERTEX",
        "CLAUDE_CODE_USE_FOUNDRY",
    )
    install = "Install it with `npm install -g @anthropic-ai/claude-code` and log in once with `claude`, or set ANTHROPIC_API_KEY"
    suggested = ("sonnet", "opus", "haiku")

    def knows_cost(self, model: str) -> bool:
        """Say yes: the program tells it with every answer."""
        return True

    def read(self, envelope: Mapping[str, Any], env: Mapping[str, str]) -> Reply:
        """Read ``result``, unless ``is_error`` says that it is none: its ``subtype`` reads "success" even then."""
        text = str(envelope.get("result") or "")
        usage = _usage(envelope, self.on_bill(env))
        subtype = str(envelope.get("subtype") or "")
        if envelope.get("is_error") is not True and not subtype.startswith("error"):
            return Reply(text, usage)
        status = None if _LIMIT.search(text) else count(envelope.get("api_error_status")) or _overloaded(text)
        return Reply("", usage, failure_of(text or subtype.replace("_", " "), status), status)


def _overloaded(text: str) -> int | None:
    """Return the status that the program leaves out when it says "Repeated 529 Overloaded errors"."""
    return 529 if "529" in text and "overloaded" in text.lower() else None


def _usage(envelope: Mapping[str, Any], on_bill: bool) -> Usage:
    """Add the models up: an agent may ask a small one on the side."""
    by_model = envelope.get("modelUsage")
    models = [used for used in by_model.values() if isinstance(used, dict)] if isinstance(by_model, dict) else []
    if models:
        cached = total(*(used.get("cacheReadInputTokens") for used in models))
        read = total(*(used.get(name) for used in models for name in ("inputTokens", "cacheCreationInputTokens")), cached)
        written = total(*(used.get("outputTokens") for used in models))
    else:
        used = envelope.get("usage")
        used = used if isinstance(used, dict) else {}
        cached = count(used.get("cache_read_input_tokens"))
        read = total(used.get("input_tokens"), used.get("cache_creation_input_tokens"), cached)
        written = count(used.get("output_tokens"))
    cost = envelope.get("total_cost_usd")
    if not isinstance(cost, int | float) or isinstance(cost, bool) or not 0 <= cost < float("inf"):
        return Usage(None, "unknown", read, written, cached)
    return Usage(float(cost), "billed" if on_bill else "notional", read, written, cached)
