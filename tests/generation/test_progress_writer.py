"""The writer of progress, with a real store: coalesced, whole, and patient."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from docsfy_jupyter.errors import StoreUnavailable
from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.generation.open_store import OpenStore
from docsfy_jupyter.generation.progress_writer import ProgressWriter
from docsfy_jupyter.generation.run import starting_row
from docsfy_jupyter.generation.settings import Settings
from docsfy_jupyter.models import Stage, Variant, VariantKey, utc_now
from docsfy_jupyter.sources.rules import Source
from docsfy_jupyter.store.records import Event, RunStart
from docsfy_jupyter.store.store import Store

PLAN = '{"navigation": []}'


def row(name: str = "demo") -> Variant:
    url = "https://h.example/demo"
    return starting_row(VariantKey(name, "main", "local", "static", "me"), Source("url", url, url, "demo"), "me", None)


def note(of: Variant, kind: str) -> Event:
    return Event(of.generation_id, utc_now(), kind, kind)


async def begin(store: Store, of: Variant) -> None:
    await store.begin_run(of, RunStart(of.generation_id, of.key, of.repo_url, "me", utc_now()), note(of, "started"))


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[OpenStore]:
    store = OpenStore(Settings(tmp_path), ChangeFeed(), logging.getLogger("test"), "test")
    await store.run()
    yield store
    await store.close()


@pytest.fixture
def writer(opened: OpenStore) -> ProgressWriter:
    return ProgressWriter(opened, logging.getLogger("test"))


async def revision(store: Store) -> int:
    """How many transactions the store has seen."""
    (found,) = await store._database.read("SELECT number FROM revision")
    return int(found["number"])


async def test_what_many_runs_emit_is_one_transaction_of_their_latest_rows(opened: OpenStore, writer: ProgressWriter) -> None:
    store = await opened.ready()
    rows = [row(f"demo-{number}") for number in range(20)]
    for each in rows:
        await begin(store, each)
    before = await revision(store)
    for count in range(1, 51):
        for each in rows:
            writer.row(each.changed(page_count=count))
            writer.event(note(each, "page_done"))
    await writer.flush()
    assert await revision(store) == before + 1
    assert {found.page_count for found in await store.load_variants()} == {50}
    assert len(await store.list_events(rows[7].generation_id, 0, 1000)) == 51
    await writer.flush()
    assert await revision(store) == before + 1


async def test_a_plan_is_written_even_when_a_later_row_replaced_the_planned_one(
    opened: OpenStore, writer: ProgressWriter
) -> None:
    store, first = await opened.ready(), row()
    await begin(store, first)
    planned = first.changed(current_stage=Stage.GENERATING_PAGES, plan_json=PLAN)
    writer.row(planned, planned=True)
    writer.row(planned.changed(page_count=1))
    await writer.flush()
    assert await store.load_variants() == [planned.changed(page_count=1)]


async def test_a_run_that_ends_takes_what_is_its_own_and_leaves_the_rest(opened: OpenStore, writer: ProgressWriter) -> None:
    store, first, other = await opened.ready(), row(), row("other")
    await begin(store, first)
    await begin(store, other)
    for each in (first, other):
        writer.row(each.changed(page_count=3))
        writer.event(note(each, "page_done"))
    events, pages, _ = await writer.take(first.generation_id)
    assert ([event.generation_id for event in events], pages) == ([first.generation_id], [])
    await writer.flush()
    assert {found.name: found.page_count for found in await store.load_variants()} == {"demo": 0, "other": 3}


async def test_nothing_is_lost_while_the_database_refuses(
    opened: OpenStore, writer: ProgressWriter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store, first = await opened.ready(), row()
    await begin(store, first)
    real = store.save_progress
    tries = 0

    async def refuse_twice(*given: object) -> None:
        nonlocal tries
        tries += 1
        if tries <= 2:
            writer.row(first.changed(plan_json=PLAN, page_count=2))  # something newer while it is tried
            raise StoreUnavailable("no space")
        await real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "save_progress", refuse_twice)
    loop = asyncio.create_task(writer.run())
    writer.row(first.changed(plan_json=PLAN, page_count=1), planned=True)
    writer.event(note(first, "page_done"))
    while tries < 3:
        await asyncio.sleep(0.02)
    await store._database.write(lambda _: None)  # behind the write that is under way
    assert await store.load_variants() == [first.changed(plan_json=PLAN, page_count=2)]
    assert [event["kind"] for event in await store.list_events(first.generation_id, 0, 9)] == ["started", "page_done"]
    assert sum("progress cannot be written" in record.message for record in caplog.records) == 1
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
