"""What a rendering needs and what it reports, and what the worker process is sent of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol


class SitePage(Protocol):
    """What a site needs to know of a planned page; `models.PlanPage` is one, which the worker need not load."""

    @property
    def slug(self) -> str:
        """Its name in addresses."""
        ...

    @property
    def title(self) -> str:
        """Empty where the slug serves."""
        ...

    @property
    def description(self) -> str:
        """One sentence, may be empty."""
        ...

    @property
    def related(self) -> Sequence[str]:
        """Slugs that the site links at its end."""
        ...


class SiteGroup(Protocol):
    """A heading of the navigation, with its pages; `models.PlanGroup` is one."""

    @property
    def group(self) -> str:
        """May be empty."""
        ...

    @property
    def pages(self) -> Sequence[SitePage]:
        """In their order."""
        ...


class SitePlan(Protocol):
    """The navigation of a site; `models.Plan` is one."""

    @property
    def project_name(self) -> str:
        """The site's name where the job has none."""
        ...

    @property
    def tagline(self) -> str:
        """One sentence, may be empty."""
        ...

    @property
    def navigation(self) -> Sequence[SiteGroup]:
        """In its order."""
        ...


@dataclass(frozen=True)
class _Page:
    slug: str
    title: str
    description: str
    related: list[str]


@dataclass(frozen=True)
class _Group:
    group: str
    pages: list[_Page]


@dataclass(frozen=True)
class _Plan:
    project_name: str
    tagline: str
    navigation: list[_Group]


@dataclass(frozen=True)
class SiteJob:
    """Everything that a site is made of.

    Parameters
    ----------
    plan : SitePlan
        Its navigation is the sidebar.
    pages : mapping of str to Path
        Slug to Markdown file; a slug of the plan that is missing here is a page without text.
    images : mapping of str to Path
        Path in the repository to a file; pages name it ``repo-files/<percent-encoded path>``.
    out : Path
        The folder to make; it must not exist.
    earlier : Path, optional
        A folder where the HTML of each page is kept for the next rendering; what is in it and still right is used.
    project_name, tagline, repo_url, branch, commit, provider, model, generated_at : str
        Shown on the site; ``generated_at`` in ISO 8601.
    """

    plan: SitePlan
    pages: Mapping[str, Path]
    images: Mapping[str, Path]
    out: Path
    project_name: str
    tagline: str = ""
    repo_url: str = ""
    branch: str = ""
    commit: str = ""
    provider: str = ""
    model: str = ""
    generated_at: str = ""
    earlier: Path | None = None


@dataclass(frozen=True)
class AheadJob:
    """Pages of a site that are done while others are not yet.

    Parameters
    ----------
    pages : list of SitePage
        What is known of them.
    texts : mapping of str to Path
        Slug to Markdown file, for each of them.
    images : mapping of str to Path
        As `SiteJob` has them, as far as they are known.
    slugs : list of str
        Of all pages that the site is going to have.
    earlier : Path
        Where their HTML is kept.
    """

    pages: Sequence[SitePage]
    texts: Mapping[str, Path]
    images: Mapping[str, Path]
    slugs: Sequence[str]
    earlier: Path


@dataclass(frozen=True)
class DeadLink:
    """A link that leads nowhere; it became plain text."""

    slug: str
    target: str


@dataclass(frozen=True)
class RenderReport:
    """What a rendering made.

    Parameters
    ----------
    pages : int
        Pages with text.
    words : int
        Words of their Markdown.
    dead_links : list of DeadLink
        Links to a missing page, a page without text or a missing heading.
    diagrams : int
        Mermaid blocks; whether one parses shows in the browser, where a bad one stays code.
    """

    pages: int
    words: int
    dead_links: list[DeadLink] = field(default_factory=list)
    diagrams: int = 0


_TEXTS = ("project_name", "tagline", "repo_url", "branch", "commit", "provider", "model", "generated_at")


def job_to_data(job: SiteJob) -> dict[str, Any]:
    """Return a job as the worker is sent it, JSON-able."""
    data: dict[str, Any] = {name: getattr(job, name) for name in _TEXTS}
    data["plan"] = asdict(_known(job.plan))
    data["pages"] = {slug: str(path) for slug, path in job.pages.items()}
    data["images"] = {name: str(path) for name, path in job.images.items()}
    data["out"] = str(job.out)
    data["earlier"] = str(job.earlier) if job.earlier else None
    return data


def job_from_data(data: Mapping[str, Any]) -> SiteJob:
    """Read what `job_to_data` made.

    Raises
    ------
    ValueError
        It is not a job.
    """
    if not {"plan", "pages", "out"} <= data.keys():
        raise ValueError("not a site job: plan, pages and out are needed")
    return SiteJob(
        plan=_plan(data["plan"]),
        pages={slug: Path(path) for slug, path in data["pages"].items()},
        images={name: Path(path) for name, path in data.get("images", {}).items()},
        out=Path(data["out"]),
        earlier=Path(data["earlier"]) if data.get("earlier") else None,
        **{name: str(data.get(name) or "") for name in _TEXTS},
    )


def ahead_to_data(job: AheadJob) -> dict[str, Any]:
    """Return a job as the worker is sent it, JSON-able."""
    return {
        "pages": [asdict(_page(page)) for page in job.pages],
        "texts": {slug: str(path) for slug, path in job.texts.items()},
        "images": {name: str(path) for name, path in job.images.items()},
        "slugs": list(job.slugs),
        "earlier": str(job.earlier),
    }


def ahead_from_data(data: Mapping[str, Any]) -> AheadJob:
    """Read what `ahead_to_data` made."""
    return AheadJob(
        pages=[_Page(**page) for page in data["pages"]],
        texts={slug: Path(path) for slug, path in data["texts"].items()},
        images={name: Path(path) for name, path in data["images"].items()},
        slugs=data["slugs"],
        earlier=Path(data["earlier"]),
    )


def _known(plan: SitePlan) -> _Plan:
    groups = [_Group(group.group, [_page(page) for page in group.pages]) for group in plan.navigation]
    return _Plan(plan.project_name, plan.tagline, groups)


def _page(page: SitePage) -> _Page:
    return _Page(page.slug, page.title, page.description, list(page.related))


def _plan(data: Mapping[str, Any]) -> _Plan:
    groups = [_Group(group["group"], [_Page(**page) for page in group["pages"]]) for group in data["navigation"]]
    return _Plan(data["project_name"], data["tagline"], groups)


def report_from_data(data: Mapping[str, Any]) -> RenderReport:
    """Read a report, which the worker sends as `dataclasses.asdict` has it."""
    return RenderReport(data["pages"], data["words"], [DeadLink(**link) for link in data["dead_links"]], data["diagrams"])
