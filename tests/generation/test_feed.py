"""The rows in memory: what is looked up is what a search would find."""

from __future__ import annotations

import asyncio
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.models import Status, Variant

Change = tuple[str, str, str, int]


def variant(name: str, branch: str, at: str, run: int) -> Variant:
    return Variant(name, branch, "local", "static", "me", "/r", Status.READY, at, at, generation_id=f"{name}-{branch}-{run}")


names, branches = st.sampled_from("abc"), st.sampled_from(["main", "dev"])
puts = st.tuples(names, branches, st.sampled_from(["2026-01-01", "2026-01-02", "2026-01-03"]), st.integers(1, 2))
removals = st.tuples(names, branches)


def newest_first(rows: list[Variant]) -> list[Variant]:
    return sorted(rows, key=lambda row: (row.updated_at, row.key), reverse=True)


@settings(max_examples=300, deadline=None)
@given(changes=st.lists(puts | removals, max_size=25), seen=st.integers(0, 25))
def test_what_is_looked_up_is_what_a_search_finds(changes: list[tuple[object, ...]], seen: int) -> None:
    feed, rows, last = ChangeFeed(), {}, {}
    known = revision = feed.revision
    for number, change in enumerate(changes):
        if len(change) == 2:
            key = variant(*change, "", 0).key  # type: ignore[arg-type]
            feed.remove(key)
            rows.pop(key, None)
            last.pop(key, None)
        else:
            row = variant(*change)  # type: ignore[arg-type]
            if rows.get(row.key) != row:
                last[row.key] = number
            feed.put(row)
            rows[row.key] = row
        assert feed.revision >= revision
        revision = feed.revision
        if number < seen:
            known = revision
    after = [row for key, row in rows.items() if last[key] >= seen]
    assert feed.newest() == newest_first(list(rows.values()))
    assert feed.newest(1, 2) == feed.newest()[1:3]
    assert feed.newest(len(rows), 5) == []
    assert feed.changed_after(known) == newest_first(after)
    assert feed.changed_after(0) == feed.changed_after(feed.revision + 1) == feed.newest()
    assert len(feed) == len(rows)
    assert {name: {row.key for row in feed.named(name)} for name in "abc"} == {
        name: {key for key in rows if key.name == name} for name in "abc"
    }
    assert sorted(feed.names()) == sorted({key.name for key in rows})
    for name in "abc":
        for branch in ("main", "dev"):
            for run in (1, 2):
                found = [row for row in rows.values() if row.generation_id == f"{name}-{branch}-{run}"]
                assert feed.of_run(f"{name}-{branch}-{run}") == (found[0] if found else None)


def test_rows_that_came_or_went_are_told_from_rows_that_changed() -> None:
    feed = ChangeFeed()
    feed.put(variant("a", "main", "1", 1))
    members = feed.members_revision
    feed.put(variant("a", "main", "2", 1))
    assert feed.members_revision == members
    feed.put(variant("b", "main", "2", 1))
    assert feed.members_revision > members
    members = feed.members_revision
    feed.remove(variant("b", "main", "2", 1).key)
    assert feed.members_revision > members


async def test_a_change_in_the_moment_in_which_the_time_is_up_is_told() -> None:
    feed, loop = ChangeFeed(), asyncio.get_running_loop()
    loop.call_later(0.01, time.sleep, 0.5)  # a busy loop: the change and the end of the time come in one round
    loop.call_later(0.02, feed.put, variant("a", "main", "2026-01-01", 1))
    assert await feed.wait(feed.revision, 0.03)
