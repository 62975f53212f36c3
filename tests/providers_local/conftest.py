"""Makes small repositories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from local_writing import Written, write_repository


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, str]], Written]:
    """Return what makes a repository ``toy`` of texts by path."""
    return lambda files: write_repository(tmp_path / "toy", files)
