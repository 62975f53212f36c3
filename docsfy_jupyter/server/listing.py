"""The listing of all variants, as a list page and a WebSocket's first message need it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.models import Variant


def newest_first(rows: Iterable[Variant]) -> list[Variant]:
    """Return rows in the listing's order."""
    return sorted(rows, key=lambda row: (row.updated_at, row.key), reverse=True)


def known_choices(feed: ChangeFeed) -> dict[str, dict[str, list[str]]]:
    """Return the branches by project and the models by provider of all variants."""
    return {
        "known_branches": _members(feed.rows(), "name", "branch"),
        "known_models": _members(feed.rows(), "ai_provider", "ai_model"),
    }


def listing(feed: ChangeFeed) -> dict[str, Any]:
    """Return all variants without their plans, newest first, with the choices."""
    return {"projects": [row.to_json(slim=True) for row in newest_first(feed.rows())], **known_choices(feed)}


def _members(rows: Iterable[Variant], group: str, member: str) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(getattr(row, group), set()).add(getattr(row, member))
    return {key: sorted(values) for key, values in sorted(found.items())}
