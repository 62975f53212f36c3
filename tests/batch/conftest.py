"""The fixtures of batches, for the tests of this folder."""

from __future__ import annotations

from batching import bench, restart  # noqa: F401 (fixtures)
