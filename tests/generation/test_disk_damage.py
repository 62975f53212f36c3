"""What a disk did to the files of a variant, or of the database, between two runs."""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest
from recording import finished, running, start, until

from docsfy_jupyter.errors import Conflict
from docsfy_jupyter.generation.folders import PublishedEnd, VariantFolder
from docsfy_jupyter.models import SERVER_RESTARTED, Status, Variant, VariantKey, utc_now
from docsfy_jupyter.store import statements
from docsfy_jupyter.store.records import CallRecord, Ending, Event, PageRecord, RunEnd

KEY = VariantKey("demo", "main", "fake", "m", "me")


@pytest.mark.parametrize("harm", [b"", b"# Pa", b"# Page 1\xff"], ids=["empty", "cut", "replaced"])
@pytest.mark.parametrize("suffix", [".md", ".json"])
async def test_a_damaged_page_is_written_again_and_no_other(tmp_path: Path, demo_repo: Path, harm: bytes, suffix: str) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo)
        await finished(manager, key)
        folder = manager.folder(key)
        site = folder.sites.current()
        sorted(folder.cache.glob(f"*{suffix}"))[0].write_bytes(harm)
        with pytest.raises(Conflict, match=r"The page cache of demo/.* is damaged \(page-\d\); generate it again"):
            await manager.render(key)
        assert folder.sites.current() == site
        await start(manager, demo_repo)
        row = await finished(manager, key)
        assert (row.status, row.page_count, len(row.pages_done)) == (Status.READY, 3, 1)
        assert len(folder.cached(folder.load_manifest()["keys"])) == 3


def test_a_page_for_which_there_is_no_room_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = VariantFolder(tmp_path, KEY)
    folder.store_page("a", "# A", {})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        folder.store_page("b", "# B", {})
    assert sorted(path.name for path in folder.cache.iterdir()) == ["a.json", "a.md"]


def kept_end(folder: VariantFolder) -> PublishedEnd:
    row = Variant(**asdict(KEY), repo_url="/r", status=Status.READY, created_at="c", updated_at="u", stage_times={"queued": "t"})
    now = utc_now()
    page = PageRecord("g", "a", "A", "p", "m", "c", ("caf\udce9.py",), "h", "1", "k", 0.1, "fresh", None, now)
    call = CallRecord("g", None, "plan", "p", "m", 1, 2, None, 0.25, "billed", 0.1, "ok", now)
    end = RunEnd("g", None, now, "ready", cost_usd=0.25, stage_times=row.stage_times)
    event = Event("g", now, "finding", "x", details={"names": ["a"]})
    kept = PublishedEnd("v-1", {"keys": {"a": "k"}}, Ending(row, end, (event,), (page,), (call,)))
    folder.store_end(kept)
    return kept


def test_the_end_of_a_run_is_kept_as_it_was(tmp_path: Path) -> None:
    folder = VariantFolder(tmp_path, KEY)
    assert folder.load_end() is None
    assert kept_end(folder) == folder.load_end()


@pytest.mark.parametrize("harm", ["", "[1]", "{}", '{"site": 1, "manifest": [], "ending": "{}"}', "cut"])
def test_an_end_that_the_disk_has_damaged_is_none(tmp_path: Path, harm: str) -> None:
    folder = VariantFolder(tmp_path, KEY)
    kept_end(folder)
    path = folder.path / "end.json"
    path.write_text(path.read_text()[:-100] if harm == "cut" else harm)
    assert folder.load_end() is None


async def test_a_server_that_is_killed_before_it_wrote_a_page_to_the_row_counts_it_at_the_next_start(
    tmp_path: Path, demo_repo: Path, gate: Path
) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, "pages=3,hold=page-3")
        row = await until(manager, key, lambda row: row.page_count == 2)
        await manager._writer.flush()
        store = await manager.ready()
        behind = row.changed(page_count=1, pages_done=row.pages_done[:1])
        await store._database.write(lambda connection: statements.put(connection, behind))
        # what kill -9 leaves; copied by another process, since closing the file here would drop DuckDB's lock
        await asyncio.to_thread(subprocess.run, ["cp", "-r", tmp_path / "data", tmp_path / "killed"], check=True)
        gate.unlink()
    (tmp_path / "again").mkdir()
    (tmp_path / "killed").rename(tmp_path / "again" / "data")
    async with running(tmp_path / "again") as manager:
        row = manager.find(key)
        assert (row.status, row.error_message, row.page_count) == (Status.ERROR, SERVER_RESTARTED, 2)
        await start(manager, demo_repo, "pages=3,hold=page-3")
        row = await finished(manager, key)
        assert (row.status, row.pages_done) == (Status.READY, ("page-3",))


async def test_a_database_that_began_anew_takes_up_the_site_and_pages_that_are_there(tmp_path: Path, demo_repo: Path) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo)
        before = await finished(manager, key)
    for path in (tmp_path / "data").glob("docsfy.*"):
        path.unlink()
    async with running(tmp_path) as manager:
        await start(manager, demo_repo)
        row = await finished(manager, key)
    assert (row.status, row.current_stage, row.page_count) == (Status.READY, "up_to_date", 3)
    assert (row.site, row.last_commit_sha) == (True, before.last_commit_sha)


async def test_what_cannot_be_tidied_up_keeps_no_run_from_its_end_and_no_server_from_its_start(
    tmp_path: Path, demo_repo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, "pages=2")
        stuck = manager.folder(key).written / "page-1.json.1.aside"
        stuck.mkdir(parents=True)  # which no unlink removes
        row = await finished(manager, key)
        assert (row.status, manager.active) == (Status.READY, 0)
        assert (await manager.render(key)).site
        assert caplog.text.count(f"tidying up after a rendering of {key.address} failed") == 2
    async with running(tmp_path) as manager:
        assert manager.find(key) == row
        assert f"tidying up the files of {key.address} failed" in caplog.text
        assert stuck.is_dir()
