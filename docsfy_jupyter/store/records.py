"""What is written beside the rows of variants: runs, events, pages, calls. Every field has the name of its column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Self

from docsfy_jupyter.models import Variant, VariantKey, iso


@dataclass(frozen=True)
class RunStart:
    """A run as it begins; ``started_at`` is aware, in UTC."""

    generation_id: str
    key: VariantKey
    repo_url: str
    started_by: str
    started_at: datetime
    forced: bool = False
    batch_id: str | None = None


@dataclass(frozen=True)
class RunEnd:
    """What is known of a run once it has ended; ``cost_usd`` None is unknown, never 0."""

    generation_id: str
    ended_by: str | None
    ended_at: datetime
    outcome: str
    failed_stage: str | None = None
    error_message: str | None = None
    commit_sha: str | None = None
    page_count: int = 0
    total_pages: int = 0
    pages_fresh: int = 0
    pages_cached: int = 0
    cost_usd: float | None = None
    stage_times: Mapping[str, str] = field(default_factory=dict)
    estimated_pages: int | None = None
    estimated_calls: int | None = None
    estimated_tokens: int | None = None
    estimated_cost_usd: float | None = None
    estimated_seconds: float | None = None
    estimate_at_most: bool | None = None
    estimate_basis: str | None = None


def estimated(row: Variant) -> dict[str, Any]:
    """Return what was foreseen of a row's run, by the fields of its end."""
    found = row.foreseen or {}
    figures = {f"estimated_{name}": found.get(name) for name in ("pages", "calls", "tokens", "cost_usd", "seconds")}
    return {**figures, "estimate_at_most": found.get("at_most"), "estimate_basis": found.get("basis")}


@dataclass(frozen=True)
class Event:
    """One line of a run's log; append only."""

    generation_id: str
    occurred_at: datetime
    kind: str
    text: str
    user_name: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PageRecord:
    """What became of one page in one run; ``outcome`` is ``fresh``, ``cached`` or ``failed``, ``seconds`` the time it took."""

    generation_id: str
    slug: str
    title: str
    provider: str
    model: str
    commit_sha: str
    sources: tuple[str, ...]
    prompt_hash: str
    generator_version: str
    cache_key: str
    seconds: float
    outcome: str
    failure: str | None
    occurred_at: datetime


@dataclass(frozen=True)
class CallRecord:
    """One call of a provider; ``cost_usd`` None is unknown, ``basis`` says how a cost is known, ``slug`` None is no page."""

    generation_id: str
    slug: str | None
    purpose: str
    provider: str
    model: str
    tokens_in: int | None
    tokens_out: int | None
    tokens_cached: int | None
    cost_usd: float | None
    basis: str | None
    seconds: float
    outcome: str
    occurred_at: datetime


@dataclass(frozen=True)
class Ending:
    """The end of a run: the row as it is to be, what the history gets, and what the run had to tell and was not written yet."""

    row: Variant
    end: RunEnd
    events: tuple[Event, ...] = ()
    pages: tuple[PageRecord, ...] = ()
    calls: tuple[CallRecord, ...] = ()

    def to_json(self) -> str:
        """Write it as text that `from_json` reads; lone surrogates survive."""
        records = {name: [asdict(one) for one in getattr(self, name)] for name in _TOLD}
        data = {"row": self.row.to_json(), "end": asdict(self.end), **records}
        return json.dumps(data, default=lambda value: iso(value) if isinstance(value, datetime) else str(value))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError, TypeError, KeyError, AttributeError
            It was not, or by a version with other fields.
        """
        data = json.loads(text)
        records = {name: tuple(_read(kind, one) for one in data[name]) for name, kind in _TOLD.items()}
        return cls(Variant.from_json(data["row"]), _read(RunEnd, data["end"]), **records)


_TOLD: dict[str, type[Any]] = {"events": Event, "pages": PageRecord, "calls": CallRecord}


def _read(kind: type[Any], data: Mapping[str, Any]) -> Any:
    named = {name: datetime.fromisoformat(value) if name.endswith("_at") else value for name, value in data.items()}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in named.items()})


@dataclass(frozen=True)
class ProgressUpdate:
    """The row of a run in progress as it is in memory; ``planned`` says whether its plan is another one than the stored."""

    row: Variant
    planned: bool = False


Record = RunStart | RunEnd | Event | PageRecord | CallRecord


def columns(record: Record) -> dict[str, Any]:
    """Return the fields of a record by their columns; a variant's key is five of them."""
    named = {f.name: getattr(record, f.name) for f in fields(record)}
    key = named.pop("key", None)
    return {**(asdict(key) if key is not None else {}), **named}
