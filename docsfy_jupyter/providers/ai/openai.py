"""Any server that speaks OpenAI's chat protocol: OpenAI, Ollama, vLLM, LM Studio, llama.cpp, OpenRouter, Azure."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx

from docsfy_jupyter.errors import ProviderFailed, ProviderUnavailable
from docsfy_jupyter.generation.secrets import masked, secrets_of
from docsfy_jupyter.models import PlanPage
from docsfy_jupyter.money import lasting
from docsfy_jupyter.providers.ai.answers import failure_of
from docsfy_jupyter.providers.ai.gate import LONGEST, Gate, retry_after
from docsfy_jupyter.providers.ai.openai_server import OpenAIServer
from docsfy_jupyter.providers.ai.packing import pack_files, pack_repository
from docsfy_jupyter.providers.ai.session import AskingSession
from docsfy_jupyter.providers.ai.steering import Steering, read_steering
from docsfy_jupyter.providers.base import Provider, ProviderSession, RunContext, Usage
from docsfy_jupyter.providers.local.files import Checkout
from docsfy_jupyter.providers.prices import Price

_KNOCK = 3.0  # seconds
_TRIES = 8  # of one call that is put off by 429 or 529; the pipeline's own tries come on top for other failures
_BUSY = (429, 503, 529)
_SPENT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}  # OpenAI's codes; they come with a 429
_LONGEST = 32_000_000  # bytes of an answer; the longest page is a hundredth of that
# sections of the package's price table, by the host that asks for them
_SERVICES = {
    "api.openai.com": "openai",
    "generativelanguage.googleapis.com": "gemini",
    "api.anthropic.com": "claude",
}
_TITLE = re.compile(r"<title>([^<]{1,200})</title>", re.IGNORECASE)
_SECRET = re.compile(r"key|token|secret|pass|auth|cookie|code|sig", re.IGNORECASE)  # in the name of a header or a parameter
_PLAN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["project_name", "tagline", "navigation"],
    "properties": {
        "project_name": {"type": "string"},
        "tagline": {"type": "string"},
        "navigation": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["group", "pages"],
                "properties": {
                    "group": {"type": "string"},
                    "pages": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["slug", "title", "description", "sources"],
                            "properties": {
                                **{name: {"type": "string"} for name in ("slug", "title", "description")},
                                "sources": {"type": "array", "items": {"type": "string"}},
                            },
                        },
                    },
                },
            },
        },
    },
}
# the way to structured output, from what says most to what every server understands
_FORMATS: tuple[dict[str, Any] | None, ...] = (
    {"type": "json_schema", "json_schema": {"name": "plan", "strict": True, "schema": _PLAN_SCHEMA}},
    {"type": "json_object"},
    None,
)


class OpenAIProvider(Provider):
    """A provider over HTTP.

    Parameters
    ----------
    name : str
        How requests name it.
    server : OpenAIServer
        Where it answers, and what is known of it.
    calls : int
        Calls at once, of all runs together.
    """

    counts_tokens = True

    def __init__(self, name: str, server: OpenAIServer, calls: int = 8) -> None:
        self.name = name
        self.server = server
        self.default_model = server.default_model
        self._calls = calls
        self._gate: Gate | None = None

    def check(self, model: str) -> None:
        """Look at the settings; ask nothing, since the first real call is the probe."""
        if urlsplit(self.server.base_url).scheme not in ("http", "https"):
            raise ProviderUnavailable(f"openai_servers[{self.name!r}].base_url={self.server.shown!r} is not an http(s) URL.")
        key = self.server.key_env
        if key and not os.environ.get(key):
            raise ProviderUnavailable(
                f"Provider {self.name!r} needs a key: set the environment variable {key} where Jupyter starts, and restart it."
            )
        if not os.environ.get(key, "").strip().isprintable():
            raise ProviderUnavailable(f"The variable {key} holds no key: there are control characters in it.")
        if not os.environ.get(key, "").isascii():
            raise ProviderUnavailable(f"The variable {key} holds no key: there are characters in it that no header can carry.")
        if not model:
            raise ProviderUnavailable(f"Provider {self.name!r} has no default model; name one (model=…).")

    def not_reached(self) -> str | None:
        """Knock at the server without a key: whatever it answers, it is there."""
        try:
            httpx.get(self.server.base_url, timeout=_KNOCK, trust_env=not self.server.loopback)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return _unreached(self.server, error)
        return None

    def price(self, model: str) -> Price | None:
        """Return the server's own price, else the file's, else the package's where the host is known."""
        if model in self.server.prices:
            return Price(*self.server.prices[model])
        host = urlsplit(self.server.base_url).hostname or ""
        return self.options.prices.find(self.name, model, _SERVICES.get(host))

    def priced(self, model: str, usage: Usage) -> Usage:
        """Compute the cost; a call is one prompt, unless it was made again."""
        return super().priced(model, replace(usage, prompts=usage.prompts or 1))

    def tokens_shown(self, repository: int) -> int:
        """Return what fits into a call."""
        return min(repository, self.server.max_input_tokens)

    def models(self) -> list[dict[str, str]]:
        """Return the configured models."""
        names = dict.fromkeys([*filter(None, [self.server.default_model]), *self.server.models])
        return [{"id": name, "name": name} for name in names]

    @asynccontextmanager
    async def open(self, context: RunContext) -> AsyncIterator[ProviderSession]:
        """Open the connections of one run."""
        if self._gate is None:
            self._gate = Gate(self._calls)
        steering = await asyncio.to_thread(read_steering, context.checkout, context.files)
        checkout = await asyncio.to_thread(Checkout, context.checkout, steering.shown(context.files))
        headers = dict(self.server.headers)
        if self.server.key_env:
            headers["Authorization"] = f"Bearer {os.environ.get(self.server.key_env, '').strip()}"
        # made in a thread: reading the certificates would hold up the event loop for 50 ms
        made = partial(
            httpx.AsyncClient,
            base_url=self.server.base_url.rstrip("/") + "/",
            headers=headers,
            params=self.server.query,
            timeout=httpx.Timeout(context.call_timeout, connect=30),
            trust_env=not self.server.loopback,
        )
        async with await asyncio.to_thread(made) as http:
            yield OpenAISession(self.server, self._gate, http, context, steering, checkout)


