"""The history in the caller's own DuckDB."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import duckdb
import pytest
from servers import Server

from docsfy_jupyter import DocsfyClient, GenerationFailed, connect, history


@pytest.fixture
def told(shared_server: Server, shared_repo: Path) -> Iterator[DocsfyClient]:
    """A client of a server that has made a good run and one that failed."""
    with connect(shared_server.url, shared_server.token) as client:
        client.wait(client.generate(shared_repo, name="told", provider="fake", model="pages=2"))
        with pytest.raises(GenerationFailed):
            client.wait(client.generate(shared_repo, name="told", provider="fake", model="pages=2,fail=page-2"))
        yield client


def test_every_table_can_be_asked_while_the_server_runs(told: DocsfyClient) -> None:
    with history(told) as past:
        outcomes = past.sql("SELECT outcome, count(*) FROM runs WHERE name = 'told' GROUP BY outcome ORDER BY outcome").fetchall()
        assert outcomes == [("error", 1), ("ready", 1)]
        pages = past.sql("SELECT slug, failure FROM pages JOIN runs USING (generation_id) WHERE name = 'told' AND pages.outcome = 'failed'")
        assert pages.fetchall() == [("page-2", "exit code 1: the fake failed")]
        stages = past.sql(
            "SELECT stage FROM stages JOIN runs USING (generation_id) WHERE runs.name = 'told' AND outcome = 'ready' ORDER BY began_at"
        ).fetchall()
        assert [stage for (stage,) in stages] == ["cloning", "planning", "generating_pages", "rendering"]
        assert past.sql("SELECT count(*) FROM stages WHERE ended_at < began_at").fetchall() == [(0,)]
        began = past.sql("SELECT min(started_at) FROM runs WHERE name = 'told'").fetchall()[0][0]
        assert began.utcoffset() == UTC.utcoffset(None)
        calls = past.sql("SELECT purpose, calls.outcome, count(*) FROM ai_calls AS calls JOIN runs USING (generation_id) WHERE name = 'told' GROUP BY ALL ORDER BY ALL")
        assert calls.fetchall() == [("page", "failed", 3), ("page", "ok", 3), ("plan", "ok", 2)]
        assert past.sql("SELECT count(*) FROM events").fetchall()[0][0] > 0
        assert past.sql("SELECT status FROM projects WHERE name = 'told' ORDER BY status").fetchall() == [("error",), ("ready",)]
        assert "runs" in repr(past)
        again = past.refresh().sql("SELECT count(*) FROM runs WHERE name = 'told'").fetchall()
        assert again == [(2,)]


def test_what_was_asked_outlives_the_history_that_was_asked(told: DocsfyClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    asked = history(told).sql("SELECT DISTINCT name FROM runs WHERE name = 'told'")
    gc.collect()
    assert asked.fetchall() == [("told",)]
    assert list(tmp_path.iterdir()) == []


def test_what_was_foreseen_of_a_run_is_beside_what_came_of_it(told: DocsfyClient, shared_repo: Path) -> None:
    for force in (False, True):
        told.wait(told.generate(shared_repo, name="foretold", provider="fake", model="pages=2,title=Foretold", force=force))
    with history(told) as past:
        found = past.sql(
            "SELECT estimated_pages, pages_fresh, estimated_calls, "
            "(SELECT count(*) FROM ai_calls WHERE ai_calls.generation_id = runs.generation_id), "
            "estimated_seconds > 0, estimated_tokens, estimate_basis FROM runs WHERE name = 'foretold' ORDER BY started_at"
        ).fetchall()
    assert found[1] == (2, 2, 3, 3, True, None, "variant")
    latest = told.runs(name="foretold")["runs"][0]
    assert (latest["estimated_pages"], latest["estimate_at_most"], latest["estimated_cost_usd"]) == (2, False, None)


def test_a_snapshot_is_a_database_of_its_own_and_other_tables_are_refused(shared_server: Server, tmp_path: Path) -> None:
    answer = shared_server.call("GET", "api/snapshot")
    (tmp_path / "copy.duckdb").write_bytes(answer.content)
    with duckdb.connect(str(tmp_path / "copy.duckdb"), read_only=True) as copy:
        assert copy.sql("SELECT count(*) >= 0 FROM runs").fetchall() == [(True,)]
    refused = shared_server.call("GET", "api/history.parquet?table=secrets")
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
