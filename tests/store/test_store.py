"""A real DuckDB file: locks, the one terminal write, recovery, damage."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from docsfy_jupyter.errors import StoreUnavailable
from docsfy_jupyter.models import Stage, Status, Variant, iso, utc_now
from docsfy_jupyter.store.records import Ending, Event, ProgressUpdate, RunEnd, RunStart
from docsfy_jupyter.store.store import Store

NOW = iso(utc_now()) or ""
ROW = Variant("demo", "main", "local", "static", "me", "https://h.example/demo", Status.GENERATING, NOW, NOW, generation_id="g1")


async def begin(store: Store, row: Variant = ROW) -> None:
    event = Event(row.generation_id, utc_now(), "started", "x", "me")
    await store.begin_run(row, RunStart(row.generation_id, row.key, row.repo_url, "me", utc_now()), event)


def end(outcome: str) -> RunEnd:
    return RunEnd("g1", "me", utc_now(), outcome)


async def test_the_terminal_status_is_written_once_and_a_late_page_changes_nothing(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await begin(store)
    aborted = ROW.changed(status=Status.ABORTED, current_stage=None)
    event = Event("g1", utc_now(), "aborted", "x")
    assert await store.end_run(Ending(aborted, end("aborted"), (event,))) == aborted
    assert await store.end_run(Ending(ROW.changed(status=Status.READY), end("ready"), (event,))) == aborted
    await store.save_progress([ProgressUpdate(ROW.changed(page_count=9))])
    (row,) = await store.load_variants()
    assert (row.status, row.page_count) == (Status.ABORTED, 0)
    await store.close()
    assert not list(tmp_path.glob("*.wal"))


@pytest.mark.case("F07")
async def test_progress_writes_what_changed_and_keeps_the_plan(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await begin(store, ROW.changed(current_stage=Stage.PLANNING))
    planned = ROW.changed(current_stage=Stage.GENERATING_PAGES, plan_json='{"navigation": []}')
    await store.save_progress([ProgressUpdate(planned, planned=True)])
    await store.save_progress([ProgressUpdate(planned.changed(page_count=1))], [Event("g1", utc_now(), "page_done", "A")])
    assert await store.load_variants() == [planned.changed(page_count=1)]
    sql = "SELECT current_stage, page_count, plan_json FROM projects"
    (row,) = await store._database.read(sql)
    assert tuple(row.values()) == ("generating_pages", 1, planned.plan_json)
    assert [event["kind"] for event in await store.list_events("g1", 0, 9)] == ["started", "page_done"]
    await store.close()


@pytest.mark.case("D01")
@pytest.mark.case("D03")
async def test_many_writers_and_readers_lose_nothing(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    rows = [ROW.changed(name=f"demo-{i}", generation_id=f"g{i}") for i in range(10)]
    for row in rows:
        await begin(store, row)
    writes = [store.save_progress([ProgressUpdate(row.changed(page_count=n))]) for n in range(1, 11) for row in rows]
    answers = await asyncio.gather(*writes, *[store.list_runs({}, 100, 0) for _ in range(50)])
    assert all(total == 10 for _, total in answers[100:])
    assert {row.page_count for row in await store.load_variants()} == {10}
    await store.close()


@pytest.mark.case("F03")
async def test_recovery_turns_orphans_into_errors_and_leaves_others(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await begin(store, ROW.changed(current_stage=Stage.GENERATING_PAGES, page_count=3))
    ready = ROW.changed(name="other", generation_id="g2", status=Status.READY)
    await begin(store, ready)
    await store.recover("Server restarted during generation")
    rows = {row.name: row for row in await store.load_variants()}
    orphan = rows["demo"]
    assert (orphan.status, orphan.current_stage, orphan.failed_stage, orphan.page_count) == (
        Status.ERROR,
        None,
        Stage.GENERATING_PAGES,
        3,
    )
    assert rows["other"] == ready
    runs, _ = await store.list_runs({"name": "demo"}, 9, 0)
    facts = ("outcome", "failed_stage", "ended_by", "error_message", "page_count")
    assert [runs[0][fact] for fact in facts] == [
        "error", "generating_pages", "the server (it was restarted)", "Server restarted during generation", 3,
    ]  # fmt: skip
    assert runs[0]["ended_at"] is not None
    await store.close()


@pytest.mark.case("D02")
async def test_a_second_store_is_refused_with_the_holder_and_succeeds_when_freed(tmp_path: Path) -> None:
    first = await Store.open(tmp_path)
    with pytest.raises(StoreUnavailable, match=f"in use by PID {os.getpid()}"):
        await Store.open(tmp_path)
    await first.close()
    await (await Store.open(tmp_path)).close()


@pytest.mark.case("D02")
async def test_a_foreign_process_that_holds_the_file_is_named(tmp_path: Path) -> None:
    await (await Store.open(tmp_path)).close()
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    path = str(tmp_path / "docsfy.duckdb")
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(StoreUnavailable, match=f"in use by PID {other.pid}"):
            await Store.open(tmp_path)
    await (await Store.open(tmp_path)).close()


@pytest.mark.case("D06")
async def test_a_damaged_file_is_moved_aside_and_said(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await begin(store)
    await store.close()
    path = tmp_path / "docsfy.duckdb"
    path.write_bytes(os.urandom(path.stat().st_size))
    store = await Store.open(tmp_path)
    assert await store.load_variants() == []
    assert len(store.notices) == 1
    (aside,) = tmp_path.glob("docsfy.duckdb.corrupt-*")
    assert str(aside) in store.notices[0]
    await store.close()


@pytest.mark.case("D06")
async def test_a_damaged_log_is_moved_aside_and_the_database_kept(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await begin(store)
    await store.close()
    code = "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute('INSERT INTO events (kind) SELECT range::VARCHAR FROM range(500)'); os._exit(0)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "docsfy.duckdb")], check=True)
    wal = tmp_path / "docsfy.duckdb.wal"
    content = bytearray(wal.read_bytes())
    content[len(content) // 2] ^= 0xFF
    wal.write_bytes(content)
    store = await Store.open(tmp_path)
    assert [row.name for row in await store.load_variants()] == ["demo"]
    assert list(tmp_path.glob("docsfy.duckdb.wal.corrupt-*"))
    assert "log of the database" in store.notices[0]
    await store.close()


async def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    await (await Store.open(tmp_path)).close()
    with duckdb.connect(str(tmp_path / "docsfy.duckdb")) as connection:
        connection.execute("INSERT INTO schema_version VALUES (99, now())")
    with pytest.raises(StoreUnavailable, match="schema 99"):
        await Store.open(tmp_path)
    with duckdb.connect(str(tmp_path / "docsfy.duckdb")) as connection:
        assert connection.execute("SELECT max(version) FROM schema_version").fetchall() == [(99,)]


async def test_text_that_is_not_unicode_is_cleaned(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await begin(store)
    await store.save_progress([], [Event("g1", utc_now(), "note", "caf\udce9\x00")])
    assert (await store.list_events("g1", 0, 10))[-1]["text"] == "caf?"
    await store.close()
