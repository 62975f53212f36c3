"""A server for each file of this folder, which its tests break in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from field import Field, opened


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory, silent_hosts: str) -> Iterator[Field]:
    """The server, and what it works on."""
    with opened(tmp_path_factory.mktemp("field"), silent_hosts) as made:
        yield made
