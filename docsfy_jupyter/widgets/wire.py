"""Pure: keys and bodies as the view sends and receives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docsfy_jupyter.models import Variant, VariantKey
from docsfy_jupyter.screen import source

_BODY = ("repo_url", "repo_path", "name", "branch", "owner", "ai_provider", "ai_model", "force", "max_cost_usd", "credential_env")


def shown_key(key: VariantKey) -> dict[str, str | None]:
    """Return a key for the view; what the server chooses is None."""
    named = {"name": key.name, "provider": key.ai_provider, "model": key.ai_model}
    return {**named, "branch": key.branch or None, "owner": key.owner or None}


def key_of(data: Mapping[str, Any]) -> VariantKey:
    """Read a key that the view sent."""
    name, branch, provider, model, owner = (
        str(data.get(part) or "") for part in ("name", "branch", "provider", "model", "owner")
    )
    return VariantKey(name, branch, provider, model, owner)


def is_of(row: Variant, key: VariantKey) -> bool:
    """Return whether a row is the one that a key means, whose branch and owner may be left to the server."""
    same = (row.name, row.ai_provider, row.ai_model) == (key.name, key.ai_provider, key.ai_model)
    return same and key.branch in ("", row.branch) and key.owner in ("", row.owner)


def again(row: Variant, **changes: Any) -> dict[str, Any]:
    """Return the arguments of `DocsfyClient.generate` that run a row once more."""
    return {**source(row), "name": row.name, "branch": row.branch, "owner": row.owner, **changes}


def body_of(data: object) -> dict[str, Any]:
    """Return those fields of a generate body that a view may send."""
    return {name: value for name, value in data.items() if name in _BODY} if isinstance(data, dict) else {}
