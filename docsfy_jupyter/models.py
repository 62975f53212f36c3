"""The field's words as types: variant, run, stage, page, plan. Used on both sides, server and kernel."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Status(StrEnum):
    """The four statuses of a variant; no other value exists, and this is the one place that says so."""

    GENERATING = "generating"
    READY = "ready"
    ERROR = "error"
    ABORTED = "aborted"

    @property
    def terminal(self) -> bool:
        """Whether a run with this status has ended."""
        return self is not Status.GENERATING


class Stage(StrEnum):
    """What a run is doing; ``up_to_date`` goes with ``ready``."""

    QUEUED = "queued"
    CLONING = "cloning"
    PLANNING = "planning"
    INCREMENTAL_PLANNING = "incremental_planning"
    GENERATING_PAGES = "generating_pages"
    RENDERING = "rendering"
    UP_TO_DATE = "up_to_date"


SERVER_RESTARTED = "Server restarted during generation"
ABORTED_BY_USER = "Generation aborted by user"
ROW_ONLY = ("plan_json", "page_times", "pages_done", "pages_active", "finding_list", "unmentioned")  # what listings leave out


def clean_text(text: str) -> str:
    """Make a text storable: lone surrogates (names that are not UTF-8) become U+FFFD, NUL disappears.

    DuckDB refuses a string with a lone surrogate, and JSON for the browser cannot carry one.
    """
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\x00", "")


def safe_text(text: str) -> str:
    """`clean_text` for text that may hold any lone surrogate, not only escaped bytes."""
    return (
        text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "") if not _encodable(text) else text.replace("\x00", "")
    )


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def utc_now() -> datetime:
    """Return the present time, aware, in UTC."""
    return datetime.now(UTC)


def iso(moment: datetime | None) -> str | None:
    """Write a time as ISO 8601 in UTC, or None."""
    return None if moment is None else moment.astimezone(UTC).isoformat()


@dataclass(frozen=True, order=True, slots=True)
class VariantKey:
    """What tells one variant from another.

    Parameters
    ----------
    name, branch, ai_provider, ai_model, owner : str
        As in the REST API; the owner is the user that asked first.
    """

    name: str
    branch: str
    ai_provider: str
    ai_model: str
    owner: str

    @property
    def address(self) -> str:
        """``name/branch/provider/model``: how people and messages name it."""
        return f"{self.name}/{self.branch}/{self.ai_provider}/{self.ai_model}"


@dataclass(frozen=True)
class FailedPage:
    """A page that failed in the latest run, and why."""

    slug: str
    reason: str


@dataclass(frozen=True)
class Finding:
    """Something that a page mentions and the documented commit does not have.

    Parameters
    ----------
    slug : str
        The page.
    kind : str
        ``name``, ``path``, ``flag``, ``variable``, ``link`` or ``import``.
    name : str
        As the page has it.
    """

    slug: str
    kind: str
    name: str

    @property
    def text(self) -> str:
        """What it is, for a person: ``option --verbos``."""
        return f"{_FINDINGS.get(self.kind, self.kind)} {self.name}"


_FINDINGS = {"path": "file", "flag": "option"}  # the other kinds are called what they are
MOST_FINDINGS = 200  # that a row lists; its count is of all


@dataclass(frozen=True)
class TrackedFile:
    """One file that git tracks in a checkout.

    Parameters
    ----------
    path : str
        Relative, ``/`` as separator; bytes that are not UTF-8 are surrogate-escaped.
    blob : str
        The git object id of its content.
    mode : str
        ``100644``, ``100755``, ``120000`` (a symlink) or ``160000`` (a submodule).
    size : int
        Bytes; 0 where git does not say (submodules).
    """

    path: str
    blob: str
    mode: str
    size: int

    @property
    def regular(self) -> bool:
        """Whether it is an ordinary file: symlinks and submodules are never read."""
        return self.mode in {"100644", "100755"}


class PlanPage(BaseModel):
    """One page of a plan.

    ``sources`` are the tracked paths that the page is about, ``fingerprint`` a hash over whatever else its text depends
    on: the page is generated again when one of them changes. ``related`` are slugs that the site links at the page's end.
    """

    model_config = ConfigDict(extra="ignore", defer_build=True)

    slug: str
    title: str = ""
    description: str = ""
    sources: list[str] = Field(default_factory=list)
    fingerprint: str = ""
    related: list[str] = Field(default_factory=list)


class PlanGroup(BaseModel):
    """A heading of the navigation, with its pages."""

    model_config = ConfigDict(extra="ignore", defer_build=True)

    group: str = ""
    pages: list[PlanPage] = Field(default_factory=list)


class Plan(BaseModel):
    """The planned pages of a documentation set, in the order of its navigation."""

    model_config = ConfigDict(extra="ignore", defer_build=True)

    project_name: str = ""
    tagline: str = ""
    navigation: list[PlanGroup] = Field(default_factory=list)

    def pages(self) -> list[PlanPage]:
        """Return every page in the order of the navigation."""
        return [page for group in self.navigation for page in group.pages]

    def to_json(self) -> str:
        """Write the plan as strict JSON text."""
        return json.dumps(self.model_dump(exclude_defaults=False), ensure_ascii=True, allow_nan=False)


def parse_plan(text: str | None) -> Plan | None:
    """Read a stored ``plan_json``; anything malformed counts as no plan.

    Parameters
    ----------
    text : str or None
        JSON text.

    Returns
    -------
    Plan or None
        None for None, for text that is not JSON, has the wrong shape, or has no page.
    """
    if not text:
        return None
    try:
        plan = Plan.model_validate_json(text)
    except ValidationError:
        return None
    return plan if plan.pages() else None


@dataclass(frozen=True, slots=True)
class Variant:
    """One row: a documentation set and the state of its current or latest run.

    The field names are those of the REST API, see ``docs/contract.md``. Times are ISO 8601 texts in UTC.
    """

    name: str
    branch: str
    ai_provider: str
    ai_model: str
    owner: str
    repo_url: str
    status: Status
    created_at: str
    updated_at: str
    current_stage: Stage | None = None
    page_count: int = 0
    plan_json: str | None = None
    error_message: str | None = None
    last_commit_sha: str | None = None
    last_generated: str | None = None
    generation_id: str = ""
    is_default_branch: bool | None = None
    ref_kind: str | None = None
    pages_done: tuple[str, ...] = ()
    pages_active: tuple[str, ...] = ()
    failed_pages: tuple[FailedPage, ...] = ()
    failed_stage: Stage | None = None
    started_at: str | None = None
    started_by: str | None = None
    stage_times: Mapping[str, str] = field(default_factory=dict)
    page_times: Mapping[str, str] = field(default_factory=dict)
    queue_position: int | None = None
    eta_at: str | None = None
    checking_since: str | None = None  # the site is rendered since then, and only the check of the pages is awaited
    notes: tuple[str, ...] = ()  # on the repository as the run found it: changes that are not committed, say
    run_cost_usd: float | None = None
    total_cost_usd: float | None = None
    # the estimate of the run: pages, calls, tokens, cost_usd, seconds, at_most, basis; asked: somebody had asked for it before
    foreseen: Mapping[str, Any] | None = None
    untold_calls: int = 0  # of the run, that may have cost and nobody knows how much
    findings: int = 0
    finding_list: tuple[Finding, ...] = ()
    unmentioned: tuple[str, ...] = ()
    unmentioned_total: int = 0
    site: bool = False
    credential_env: str | None = None

    def __repr__(self) -> str:
        # a cell that ends with a row, or a list of them, shows this: all fields, the plan among them, would fill screens
        failed = f", {self.error_message}" if self.error_message else ""
        return f"<{type(self).__name__} {self.address}: {self.status.value}, page_count={self.page_count}{failed}>"

    @property
    def key(self) -> VariantKey:
        """The variant's key."""
        return VariantKey(self.name, self.branch, self.ai_provider, self.ai_model, self.owner)

    @property
    def address(self) -> str:
        """``name/branch/provider/model``."""
        return self.key.address

    def plan(self) -> Plan | None:
        """Return the parsed plan, None where there is none or it is malformed."""
        return parse_plan(self.plan_json)

    def to_json(self, *, slim: bool = False) -> dict[str, Any]:
        """Return the row as the REST API answers it.

        Parameters
        ----------
        slim : bool
            Leave out the fields of `ROW_ONLY`, for listings.
        """
        row = {f.name: getattr(self, f.name) for f in fields(self)}
        row["status"] = self.status.value
        row["current_stage"] = self.current_stage.value if self.current_stage else None
        row["failed_stage"] = self.failed_stage.value if self.failed_stage else None
        row["failed_pages"] = [{"slug": p.slug, "reason": p.reason} for p in self.failed_pages]
        for name in ("pages_done", "pages_active", "unmentioned", "notes"):
            row[name] = list(row[name])
        row["stage_times"] = dict(self.stage_times)
        row["page_times"] = dict(self.page_times)
        row["finding_list"] = [{"slug": f.slug, "kind": f.kind, "name": f.name} for f in self.finding_list]
        if slim:
            for name in ROW_ONLY:
                del row[name]
        return row

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read a row from the REST API; unknown fields are ignored, nonsense becomes the field's default.

        Raises
        ------
        ValueError
            The row names no variant or has a status that does not exist.
        """
        texts = {name: str(row.get(name) or "") for name in ("name", "branch", "ai_provider", "ai_model", "owner", "repo_url")}
        if not texts["name"]:
            raise ValueError("not a variant: it has no name")
        return cls(
            **texts,
            status=Status(str(row.get("status"))),
            created_at=str(row.get("created_at") or ""),
            updated_at=str(row.get("updated_at") or ""),
            current_stage=_stage(row.get("current_stage")),
            page_count=whole_number(row.get("page_count")),
            plan_json=_text(row.get("plan_json")),
            error_message=_text(row.get("error_message")),
            last_commit_sha=_text(row.get("last_commit_sha")),
            last_generated=_text(row.get("last_generated")),
            generation_id=str(row.get("generation_id") or ""),
            is_default_branch=None if row.get("is_default_branch") is None else bool(row.get("is_default_branch")),
            ref_kind=_text(row.get("ref_kind")),
            pages_done=tuple(str(s) for s in row.get("pages_done") or ()),
            pages_active=tuple(str(s) for s in row.get("pages_active") or ()),
            failed_pages=tuple(FailedPage(str(p["slug"]), str(p["reason"])) for p in row.get("failed_pages") or ()),
            failed_stage=_stage(row.get("failed_stage")),
            started_at=_text(row.get("started_at")),
            started_by=_text(row.get("started_by")),
            stage_times=dict(row.get("stage_times") or {}),
            page_times=dict(row.get("page_times") or {}),
            queue_position=None if row.get("queue_position") is None else whole_number(row.get("queue_position")),
            eta_at=_text(row.get("eta_at")),
            checking_since=_text(row.get("checking_since")),
            notes=tuple(str(note) for note in row.get("notes") or ()),
            run_cost_usd=money(row.get("run_cost_usd")),
            total_cost_usd=money(row.get("total_cost_usd")),
            foreseen=row["foreseen"] if isinstance(row.get("foreseen"), Mapping) else None,
            untold_calls=whole_number(row.get("untold_calls")),
            findings=whole_number(row.get("findings")),
            finding_list=tuple(Finding(str(f["slug"]), str(f["kind"]), str(f["name"])) for f in row.get("finding_list") or ()),
            unmentioned=tuple(str(name) for name in row.get("unmentioned") or ()),
            unmentioned_total=whole_number(row.get("unmentioned_total")),
            site=bool(row.get("site")),
            credential_env=_text(row.get("credential_env")),
        )

    def changed(self, **changes: Any) -> Variant:
        """Return a copy with other values."""
        return replace(self, **changes)


def whole_number(value: object) -> int:
    """Read a count from outside: NaN, infinities, negatives and text become 0; at most 1,000,000."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return max(0, min(int(value), 1_000_000))


def money(value: object) -> float | None:
    """Read an amount from outside; what is not a finite number ≥ 0 is unknown (None), never 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return float(value)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _stage(value: object) -> Stage | None:
    try:
        return Stage(str(value)) if value is not None else None
    except ValueError:
        return None
