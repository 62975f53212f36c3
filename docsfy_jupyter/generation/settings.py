"""The server's options, as the manager needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from docsfy_jupyter.sources.rules import SourcePolicy


@dataclass(frozen=True)
class Settings:
    """The server's options, as the traits say.

    Parameters
    ----------
    data_dir : Path
        Database, page caches and sites.
    default_provider, default_model : str
        Used when a request names none.
    max_concurrent_generations, max_concurrent_pages : int
        Limits.
    generations_by_provider : mapping of str to int
        How many of the concurrent generations one provider may have.
    call_timeout : float
        Seconds that one provider call may take.
    max_cost_usd_per_day : float or None
        What the calls of all runs of a UTC day may cost; None is no limit.
    abort_patience : float
        Seconds until an abort answers that it is still in progress; five by default.
    keep_events_days : int
        Days that events and pages of ended runs are kept; 0 is for ever.
    policy : SourcePolicy
        Which repositories are allowed.
    """

    data_dir: Path
    default_provider: str = "local"
    default_model: str = ""
    max_concurrent_generations: int = 4
    max_concurrent_pages: int = 5
    generations_by_provider: Mapping[str, int] = field(default_factory=dict)
    call_timeout: float = 600.0
    max_cost_usd_per_day: float | None = None
    abort_patience: float = 5.0
    keep_events_days: int = 0
    policy: SourcePolicy = field(default_factory=SourcePolicy)

    @property
    def scratch(self) -> Path:
        """Where clones live while their runs do."""
        return self.data_dir / "tmp"