class OpenAISession(AskingSession):
    """One run's calls."""

    def __init__(
        self,
        server: OpenAIServer,
        gate: Gate,
        http: httpx.AsyncClient,
        context: RunContext,
        steering: Steering,
        checkout: Checkout,
    ) -> None:
        super().__init__(context, steering)
        key = {"key": http.headers.get("Authorization", "").removeprefix("Bearer ")}
        self._secrets = [secret for sent in (key, server.headers, server.query) for secret in secrets_of(sent, _SECRET)]
        self._server, self._gate, self._http = server, gate, http
        self._checkout = checkout
        self._format = 0

    async def _material(self, page: PlanPage | None) -> str:
        tokens = self._server.max_input_tokens
        if page is None:
            return await asyncio.to_thread(pack_repository, self._checkout, tokens)
        return await asyncio.to_thread(pack_files, self._checkout, page.sources, tokens)

    async def _asked(self, prompt: str, *, structured: bool = False) -> tuple[str, Usage]:
        """Make one call, waiting as long as the server asks for."""
        put_off = 0
        while True:
            async with self._gate.passed():
                answer = await self._sent(prompt, _FORMATS[self._format] if structured else None)
            spent = _is_spent(answer)
            if answer.status_code in _BUSY and not spent and put_off < _TRIES:
                put_off += 1
                seconds = retry_after(answer.headers.get("retry-after"), put_off)
                if seconds > LONGEST:
                    text = f"{self._sentence(answer)} (the server asks to be left alone for {lasting(seconds)})"
                    raise ProviderFailed(text, fatal=True)
                self._gate.pause(seconds)
                text = f"The provider is busy ({answer.status_code}); all calls wait {seconds:.0f} s"
                self._context.log("provider_pause", text)
            elif answer.status_code in (400, 422) and structured and self._format + 1 < len(_FORMATS):
                self._format += 1  # the server does not know this way to structured output
            elif answer.is_success:
                return self._read(answer)
            else:
                raise failure_of(self._sentence(answer) + self._whose_key(answer), 402 if spent else answer.status_code)

    def _whose_key(self, answer: httpx.Response) -> str:
        """Say where a key that is refused was set: the service's own sentence cannot know."""
        variable = self._server.key_env
        return f" (the key of {variable}, as it was where Jupyter started)" if variable and answer.status_code == 401 else ""

    def _sentence(self, answer: httpx.Response) -> str:
        """Return the provider's own sentence."""
        said = masked(answer.text.encode("utf-8", "replace"), self._secrets).decode()  # some servers repeat keys
        error = _error(said)
        if error is not None:
            return str(error.get("message") or error) if isinstance(error, dict) else str(error)
        title = _TITLE.search(said[:10_000])  # a page of a proxy
        return f"HTTP {answer.status_code}: {' '.join(title[1].split()) if title else said[:200]}"

    def _read(self, answer: httpx.Response) -> tuple[str, Usage]:
        try:
            data = answer.json()
            choice = data["choices"][0]
            text = choice["message"]["content"] or ""
        except (ValueError, LookupError, TypeError):
            error = _error(answer.text)
            if isinstance(error, dict):  # OpenRouter answers 200 when the model behind it fails later
                failure = failure_of(self._sentence(answer), _count(error.get("code")))
                failure.details["cut_off"] = True
                raise failure from None
            said = f"the answer is not of the chat protocol: {self._sentence(answer)}"
            raise ProviderFailed(said, transient=True, cut_off=True) from None
        counted = data.get("usage")
        usage = _usage(counted if isinstance(counted, dict) else {})
        if choice.get("finish_reason") == "length":
            raise ProviderFailed("the answer was cut off at the model's limit", transient=True, cut_off=True, usage=usage)
        if not isinstance(text, str):
            text = "".join(str(part.get("text", "")) for part in text if isinstance(part, dict))
        return masked(text.encode("utf-8", "replace"), self._secrets).decode(), usage

    async def _sent(self, prompt: str, form: Mapping[str, Any] | None) -> httpx.Response:
        body: dict[str, Any] = {"model": self._context.model, "messages": [{"role": "user", "content": prompt}]}
        if form is not None:
            body["response_format"] = form
        try:
            async with (
                asyncio.timeout(self._context.call_timeout),
                self._http.stream("POST", "chat/completions", json=body) as answer,
            ):
                return await _whole(answer)
        except httpx.ConnectTimeout as error:
            raise ProviderFailed(_unreached(self._server, error), transient=True) from None
        except (TimeoutError, httpx.TimeoutException):
            # not transient: what did not fit into the time limit once is paid again for nothing
            raise ProviderFailed(f"timed out after {self._context.call_timeout:g} s", cut_off=True) from None
        except httpx.LocalProtocolError:  # its sentence quotes the header that it refuses, key and all
            raise ProviderFailed(f"{self._server.shown}: a header of the request is not valid", fatal=True) from None
        except httpx.ConnectError as error:
            raise ProviderFailed(_unreached(self._server, error), transient=True) from None
        except httpx.HTTPError as error:
            said = f"{self._server.shown}: {error or type(error).__name__}"
            raise ProviderFailed(said, transient=True, cut_off=True) from None


