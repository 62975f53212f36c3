"""The life of a run, recorded as readers see it on the change feed: exactly the transitions of the contract."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from recording import check_counts, finished, record, running, start, transitions, until
from servers import Server, commit

from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.models import Stage, Status, Variant

WHOLE = ["started", "cloning", "planning", "generating_pages", "rendering", "ready"]


class Statements:
    """A connection that remembers what went through it; everything is done by the real one."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.ends: list[str] = []

    def execute(self, sql: str, values: Any = ()) -> Any:
        answer = self.connection.execute(sql, values)
        if sql.startswith("UPDATE projects SET status = ?") and values[0] != "generating":
            self.ends.append(values[0])
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


async def watch_statements(manager: Manager) -> Statements:
    """Have every statement of the writer counted."""
    database = (await manager.ready())._database
    statements = Statements(database._connection)
    database._connection = statements  # type: ignore[assignment]
    return statements


async def stored(manager: Manager) -> Any:
    """The only row, as the database has it."""
    (row,) = await (await manager.ready()).load_variants()
    return row


@pytest.mark.case("F09")
async def test_a_fresh_run_goes_through_every_stage_and_ends_once(tmp_path: Path, demo_repo: Path) -> None:
    async with running(tmp_path) as manager:
        statements = await watch_statements(manager)
        key = await start(manager, demo_repo, "pages=7,sleep=0.05")
        rows = await record(manager, key)
        assert transitions(rows) == WHOLE
        check_counts(rows)
        assert {0, 7} <= {row.page_count for row in rows}
        assert sorted(rows[-1].pages_done) == sorted(rows[-1].page_times) == [f"page-{n}" for n in range(1, 8)]
        assert (rows[-1].current_stage, rows[-1].last_commit_sha is None, rows[-1].site) == (None, False, True)
        assert max(len(row.pages_active) for row in rows) == 5
        first = next(row for row in rows if row.current_stage is Stage.GENERATING_PAGES)
        assert first.plan() is not None
        assert all(row.last_generated is None and row.last_commit_sha is None for row in rows[:-1])
        assert statements.ends == ["ready"]
        assert await stored(manager) == rows[-1]


@pytest.mark.case("F11")
async def test_the_same_commit_is_up_to_date_and_force_begins_at_zero(tmp_path: Path, demo_repo: Path) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo)
        first = await finished(manager, key)
        statements = await watch_statements(manager)
        await start(manager, demo_repo)
        rows = await record(manager, key)
        assert transitions(rows) == ["started", "cloning", "ready"]
        check_counts(rows)
        last = rows[-1]
        assert (last.current_stage, last.page_count, last.pages_done) == (Stage.UP_TO_DATE, 3, ())
        assert (last.last_generated, last.last_commit_sha) == (first.last_generated, first.last_commit_sha)
        assert (rows[0].page_count, rows[0].plan_json) == (0, first.plan_json)
        await start(manager, demo_repo, force=True)
        rows = await record(manager, key)
        assert transitions(rows) == WHOLE
        check_counts(rows)
        assert next(row.page_count for row in rows if row.current_stage is Stage.GENERATING_PAGES) == 0
        assert len(rows[-1].pages_done) == 3
        assert rows[-1].last_generated != first.last_generated
        assert statements.ends == ["ready", "ready"]


async def test_a_forced_run_that_ends_before_its_work_begins_loses_no_page(tmp_path: Path, demo_repo: Path) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo)
        assert (await finished(manager, key)).status is Status.READY
        away = demo_repo.rename(demo_repo.with_name("away"))
        (demo_repo / ".git").mkdir(parents=True)  # nothing that git could clone
        await start(manager, demo_repo, force=True, branch="main")
        assert (await finished(manager, key)).status is Status.ERROR
        shutil.rmtree(demo_repo)
        away.rename(demo_repo)
        again = await start(manager, demo_repo)
        row = await finished(manager, again)
        assert (row.status, row.current_stage, row.page_count) == (Status.READY, Stage.UP_TO_DATE, 3)


