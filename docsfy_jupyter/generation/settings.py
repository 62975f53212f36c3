"""The server's options, as the manager needs them."""

from __future__ import annotations

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
    call_timeout : float
        Seconds that one provider call may take.
    policy : SourcePolicy
        Which repositories are allowed.
    """

    data_dir: Path
    default_provider: str = "local"
    default_model: str = ""
    max_concurrent_generations: int = 4
    max_concurrent_pages: int = 5
    call_timeout: float = 600.0
    policy: SourcePolicy = field(default_factory=SourcePolicy)

    @property
    def scratch(self) -> Path:
        """Where clones live while their runs do."""
        return self.data_dir / "tmp"
