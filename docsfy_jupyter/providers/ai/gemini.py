"""Google's `gemini` (Gemini CLI), tried with 0.61."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from docsfy_jupyter.errors import ProviderFailed
from docsfy_jupyter.generation.process import child_environment
from docsfy_jupyter.providers.ai.agent_cli import MODEL, AgentCliProvider, Reply, count, total
from docsfy_jupyter.providers.ai.answers import failure_of
from docsfy_jupyter.providers.ai.openai import OpenAIProvider
from docsfy_jupyter.providers.ai.openai_server import OpenAIServer
from docsfy_jupyter.providers.base import ProviderSession, RunContext, Usage
from docsfy_jupyter.providers.programs import is_on_path

_KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
_GOOGLE = "https://generativelanguage.googleapis.com"
_COMPATIBLE = "/v1beta/openai"  # https://ai.google.dev/gemini-api/docs/openai
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
    install = (
        "Install it with `npm install -g @google/gemini-cli` and log in once with `gemini`, or set GEMINI_API_KEY, "
        "which does without the program too"
    )
    billed_by = ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI")
    patience = 2  # each of which tries ten times by itself, for minutes
    suggested = ("gemini-2.5-pro", "gemini-2.5-flash")

    def __init__(self) -> None:
        super().__init__()
        self._http: OpenAIProvider | None = None

    def check(self, model: str) -> None:
        """Look the program up, or the key where there is no program; start and ask nothing."""
        http = self._over_http()
        if http is not None:
            http.check(model)
        else:
            super().check(model)

    def not_reached(self) -> str | None:
        """Try the endpoint, where calls go there."""
        http = self._over_http()
        return http.not_reached() if http is not None else super().not_reached()

    def tokens_shown(self, repository: int) -> int:
        """Guess by the way that calls take."""
        http = self._over_http()
        return http.tokens_shown(repository) if http is not None else super().tokens_shown(repository)

    def open(self, context: RunContext) -> AbstractAsyncContextManager[ProviderSession]:
        """Open a session, through Google's OpenAI-compatible endpoint where there is a key and no program."""
        http = self._over_http()
        return http.open(context) if http is not None else super().open(context)

    def _over_http(self) -> OpenAIProvider | None:
        key = next((name for name in _KEYS if os.environ.get(name, "").strip()), "")
        if not key or is_on_path(self.programs, child_environment()["PATH"]):
            return None
        if self._http is None or self._http.server.key_env != key:
            base = os.environ.get("GOOGLE_GEMINI_BASE_URL") or _GOOGLE
            server = OpenAIServer(base_url=base.rstrip("/") + _COMPATIBLE, key_env=key, default_model=self.default_model)
            self._http = OpenAIProvider(self.name, server, self.options.max_concurrent_calls)
            self._http.options = self.options
        return self._http

    def read(self, envelope: Mapping[str, Any], env: Mapping[str, str]) -> Reply:
        """Read ``response`` or ``error``; the program tells tokens and no price."""
        error = envelope.get("error")
        usage = self._usage(envelope.get("stats"))
        if error:
            failure, status = _failure(error if isinstance(error, dict) else {"message": str(error)})
            return Reply("", usage, failure, status)
        return Reply(str(envelope.get("response") or ""), usage)

    def _usage(self, stats: Any) -> Usage:
        """Add the models up, each at its own price: the program asks small ones on the side. If one has none, none is priced.

        Where there is but one, a name without a price is the vendor's for a version of the run's model, whose price it has.
        """
        parts = [self.priced(name, part) for name, part in _by_model(stats)]
        used = Usage()
        for part in parts:
            used = used.plus(part)
        if all(part.cost_usd is not None for part in parts):
            return used
        return replace(used, cost_usd=None, basis="unknown", final=len(parts) > 1)


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


def _by_model(stats: Any) -> list[tuple[str, Usage]]:
    """Return the tokens of each model that a call used."""
    models = stats.get("models") if isinstance(stats, dict) else None
    found = []
    for name, model in models.items() if isinstance(models, dict) else ():
        tokens = model.get("tokens") if isinstance(model, dict) else None
        if isinstance(tokens, dict):
            written = total(tokens.get("candidates"), tokens.get("thoughts"))
            read, cached = count(tokens.get("prompt")), count(tokens.get("cached"))
            found.append((str(name), Usage(None, "unknown", read, written, cached, _prompts(model))))
    return found


def _prompts(model: Mapping[str, Any]) -> int | None:
    api = model.get("api")
    asked, failed = (count(api.get(name)) for name in ("totalRequests", "totalErrors")) if isinstance(api, dict) else (None, None)
    return None if asked is None else max(asked - (failed or 0), 1)
