"""Pure: what a model answers when it is shown the plan of the last run: a whole plan, or the slugs of pages to write anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from docsfy_jupyter.errors import PlanInvalid
from docsfy_jupyter.models import Plan, PlanPage, safe_text
from docsfy_jupyter.providers.ai.answers import plan_of, values_of

ALL = "all"
_LIST = re.compile(r'\[(?:[\s,]|"[^"\n\]]{0,200}")*\]')
_MAX_DEPTH = 4


def updated_plan(text: str, previous: Plan, commit: str) -> Plan:
    """Read the plan as it should be now out of a model's answer.

    Parameters
    ----------
    text : str
        A whole plan, or a JSON list of slugs: ``["all"]`` is every page, ``[]`` none beyond those whose sources changed.
    previous : Plan
        Of the last run.
    commit : str
        The commit that is documented: the fingerprint of pages that are to be written again although their sources are the same.

    Returns
    -------
    Plan
        Not yet settled. Pages that stay keep their fingerprint, and with it their place in the cache.

    Raises
    ------
    PlanInvalid
        It is neither, or a list without a single page of the plan.
    """
    slugs = None if "navigation" in text else _listed(text)
    known = {page.slug: page for page in previous.pages()}
    if slugs is None:
        return _with_pages(plan_of(text), lambda page: known.get(page.slug, page).fingerprint)
    named = {slug.strip().removesuffix(".md") for slug in slugs}
    again = set(known) if ALL in {slug.lower() for slug in named} else named & set(known)
    if slugs and not again:
        raise PlanInvalid("The list names no page of the plan.", begins=safe_text(text[:200]))
    return _with_pages(previous, lambda page: commit if page.slug in again else page.fingerprint)


def _with_pages(plan: Plan, fingerprint: Callable[[PlanPage], str]) -> Plan:
    def marked(pages: Iterable[PlanPage]) -> list[PlanPage]:
        return [page.model_copy(update={"fingerprint": fingerprint(page)}) for page in pages]

    groups = [group.model_copy(update={"pages": marked(group.pages)}) for group in plan.navigation]
    return plan.model_copy(update={"navigation": groups})


def _listed(text: str) -> list[str] | None:
    """Return the list that an answer is, has in a fence or an envelope, or has at last in its prose; None where it has none."""
    for value in values_of(text):
        found = _strings(value, 0)
        if found is not None:
            return found
    last = None
    for match in _LIST.finditer(text):
        last = match[0]
    values = list(values_of(last)) if last is not None else []
    return _strings(values[0], 0) if values else None


def _strings(value: Any, depth: int) -> list[str] | None:
    if isinstance(value, list):
        return value if all(isinstance(item, str) for item in value) else None
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, str):
        inner: list[Any] = list(values_of(value)) if "[" in value else []
    else:
        inner = list(value.values()) if isinstance(value, dict) else []
    found = [strings for item in inner if (strings := _strings(item, depth + 1)) is not None]
    return found[0] if found else None
