"""One run as data: what is to be done, who is told, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from docsfy_jupyter.generation.folders import VariantFolder
from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.generation.spending import Budget
from docsfy_jupyter.generation.workers import Workers
from docsfy_jupyter.models import Plan, Stage, VariantKey
from docsfy_jupyter.providers.base import Provider
from docsfy_jupyter.sources.rules import Source, SourcePolicy
from docsfy_jupyter.store.records import CallRecord, PageRecord
from docsfy_jupyter.verification.jobs import Report


class Emitter(Protocol):
    """Where a run tells what happens; the manager folds it into rows and events."""

    def stage(self, stage: Stage, **changes: Any) -> None:
        """Enter a stage, together with other changes of the row."""

    def change(self, **changes: Any) -> None:
        """Change fields of the row."""

    def page_started(self, slug: str) -> None:
        """Note that a page is in work."""

    def called(self, record: CallRecord, *, untold: bool) -> None:
        """Note a call of the provider; `untold`: it may have cost, and nobody knows how much."""

    def page_ended(self, record: PageRecord) -> None:
        """Note that a page is done, reused or failed."""

    def checked(self, report: Report) -> None:
        """Note what the pages mention and the clone does not have."""

    def log(self, kind: str, text: str, **details: Any) -> None:
        """Append an event."""


@dataclass(frozen=True)
class RunJob:
    """What to generate, and with what."""

    key: VariantKey
    generation_id: str
    source: Source
    folder: VariantFolder
    scratch: Path
    provider: Provider
    policy: SourcePolicy
    processes: Processes
    workers: Workers
    force: bool
    call_timeout: float
    concurrent_pages: int
    budget: Budget
    render_timeout: float = 600.0


@dataclass(frozen=True)
class RunResult:
    """How a run that did not fail ended; ``site`` is the version to publish, None when nothing was rendered."""

    stage: Stage | None
    commit: str
    plan: Plan
    site: Path | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
