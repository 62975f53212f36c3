"""Listings of thousands of rows: whole and right, made piece by piece, while others are answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from servers import Server

from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.models import Plan, PlanGroup, PlanPage, Status, Variant
from docsfy_jupyter.server.listing import Listing
from docsfy_jupyter.store import statements
from docsfy_jupyter.store.store import Store

ROWS = 600


def rows() -> Iterator[Variant]:
    pages = [PlanPage(slug=f"page-{n}", title=f"Page {n}", description="What it is about: “ends” & ends.") for n in range(40)]
    plan = Plan(project_name="p", navigation=[PlanGroup(group="All", pages=pages)]).to_json()
    for number in range(ROWS):
        yield Variant(
            f"name-{number}", "main", "local", "static", "me", "https://h.example/n", Status.READY, "2026-01-01T00:00:00+00:00",
            f"2026-01-01T00:00:00.{number:06}+00:00", generation_id=f"run-{number}", plan_json=plan,
            pages_done=tuple(page.slug for page in pages), page_count=40,
        )  # fmt: skip


@pytest.fixture
def full_server(start_server: Callable[..., Server], tmp_path: Path) -> Server:
    async def made() -> None:
        await (await Store.open(tmp_path / "data")).close()

    asyncio.run(made())
    with duckdb.connect(str(tmp_path / "data" / "docsfy.duckdb")) as connection:
        connection.begin()
        for row in rows():
            statements.put(connection, row)
        connection.commit()
    return start_server()


def test_a_listing_of_megabytes_arrives_whole(full_server: Server) -> None:
    answer = full_server.call("GET", "api/projects?full=1&limit=10000")
    assert len(answer.content) > 3 << 20
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    listing = answer.json()
    assert [row["name"] for row in listing["projects"]] == [f"name-{number}" for number in reversed(range(ROWS))]
    assert {row["plan_json"] for row in listing["projects"]} == {next(rows()).plan_json}
    assert (listing["total"], len(listing["known_branches"])) == (ROWS, ROWS)
    tag = answer.headers["etag"]
    again = full_server.call("GET", "api/projects?full=1&limit=10000", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    short = full_server.call("GET", "api/projects?limit=2")
    assert (short.headers["content-length"], len(short.json()["projects"])) == (str(len(short.content)), 2)


async def test_others_have_their_turns_while_a_listing_is_made_and_a_change_meanwhile_is_told_by_the_next_one() -> None:
    feed = ChangeFeed()
    for row in rows():
        feed.put(row)
    before = feed.revision
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            if turns == 2:
                feed.put(next(rows()).changed(page_count=3))
            await asyncio.sleep(0)

    at_work = asyncio.create_task(others())
    listing = Listing(feed)
    parts = [part async for part in listing.parts(feed.newest(), len(feed), full=True)]
    at_work.cancel()
    assert len(parts) > 3
    assert turns > 2
    told = json.loads("".join(parts))
    assert (told["rev"], told["projects"][-1]["page_count"]) == (before, 40)
    assert [row.page_count for row in feed.changed_after(told["rev"])] == [3]