async def _whole(answer: httpx.Response) -> httpx.Response:
    """Return an answer with its content.

    Raises
    ------
    ProviderFailed
        It is too long to be one.
    """
    parts, size = list[bytes](), 0
    async for part in answer.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > _LONGEST:
            raise ProviderFailed(f"the answer has more than {_LONGEST:,} bytes", cut_off=True)
    # what was decompressed says so no more
    headers = [(name, value) for name, value in answer.headers.multi_items() if name != "content-encoding"]
    return httpx.Response(answer.status_code, headers=headers, content=b"".join(parts), request=answer.request)


def _unreached(server: OpenAIServer, error: Exception) -> str:
    said = str(error) or type(error).__name__
    todo = "Start that server" if server.loopback else "See whether the network and its proxy let you there"
    return f"no connection to {server.shown}: {said}. {todo}, or change its base_url in c.DocsfyApp.openai_servers"


def _usage(usage: Mapping[str, Any]) -> Usage:
    """Return the tokens of a call, and its cost where the server says it (OpenRouter does)."""
    read, written = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    details = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    told = usage.get("cost")
    if isinstance(told, int | float) and not isinstance(told, bool) and 0 <= told < float("inf"):
        return Usage(float(told), "billed", read, written, cached, 1)
    return Usage(None, "unknown", read, written, cached, 1)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _is_spent(answer: httpx.Response) -> bool:
    """Say whether an answer means that the account has no credit left, which no waiting brings back."""
    error = _error(answer.text) if answer.status_code == 429 else None
    return isinstance(error, dict) and any(str(error.get(name)) in _SPENT for name in ("code", "type"))


def _error(text: str) -> Any:
    """Return what an answer has under ``error``, None where it has none."""
    try:
        return json.loads(text)["error"] or None
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