@pytest.mark.case("F13")
async def test_an_aborted_run_is_resumed_without_planning(tmp_path: Path, demo_repo: Path) -> None:
    async with running(tmp_path, max_concurrent_pages=1) as manager:
        key = await start(manager, demo_repo, "pages=4,sleep=0.2")
        await until(manager, key, lambda row: row.page_count == 2)
        aborted = await manager.abort(key, "me")
        assert (aborted.status, aborted.current_stage, aborted.failed_stage) == (Status.ABORTED, None, Stage.GENERATING_PAGES)
        await start(manager, demo_repo, "pages=4,sleep=0.2")
        rows = await record(manager, key)
        assert transitions(rows) == ["started", "cloning", "generating_pages", "rendering", "ready"]
        check_counts(rows)
        kept = next(row.page_count for row in rows if row.current_stage is Stage.GENERATING_PAGES)
        assert kept == aborted.page_count
        assert len(rows[-1].pages_done) == 4 - kept


async def test_a_changed_file_regenerates_its_pages_only(tmp_path: Path, demo_repo: Path) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, "static", "local")
        first = await finished(manager, key)
        text = (demo_repo / "demo/adding.py").read_text().replace("Add two numbers.", "Add two whole numbers.")
        sha = commit(demo_repo, {"demo/adding.py": text})
        await start(manager, demo_repo, "static", "local")
        rows = await record(manager, key)
        assert transitions(rows) == ["started", "cloning", "incremental_planning", "generating_pages", "rendering", "ready"]
        check_counts(rows)
        assert ["adding" in slug for slug in rows[-1].pages_done] == [True]
        assert (rows[-1].last_commit_sha, rows[-1].page_count) == (sha, first.page_count)
        pages = await (await manager.ready()).list_pages(rows[-1].generation_id)
        assert sorted(page["outcome"] for page in pages) == ["cached"] * (first.page_count - 1) + ["fresh"]


@pytest.mark.case("F12")
async def test_a_failed_page_and_a_failed_clone_end_in_error_once(tmp_path: Path, demo_repo: Path) -> None:
    async with running(tmp_path) as manager:
        statements = await watch_statements(manager)
        key = await start(manager, demo_repo, "pages=4,fail=page-2")
        rows = await record(manager, key)
        assert transitions(rows) == ["started", "cloning", "planning", "generating_pages", "error"]
        check_counts(rows)
        last = rows[-1]
        assert (last.page_count, last.failed_stage, last.current_stage) == (3, Stage.GENERATING_PAGES, None)
        assert [page.slug for page in last.failed_pages] == ["page-2"]
        other = await start(manager, demo_repo, "pages=1", branch="nowhere", name="other")
        rows = await record(manager, other)
        assert transitions(rows) == ["started", "cloning", "error"]
        check_counts(rows)
        assert rows[-1].failed_stage is Stage.CLONING
        assert "branch nowhere not found" in str(rows[-1].error_message)
        assert statements.ends == ["error", "error"]
        runs, _ = await (await manager.ready()).list_runs({"outcome": "error"}, 9, 0)
        assert sorted(run["failed_stage"] for run in runs) == ["cloning", "generating_pages"]


async def test_a_queued_run_says_so_and_where_it_stands(tmp_path: Path, demo_repo: Path) -> None:
    async with running(tmp_path, max_concurrent_generations=1) as manager:
        await start(manager, demo_repo, "pages=1,sleep=0.5")
        key = await start(manager, demo_repo, "pages=1,n=2")
        rows = await record(manager, key)
        assert transitions(rows) == ["started", "queued", *WHOLE[1:]]
        check_counts(rows)
        assert [row.queue_position for row in rows if row.current_stage is Stage.QUEUED] == [1]


def test_polling_sees_an_ordered_part_of_the_same_transitions(shared_server: Server, shared_repo: Path) -> None:
    body = {"repo_path": str(shared_repo), "provider": "fake", "model": "pages=6,sleep=0.3", "name": "polled"}
    assert shared_server.call("POST", "api/generate", json=body).status_code == 202
    rows: list[Variant] = []
    while not rows or not rows[-1].status.terminal:
        row = Variant.from_json(shared_server.call("GET", "api/projects/polled/main/fake/pages%3D6%2Csleep%3D0.3").json())
        if not rows or row != rows[-1]:
            rows.append(row)
    seen = transitions(rows)
    assert seen == [stage for stage in WHOLE if stage in seen]
    assert {"generating_pages", "ready"} <= set(seen)
    check_counts(rows)
