"""The store in the field: killed writers, other versions of DuckDB, disks without locks, copies for readers."""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from docsfy_jupyter.errors import BadRequest, StoreUnavailable
from docsfy_jupyter.models import FailedPage, Status, Variant, iso, utc_now
from docsfy_jupyter.store import lock, opening
from docsfy_jupyter.store.records import CallRecord, Ending, Event, PageRecord, ProgressUpdate, RunEnd, RunStart
from docsfy_jupyter.store.store import Store

NOW = iso(utc_now()) or ""
ROW = Variant("demo", "main", "local", "static", "me", "https://h.example/demo", Status.GENERATING, NOW, NOW, generation_id="g1")
WRITER = """
import asyncio, sys
from pathlib import Path
from docsfy_jupyter.store.records import ProgressUpdate
from docsfy_jupyter.store.store import Store

async def main():
    store = await Store.open(Path(sys.argv[1]))
    (row,) = await store.load_variants()
    count = row.page_count
    while True:
        count += 1
        await store.save_progress([ProgressUpdate(row.changed(page_count=count))])
        print(count, flush=True)

asyncio.run(main())
"""


async def begin(store: Store, row: Variant = ROW) -> None:
    event = Event(row.generation_id, utc_now(), "started", "x", "me")
    await store.begin_run(row, RunStart(row.generation_id, row.key, row.repo_url, "me", utc_now()), event)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.case("D06")
async def test_no_acknowledged_write_is_lost_when_a_writer_is_killed_twenty_times(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await begin(store)
    await store.close()
    for _ in range(20):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()
            writer.kill()
            said = [first, *writer.stdout.readlines()]
        acknowledged = max(int(line) for line in said if line.endswith("\n"))
        store = await Store.open(tmp_path)
        (row,) = await store.load_variants()
        assert row.page_count in {acknowledged, acknowledged + 1}
        assert store.notices == []
        await store.close()


@pytest.mark.case("D08")
async def test_a_file_of_a_newer_duckdb_is_refused_and_left_alone(tmp_path: Path) -> None:
    await (await Store.open(tmp_path)).close()
    path = tmp_path / "docsfy.duckdb"
    content = bytearray(path.read_bytes())
    content[12:20] = (999).to_bytes(8, "little")
    path.write_bytes(content)
    before = digest(path)
    with pytest.raises(StoreUnavailable) as caught:
        await Store.open(tmp_path)
    for part in (str(path), "999", duckdb.__version__, "move the file"):
        assert part in caught.value.message
    assert digest(path) == before
    assert not list(tmp_path.glob("*.corrupt-*"))


@pytest.mark.case("D11")
@pytest.mark.parametrize("where", ["duckdb", "lock"])
async def test_a_disk_without_locks_names_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        if where == "lock":
            raise OSError(95, "Operation not supported")
        raise duckdb.IOException('IO Error: Could not set lock on file "x": Operation not supported')

    if where == "lock":
        monkeypatch.setattr(lock, "lock", refuse)
    else:
        monkeypatch.setattr(opening.duckdb, "connect", refuse)
    with pytest.raises(StoreUnavailable, match=r'c\.DocsfyApp\.data_dir = "/a/local/folder"'):
        await Store.open(tmp_path)


@pytest.mark.case("D04")
async def test_another_process_stays_out_after_a_refused_second_open(tmp_path: Path) -> None:
    first = await Store.open(tmp_path)
    with pytest.raises(StoreUnavailable):
        await Store.open(tmp_path)
    code = "import duckdb, sys; duckdb.connect(sys.argv[1], read_only=True)"
    command = [sys.executable, "-c", code, str(tmp_path / "docsfy.duckdb")]
    other = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert other.returncode != 0
    assert str(os.getpid()) in other.stderr
    await first.close()


@pytest.mark.case("D10")
async def test_delete_and_insert_of_one_key_under_readers(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    for number in range(30):
        row = ROW.changed(generation_id=f"g{number}")
        await begin(store, row)
        updates = [store.save_progress([ProgressUpdate(row.changed(page_count=n))]) for n in range(4)]
        await asyncio.gather(*updates, store.load_variants())
        assert await store.delete_variant(row.key, "me")
    assert await store.load_variants() == []
    runs, total = await store.list_runs({"name": "demo"}, 100, 0)
    assert total == 30
    assert all(run["deleted"] for run in runs)
    await store.close()


async def test_copies_for_readers_are_whole(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "data")
    await begin(store)
    await store.export_parquet("runs", tmp_path / "it's runs.parquet")
    for _ in range(2):
        await store.snapshot(tmp_path / "copy.duckdb")
    with pytest.raises(BadRequest):
        await store.export_parquet("runs; DROP TABLE runs", tmp_path / "x")
    with duckdb.connect(str(tmp_path / "copy.duckdb"), read_only=True) as copy:
        assert copy.execute("SELECT name, status FROM projects").fetchall() == [("demo", "generating")]
    with duckdb.connect() as memory:
        sql = "SELECT generation_id FROM read_parquet(?)"
        assert memory.execute(sql, [str(tmp_path / "it's runs.parquet")]).fetchall() == [("g1",)]
    assert not list(tmp_path.glob("*.part"))
    await store.close()


async def test_costs_pages_and_calls_are_kept_and_nan_is_unknown(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await begin(store)
    bad = ROW.changed(status=Status.ERROR, run_cost_usd=math.nan, failed_pages=(FailedPage("a", "caf\udce9\x00"),))
    end = RunEnd("g1", "me", utc_now(), "error", error_message="caf\udce9", cost_usd=0.25)
    page = PageRecord("g1", "a", "A", "p", "m", "c", ("a.py",), "h", "1", "k", 0.1, "fresh", None, utc_now())
    call = CallRecord("g1", None, "plan", "p", "m", 1, 2, None, math.nan, None, 0.1, "ok", utc_now())
    assert await store.end_run(Ending(bad, end, (Event("g1", utc_now(), "error", "x", details={"cost": math.inf}),), (page,), (call,)))
    (row,) = await store.load_variants()
    assert (row.run_cost_usd, row.failed_pages) == (None, (FailedPage("a", "caf?"),))
    await store.export_parquet("ai_calls", tmp_path / "calls.parquet")
    assert duckdb.sql(f"SELECT purpose, tokens_out, cost_usd FROM '{tmp_path}/calls.parquet'").fetchall() == [("plan", 2, None)]
    assert [(found["slug"], found["sources"]) for found in await store.list_pages("g1")] == [("a", ["a.py"])]
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.load_variants()
