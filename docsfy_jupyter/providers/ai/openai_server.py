"""What a user says of a server that speaks OpenAI's protocol: the trait ``DocsfyApp.openai_servers``."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from docsfy_jupyter.errors import ProviderUnavailable

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class OpenAIServer(BaseModel):
    """One server, as the trait ``DocsfyApp.openai_servers`` describes it.

    Parameters
    ----------
    base_url : str
        Up to and with ``/v1``.
    key_env : str
        The *name* of the variable that holds the key; empty where the server wants none.
    models : list of str
        To suggest.
    default_model : str
        For requests that name none; empty: they must.
    prices : dict
        Model → US dollars for a million tokens in and out; these win over any file of prices. ``(0, 0)`` says that the model is
        free. Without a price the cost is unknown, unless the server tells it: what runs here may pass calls on to others.
    max_input_tokens : int
        Estimated tokens of repository text in one call.
    headers : dict
        Sent with every call (Azure's ``api-version`` goes into `query`).
    query : dict
        Added to every address.
    """

    model_config = ConfigDict(extra="forbid")

    base_url: str
    key_env: str = ""
    models: list[str] = Field(default_factory=list)
    default_model: str = ""
    prices: dict[str, tuple[float, float]] = Field(default_factory=dict)
    max_input_tokens: int = Field(default=24_000, ge=500)
    headers: dict[str, str] = Field(default_factory=dict)
    query: dict[str, str] = Field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The address for people: `base_url` without a password that may be in it."""
        parts = urlsplit(self.base_url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    @property
    def loopback(self) -> bool:
        """Whether it runs on this machine: then no proxy applies."""
        return urlsplit(self.base_url).hostname in _LOOPBACK


def server_of(name: str, options: Mapping[str, Any]) -> OpenAIServer:
    """Read one entry of the trait.

    Raises
    ------
    ProviderUnavailable
        In one sentence: the trait, the server, what is wrong, and the keys that there are. No value is in it: it may be a key.
    """
    try:
        return OpenAIServer.model_validate(dict(options))
    except ValidationError as error:
        faults = "; ".join(_fault(fault["type"], fault["loc"], fault["msg"]) for fault in error.errors(include_url=False))
    raise ProviderUnavailable(
        f"c.DocsfyApp.openai_servers[{name!r}] cannot be used: {faults}. Its keys are {', '.join(OpenAIServer.model_fields)}."
    )


def _fault(kind: str, place: tuple[int | str, ...], said: str) -> str:
    key = ".".join(map(str, place))
    if kind == "missing":
        return f"{key!r} is missing"
    if kind == "extra_forbidden":
        near = get_close_matches(key, OpenAIServer.model_fields, n=1)
        return f"there is no key {key!r}{f' (did you mean {near[0]!r}?)' if near else ''}"
    return f"{key!r}: {said}"
