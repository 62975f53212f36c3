"""Shapes of the JSON answers, for the published description. `tests/server` holds real answers against them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from docsfy_jupyter.models import Status, Variant
from docsfy_jupyter.progress import LogEntry


class Answer(BaseModel):
    """Base: an answer has no field that is not named here. Built on first use, since a server seldom publishes itself."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class Health(Answer):
    """The store is open."""

    status: str


class Fault(Answer):
    """One fault of a body or query."""

    path: str
    reason: str


class ErrorAnswer(Answer):
    """Every answer that is no success."""

    detail: str
    message: str
    code: str
    faults: list[Fault] = []
    candidates: list[str] = []
    holder: int | str | None = None


class Accepted(Answer):
    """A run was started."""

    project: str
    status: Status
    branch: str
    generation_id: str


class Refused(Answer):
    """An item of a batch that was not started; with the run in progress or every fault of its body, where that is why."""

    detail: str
    code: str
    generation_id: str | None = None
    faults: list[dict[str, str]] | None = None


class BatchStarted(Answer):
    """A list of requests, each accepted or refused by itself."""

    batch_id: str
    items: list[Accepted | Refused]


Generated = Accepted | BatchStarted


class Summary(Variant):
    """A row without its plan and page lists; `openapi.schemas` removes those."""


class Estimate(Answer):
    """What a run would take; null is unknown."""

    name: str
    branch: str | None
    ai_provider: str
    ai_model: str
    owner: str
    pages: int | None
    calls: int | None
    at_most: bool
    tokens: int | None
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    page_cost_usd: float | None
    cost_basis: Literal["billed", "computed", "notional", "free"] | None
    seconds: float | None
    basis: Literal["variant", "model", "rough"] | None
    free: bool
    note: str
    last_pages: int | None
    last_cost_usd: float | None
    unavailable: str | None
    text: str
    question: str | None


class Project(Answer):
    """The variants of a name."""

    name: str
    variants: list[Summary]


class FreshVariant(Answer):
    """A variant's commit, and the one that its branch holds now."""

    name: str
    branch: str
    ai_provider: str
    ai_model: str
    owner: str
    repo_url: str
    documented: str | None
    current: str | None
    state: Literal["current", "behind", "unknown"]
    error: str | None
    checked_at: str


class Freshness(Answer):
    """Whether variants are up to date."""

    variants: list[FreshVariant]
    total: int


class Action(Answer):
    """What a person can do now."""

    id: str
    label: str


class Drawn(BaseModel):
    """What a list draws of a row; beside these fields, those of the summary."""

    model_config = ConfigDict(defer_build=True)

    status: Status
    label: str
    percent: int | None
    text: str
    total: int
    stage_text: str
    actions: list[Action]
    delete_question: str
    source: dict[str, str]
    commit_url: str | None


class Screen(Drawn):
    """What a client draws of one row."""

    log: list[LogEntry]
    foreseen_text: str


Row = Variant | Screen
Description = dict[str, Any]


class Listing(Answer):
    """Rows of variants."""

    projects: list[Summary | Variant | Drawn]
    known_branches: dict[str, list[str]]
    known_models: dict[str, list[str]]
    total: int
    rev: int


class Event(Answer):
    """Something that happened in a run."""

    seq: int
    generation_id: str
    occurred_at: str
    kind: str
    text: str
    user_name: str | None
    details: dict[str, Any]


class Events(Answer):
    """Events of a run, oldest first."""

    generation_id: str
    events: list[Event]


class Aborted(Answer):
    """The run is over and its processes are gone."""

    aborted: str
    variant: Variant


class Deleted(Answer):
    """What was deleted."""

    deleted: str


class Model(Answer):
    """A model to choose."""

    id: str
    name: str


class ProviderState(BaseModel):
    """Whether a provider can be used, and what it tells of itself."""

    model_config = ConfigDict(defer_build=True)

    available: bool
    reason: str | None
    model: str | None


class Models(Answer):
    """Providers and their models."""

    providers: list[str]
    default_provider: str
    default_model: str
    available_models: dict[str, list[Model]]
    provider_status: dict[str, ProviderState]


class Run(Answer):
    """One attempt to generate a variant."""

    generation_id: str
    name: str
    branch: str
    ai_provider: str
    ai_model: str
    owner: str
    repo_url: str | None
    started_by: str | None
    ended_by: str | None
    batch_id: str | None
    forced: bool | None
    started_at: str | None
    ended_at: str | None
    outcome: str | None
    failed_stage: str | None
    error_message: str | None
    commit_sha: str | None
    page_count: int | None
    total_pages: int | None
    pages_fresh: int | None
    pages_cached: int | None
    cost_usd: float | None
    stage_times: dict[str, str]
    deleted: bool
    estimated_pages: int | None
    estimated_calls: int | None
    estimated_tokens: int | None
    estimated_cost_usd: float | None
    estimated_seconds: float | None
    estimate_at_most: bool | None
    estimate_basis: Literal["variant", "model", "rough"] | None


class Runs(Answer):
    """Runs, newest first."""

    runs: list[Run]
    total: int


class BatchSums(Answer):
    """What the runs of a batch come to; an unknown cost is null, and one that is known in part is at least so much."""

    runs: int
    generating: int
    ready: int
    error: int
    aborted: int
    pages_done: int
    pages_total: int
    cost_usd: float | None
    cost_at_least: bool


class Batch(Answer):
    """The runs of a batch, and the rows of those that are their variants' latest."""

    batch_id: str
    runs: list[Run]
    variants: list[Summary]
    sums: BatchSums


class NotAborted(Answer):
    """A run of a batch that could not be aborted."""

    address: str
    detail: str
    code: str


class BatchAborted(Answer):
    """What an abort of a batch did."""

    batch_id: str
    aborted: list[str]
    failed: list[NotAborted]
