"""Plans that a provider answered: what can be repaired is, the rest is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count

from docsfy_jupyter.errors import PlanInvalid
from docsfy_jupyter.models import Plan, PlanGroup, PlanPage, safe_text

MAX_SLUG = 100  # characters
_RESERVED_SLUGS = {"index", "404", "search", "llms", "llms-full", "assets", "con", "prn", "aux", "nul"}


def settle_plan(plan: Plan, project_name: str) -> tuple[Plan, list[str]]:
    """Repair what can be repaired in a plan, refuse the rest.

    Parameters
    ----------
    plan : Plan
        As a provider answered it.
    project_name : str
        Stands in for an empty project name.

    Returns
    -------
    plan : Plan
        Slugs unique, lower case, ``[a-z0-9][a-z0-9-]*``, at most 100 characters; titles never empty; text storable.
    notes : list of str
        What was repaired, one sentence each, for the run's events.

    Raises
    ------
    PlanInvalid
        The plan has no page.
    """
    notes: list[str] = []
    taken: set[str] = set()
    renamed: dict[str, str] = {}
    groups: list[PlanGroup] = []
    for group in plan.navigation:
        pages: list[PlanPage] = []
        for page in group.pages:
            slug = _free_slug(_repair_slug(page.slug or page.title), taken)
            if slug != page.slug:
                notes.append(f"slug {safe_text(page.slug)[:120]!r} was changed to {slug!r}")
            taken.add(slug)
            renamed.setdefault(page.slug, slug)
            title = " ".join(safe_text(page.title).split())[:300] or slug
            pages.append(
                page.model_copy(update={"slug": slug, "title": title, "description": safe_text(page.description)[:2000]})
            )
        if pages:
            groups.append(PlanGroup(group=" ".join(safe_text(group.group).split())[:120] or "Pages", pages=pages))
    if not groups:
        raise PlanInvalid(
            "The plan has no pages: the provider planned no page for this repository, so there is nothing to generate."
        )
    groups = [
        group.model_copy(update={"pages": [p.model_copy(update={"related": _related(p, renamed, taken)}) for p in group.pages]})
        for group in groups
    ]
    name = safe_text(plan.project_name).strip()[:200] or project_name
    return Plan(project_name=name, tagline=safe_text(plan.tagline).strip()[:500], navigation=groups), notes


def _related(page: PlanPage, renamed: Mapping[str, str], taken: set[str]) -> list[str]:
    slugs = [renamed.get(slug, slug) for slug in page.related]
    return [slug for slug in dict.fromkeys(slugs) if slug in taken and slug != page.slug][:5]


def _repair_slug(raw: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", raw.casefold().removesuffix(".md")).strip("-")[:MAX_SLUG].strip("-")
    if not slug:
        return "page"
    return f"{slug}-page"[:MAX_SLUG] if slug in _RESERVED_SLUGS else slug


def _free_slug(slug: str, taken: set[str]) -> str:
    if slug not in taken:
        return slug
    numbered = (slug[: MAX_SLUG - len(f"-{number}")] + f"-{number}" for number in count(2))
    return next(candidate for candidate in numbered if candidate not in taken)
