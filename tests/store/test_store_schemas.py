"""A file of every schema version that was ever released opens, and loses nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from docsfy_jupyter.models import Status
from docsfy_jupyter.store.migrations import VERSION
from docsfy_jupyter.store.store import Store

DATA = Path(__file__).parents[1] / "data" / "store"


@pytest.mark.parametrize("version", range(1, VERSION + 1))
async def test_a_file_of_every_schema_version_opens(tmp_path: Path, version: int) -> None:
    shutil.copyfile(DATA / f"schema-{version}.duckdb", tmp_path / "docsfy.duckdb")
    store = await Store.open(tmp_path)
    assert store.notices == []
    (row,) = await store.load_variants()
    assert (row.name, row.status, row.page_count) == ("demo", Status.READY, 3)
    runs, total = await store.list_runs({"outcome": "ready"}, 10, 0)
    assert (total, runs[0]["generation_id"], runs[0]["estimated_cost_usd"]) == (1, "g1", None)
    assert [event["kind"] for event in await store.list_events("g1", 0, 10)] == ["started", "ready"]
    await store.close()
