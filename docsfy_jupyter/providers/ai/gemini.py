"""Google's `gemini` (Gemini CLI), tried with 0.61."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docsfy_jupyter.errors import ProviderFailed
from docsfy_jupyter.providers.ai.agent_cli import MODEL, AgentCliProvider, Reply, count, total
from docsfy_jupyter.providers.ai.answers import failure_of
from docsfy_jupyter.providers.base import Usage

_NO_LOGIN = 41  # exit code and error code for a login that is missing or not chosen


class GeminiProvider(AgentCliProvider):
    """Gemini CLI without a terminal, in the approval mode that only reads, held by a policy that has no other tools.

    Its approval mode alone does not hold: without a terminal the program approves by itself when the model wants to leave it.
    It works only in a folder that is trusted, and then obeys the folder's ``.gemini/`` (commands to run, servers to start) and
    its ``.env``, where one line is enough to have the user's key sent to another host: both are set aside.
    """

    name = "gemini"
    default_model = "gemini-2.5-pro"
    programs = ("gemini",)
    arguments = (
        "--model",
        MODEL,
        "--output-format",
        "json",
        "--approval-mode",
        "plan",
        "--policy",
        str(Path(__file__).parent / "templates" / "gemini_policy.toml"),
        "--skip-trust",
        "--prompt",
        "",
    )
    variables = (
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "GOOGLE_GEMINI_BASE_URL",
        "GOOGLE_GENAI_USE_GCA",
        "GOOGLE_GENAI_USE_VERTEXAI",
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_CLOUD_LOCATION",
    )
    set_aside = (".gemini", ".env")
    install = "Install it with `npm install -g @google/gemini-cli`; set GEMINI_API_KEY, or log in once with `gemini`"
    patience = 2  # each of which tries ten times by itself, for minutes
    suggested = ("gemini-2.5-pro", "gemini-2.5-flash")

    def read(self, envelope: Mapping[str, Any], env: Mapping[str, str]) -> Reply:
        """Read ``response`` or ``error``; the program tells tokens and no price."""
        error = envelope.get("error")
        usage = _usage(envelope.get("stats"))
        if error:
            failure, status = _failure(error if isinstance(error, dict) else {"message": str(error)})
            return Reply("", usage, failure, status)
        return Reply(str(envelope.get("response") or ""), usage)


def _failure(error: Mapping[str, Any]) -> tuple[ProviderFailed, int | None]:
    sentence, told = _innermost(str(error.get("message") or error.get("type") or ""))
    code = count(error.get("code")) or told
    if code == _NO_LOGIN:
        return ProviderFailed(sentence, fatal=True), None
    status = code if code and 400 <= code < 600 else told
    return failure_of(sentence, status), status


def _innermost(message: str) -> tuple[str, int | None]:
    """Return the sentence in a message that is Google's JSON answer as text, and the HTTP status in there."""
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        return message, None
    value = value[0] if isinstance(value, list) and value else value
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return message, None
    inner, status = _innermost(error["message"])  # an error from a proxy has Google's inside
    return inner, status or count(error.get("code"))


def _usage(stats: Any) -> Usage:
    models = stats.get("models") if isinstance(stats, dict) else None
    found = [model.get("tokens") for model in models.values() if isinstance(model, dict)] if isinstance(models, dict) else []
    tokens = [each for each in found if isinstance(each, dict)]
    read = total(*(each.get("prompt") for each in tokens))
    written = total(*(each.get(name) for each in tokens for name in ("candidates", "thoughts")))
    return Usage(None, "unknown", read, written, total(*(each.get("cached") for each in tokens)))
