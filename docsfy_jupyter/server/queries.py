"""Queries of the routes: validated from these models, and published from them."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from docsfy_jupyter.models import Status
from docsfy_jupyter.requests import Segment

Count = Annotated[int, Field(ge=0, le=10**12)]
Revision = Annotated[int, Field(ge=0, lt=2**53)]


class Query(BaseModel):
    """Base; what nobody knows is ignored, since Jupyter and proxies add parameters of their own."""

    model_config = ConfigDict(extra="ignore", defer_build=True)


class OwnerQuery(Query):
    """What every path of a variant takes."""

    owner: Segment | None = Field(default=None, description="Owner of the variant; the caller's own is preferred.")


class AddressQuery(OwnerQuery):
    """A variant's address, for proxies that decode ``%2F`` in paths."""

    name: Segment = Field(description="Project name.")
    provider: Segment = Field(description="AI provider.")
    model: Segment = Field(description="AI model.")
    branch: Segment | None = Field(default=None, description="Branch or tag; the default branch's variant when not given.")


class RowQuery(Query):
    """How a variant is read."""

    view: Literal["progress"] | None = Field(default=None, description="What a client draws, instead of the row.")
    wait: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        default=None, description="Seconds to hold the answer until the row changes; at most 25."
    )
    etag: str | None = Field(default=None, description="The tag that the caller has; an If-None-Match header does the same.")


class EventsQuery(Query):
    """Which events."""

    after: Count = Field(default=0, description="Sequence number; only later events are answered.")
    limit: Count = Field(default=500, description="At most so many; 5000 at the most.")


class AbortQuery(Query):
    """Which run."""

    generation_id: str | None = Field(default=None, description="Abort this very run only; 409 when another is in progress.")


class GenerateQuery(Query):
    """What a list of requests is called."""

    batch_id: UUID | None = Field(
        default=None,
        description="With a list: the id of its batch. The same id and list again start nothing and get the same answer, so that "
        "a request whose answer was lost can be repeated. The answer is remembered until the server ends: after a restart the "
        "list is started again, and what is up to date by then costs nothing.",
    )


class ListQuery(Query):
    """Which rows of the listing."""

    limit: Count = Field(default=500, description="At most so many; 10000 at the most.")
    offset: Count = Field(default=0, description="Leave out so many.")
    status: Status | None = Field(default=None, description="Only rows of this status.")
    provider: str | None = Field(default=None, description="Only rows of this provider.")
    q: str | None = Field(default=None, description="Only rows whose address or repository contains this text.")
    full: bool = Field(default=False, description="Whole rows, with the plan.")
    view: Literal["progress"] | None = Field(default=None, description="`progress`: what a list draws of each row.")
    since: Revision = Field(default=0, description="Only rows that changed after this `rev`; a `rev` nobody gave means all.")
    wait: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        default=None, description="Seconds to hold the answer until a row fits; at most 25."
    )


class FreshnessQuery(Query):
    """Which variants, and how new the answer must be."""

    name: str | None = Field(default=None, description="Only variants of this project.")
    q: str | None = Field(default=None, description="Only variants whose address or repository contains this text.")
    refresh: bool = Field(default=False, description="Ask every repository anew; answers are kept for ten minutes otherwise.")
    limit: Count = Field(default=1000, description="At most so many; 1000 at the most.")
    offset: Count = Field(default=0, description="Leave out so many.")


class TableQuery(Query):
    """Which table of the history."""

    table: Literal["runs", "stages", "pages", "ai_calls", "events", "projects"] = Field(
        default="runs", description="`stages` holds one row for each stage of each run."
    )


class RunsQuery(Query):
    """Which runs of the history."""

    name: str | None = None
    branch: str | None = None
    provider: str | None = None
    model: str | None = None
    outcome: Literal["ready", "error", "aborted"] | None = None
    batch: str | None = Field(default=None, description="Only runs of this batch.")
    since: str | None = Field(default=None, description="ISO 8601 time; only runs that began then or later.")
    limit: Count = Field(default=100, description="At most so many; 1000 at the most.")
    offset: Count = Field(default=0, description="Leave out so many.")
