"""Pure: keys and bodies as the view sends and receives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docsfy_jupyter.models import VariantKey

_BODY = ("repo_url", "repo_path", "name", "branch", "owner", "ai_provider", "ai_model", "force")


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


def body_of(data: object) -> dict[str, Any]:
    """Return those fields of a generate body that a view may send."""
    return {name: value for name, value in data.items() if name in _BODY} if isinstance(data, dict) else {}
