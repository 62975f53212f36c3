"""Disks that are full, hang or lie; threads that die."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest
from surroundings import fill

from docsfy_jupyter.errors import StoreUnavailable
from docsfy_jupyter.models import Status, Variant, iso, utc_now
from docsfy_jupyter.store.records import Ending, Event, ProgressUpdate, RunEnd, RunStart
from docsfy_jupyter.store.store import Store
from docsfy_jupyter.store.thread import SerialThread

NOW = iso(utc_now()) or ""
ROW = Variant("demo", "main", "local", "static", "me", "https://h.example/demo", Status.GENERATING, NOW, NOW, generation_id="g1")
READY = ROW.changed(status=Status.READY, page_count=3)
END = RunEnd("g1", None, utc_now(), "ready", page_count=3)
CRASH = """
import asyncio, os, sys
from pathlib import Path
from docsfy_jupyter.store.records import ProgressUpdate
from docsfy_jupyter.store.store import Store

async def main():
    store = await Store.open(Path(sys.argv[1]))
    (row,) = await store.load_variants()
    for count in range(1, 31):
        await store.save_progress([ProgressUpdate(row.changed(page_count=count))])
    os._exit(0)

asyncio.run(main())
"""


async def begin(store: Store, row: Variant = ROW) -> None:
    event = Event(row.generation_id, utc_now(), "started", "x", "me")
    await store.begin_run(row, RunStart(row.generation_id, row.key, row.repo_url, "me", utc_now()), event)


async def test_a_full_disk_refuses_whole_transactions_and_the_store_goes_on_when_there_is_room(small_disk: Path) -> None:
    store = await Store.open(small_disk)
    await begin(store)
    filler = fill(small_disk)
    with contextlib.suppress(StoreUnavailable):
        for count in range(1, 2000):  # the log may have some room left in its last block
            await store.save_progress([ProgressUpdate(ROW.changed(page_count=count))])
    with pytest.raises(StoreUnavailable, match=r"cannot be written now: .*No space left"):
        await store.end_run(Ending(READY, END, (Event("g1", utc_now(), "ready", "x" * 10_000),)))
    (row,) = await store.load_variants()
    assert row.status is Status.GENERATING
    filler.unlink()
    assert await store.end_run(Ending(READY, END, (Event("g1", utc_now(), "ready", "ready"),))) == READY
    await store.close()
    store = await Store.open(small_disk)
    assert (await store.load_variants(), store.notices) == ([READY], [])
    assert (await store.list_runs({}, 9, 0))[0][0]["outcome"] == "ready"
    await store.close()


async def test_a_database_that_duckdb_gave_up_is_opened_again(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await begin(store)
    store._database._connection.close()
    assert await store.end_run(Ending(READY, END)) == READY
    assert await store.load_variants() == [READY]
    await store.close()


async def test_readers_of_a_database_that_duckdb_gave_up_need_no_write(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await begin(store)
    connection = store._database._connection
    connection.execute("SET debug_checkpoint_abort='before_header'").fetchall()
    with pytest.raises(duckdb.FatalException):
        connection.execute("CHECKPOINT").fetchall()
    assert await store.load_variants() == [ROW]
    assert [event["text"] for event in await store.list_events("g1", 0, 9)] == ["x"]
    assert store._database._connection is not connection
    await store.close()


async def test_a_commit_whose_checkpoint_was_fatal_counts_once(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await begin(store)
    connection = store._database._connection
    connection.execute("SET debug_checkpoint_abort='before_header'").fetchall()
    connection.execute("SET GLOBAL wal_autocheckpoint='1B'").fetchall()
    await store.save_progress([ProgressUpdate(ROW.changed(page_count=1))], [Event("g1", utc_now(), "page_done", "once")])
    assert store._database._connection is not connection  # DuckDB gave it up
    await store.save_progress([ProgressUpdate(ROW.changed(page_count=2))], [Event("g1", utc_now(), "page_done", "twice")])
    assert [event["text"] for event in await store.list_events("g1", 0, 9)] == ["x", "once", "twice"]
    await store.close()
    store = await Store.open(tmp_path)
    assert ([row.page_count for row in await store.load_variants()], store.notices) == ([2], [])
    await store.close()


@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
async def test_a_database_without_its_end_is_noticed_at_the_start_after_a_crash(tmp_path: Path, share: float) -> None:
    store = await Store.open(tmp_path)
    await begin(store)
    await store.close()
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", CRASH, str(tmp_path)], check=True)
    path = tmp_path / "docsfy.duckdb"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    store = await Store.open(tmp_path)
    assert any("The database is damaged" in notice for notice in store.notices)
    assert await store.load_variants() == []
    assert list(tmp_path.glob("docsfy.duckdb.corrupt-*"))
    await begin(store)
    assert await store.load_variants() == [ROW]
    await store.close()


@pytest.mark.case("D06")
async def test_no_flipped_byte_of_a_log_loses_a_confirmed_write_in_silence(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    store = await Store.open(origin)
    await begin(store)
    await store.close()
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", CRASH, str(origin)], check=True)
    log = (origin / "docsfy.duckdb.wal").read_bytes()
    dice = random.Random(7)
    told = 0
    for number in range(25):
        folder = tmp_path / str(number)
        shutil.copytree(origin, folder)
        flipped = bytearray(log)
        flipped[dice.randrange(len(log))] ^= 0xFF
        (folder / "docsfy.duckdb.wal").write_bytes(flipped)
        store = await Store.open(folder)
        (row,) = await store.load_variants()
        await store.close()
        assert bool(store.notices) == (row.page_count != 30), (number, row.page_count, store.notices)
        if store.notices:
            told += 1
            (aside,) = folder.glob("docsfy.duckdb.wal.corrupt-*")
            assert str(aside) in store.notices[0]
            assert aside.read_bytes() == bytes(flipped)
        again = await Store.open(folder)
        assert again.notices == []
        await again.close()
    assert told > 15


async def test_an_end_of_the_writer_reaches_those_who_wait_and_the_next_call_works() -> None:
    thread = SerialThread("test-writer")
    gate = threading.Event()

    def die() -> None:
        gate.wait(10)
        raise SystemExit

    calls = [asyncio.ensure_future(thread.call(work)) for work in (die, lambda: 1, lambda: 2)]
    await asyncio.sleep(0)
    gate.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailable] * 3
    assert "SystemExit" in str(results[0])
    assert await thread.call(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        await thread.call(lambda: 1 // 0)
    thread.end()


async def test_closing_a_store_whose_disk_hangs_ends_in_time(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await begin(store)
    gate = threading.Event()
    stuck = asyncio.ensure_future(store._database.write(lambda _: gate.wait(30)))
    await asyncio.sleep(0.05)
    with pytest.raises(StoreUnavailable, match=r"within 0\.2 s"):
        await store.close(0.2)
    await store.close()
    gate.set()
    assert await stuck
