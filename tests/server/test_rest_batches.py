"""Lists of requests: `POST api/generate` with a list, and the batch that comes of it."""

from __future__ import annotations

import asyncio
import gc
import uuid
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from recording import running
from servers import Server

from docsfy_jupyter.errors import Conflict
from docsfy_jupyter.server.batches import Batches


def started(server: Server, items: list[object]) -> dict[str, object]:
    answer = server.call("POST", "api/generate", json=items)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def test_each_item_is_accepted_or_refused_by_itself_and_the_batch_sums_them_up(shared_server: Server, shared_repo: Path) -> None:
    good = {"repo_path": str(shared_repo), "name": f"b{uuid.uuid4().hex[:8]}", "provider": "fake", "branch": "main"}
    batch = started(
        shared_server,
        [
            {**good, "model": "pages=2"},
            {**good, "model": "pages=2,fail=page-1"},
            {**good, "model": "pages=2"},
            {**good, "model": "x", "provider": "nobody"},
            {"name": "nothing"},
            {**good, "model": "x", "branch": "nowhere"},
        ],
    )
    items = batch["items"]
    assert isinstance(items, list)
    assert [item.get("code", item.get("status")) for item in items] == [
        "generating", "generating", "already_generating", "provider_unavailable", "invalid", "generating",
    ]  # fmt: skip
    path = f"api/batches/{batch['batch_id']}"
    done = shared_server.wait(path, lambda row: row["sums"]["generating"] == 0)
    assert {name: done["sums"][name] for name in ("runs", "ready", "error", "aborted", "pages_done", "pages_total")} == {
        "runs": 3, "ready": 1, "error": 2, "aborted": 0, "pages_done": 3, "pages_total": 4,
    }  # fmt: skip
    assert (done["sums"]["cost_usd"], done["sums"]["cost_at_least"]) == (None, True)
    free = started(shared_server, [{**good, "provider": "local"}])
    known = shared_server.wait(f"api/batches/{free['batch_id']}", lambda row: row["sums"]["generating"] == 0)["sums"]
    assert (known["cost_usd"], known["cost_at_least"]) == (0.0, False)
    assert len(done["variants"]) == len(done["runs"]) == 3
    assert {run["batch_id"] for run in done["runs"]} == {batch["batch_id"]}
    listed = shared_server.call("GET", f"api/runs?batch={batch['batch_id']}").json()
    assert listed["total"] == 3
    assert shared_server.call("GET", path, headers={"If-None-Match": shared_server.call("GET", path).headers["etag"]}).status_code == 304


def test_of_two_items_for_one_variant_the_first_has_it_however_its_repository_is_written(
    shared_server: Server, shared_repo: Path
) -> None:
    good = {"name": f"b{uuid.uuid4().hex[:8]}", "provider": "fake", "branch": "main"}
    places = [f"{shared_repo}/", str(shared_repo)]
    batch = started(shared_server, [{**good, "repo_path": place, "model": f"pages=1,n={n}"} for place in places for n in range(6)])
    assert [item.get("code") for item in batch["items"]] == [None] * 6 + ["already_generating"] * 6  # type: ignore[attr-defined]


async def test_what_is_aborted_while_it_is_being_started_is_not_started_any_further(tmp_path: Path, demo_repo: Path) -> None:
    async with running(tmp_path) as manager:
        batches = Batches(manager)
        items = [{"repo_path": str(demo_repo), "provider": "fake", "model": f"pages=1,sleep=30,n={n}"} for n in range(40)]
        starting = asyncio.create_task(batches.start(items, "me", "b"))
        while not manager.active:
            await asyncio.sleep(0)
        await batches.give_up("b", "me")
        codes = [item.get("code") for item in (await starting)["items"]]
        assert codes == [None] * manager.active + ["conflict"] * (40 - manager.active)
        assert 0 < manager.active < 40
        assert (await batches.start(items, "me", "b"))["items"][-1]["code"] == "conflict"


class Body(dict[str, str]):
    """A body that can be watched."""


async def test_of_answered_lists_two_thousand_runs_are_remembered_and_no_list_itself(tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        batches = Batches(manager)
        watched: list[weakref.ref[Body]] = []
        for number in range(12):
            items = [Body(name=f"nothing {n}") for n in range(300)]
            watched.append(weakref.ref(items[0]))
            answer = await batches.start(items, "me", f"b{number}")
            assert [item["code"] for item in answer["items"]] == ["invalid"] * 300
        del items
        gc.collect()
        assert [one() for one in watched] == [None] * 12
        await batches.start([{"name": "last"}], "me", "last")  # makes room for itself
        known = []
        for number in range(12):
            try:
                await batches.start([{"name": "another"}], "me", f"b{number}")
            except Conflict:
                known.append(number)
        assert known == [6, 7, 8, 9, 10, 11]


async def test_two_users_who_choose_one_id_have_a_batch_each(tmp_path: Path, demo_repo: Path) -> None:
    def items(name: str) -> list[dict[str, str]]:
        return [{"repo_path": str(demo_repo), "provider": "fake", "model": f"pages=1,sleep=30,n={n}", "name": name} for n in range(20)]

    async with running(tmp_path) as manager:
        batches = Batches(manager)
        ada, ben = (asyncio.create_task(batches.start(items(user), user, "b")) for user in ("ada", "ben"))
        while len({row.owner for row in manager.feed.rows()}) < 2:
            await asyncio.sleep(0)
        await batches.give_up("b", "ada")
        codes = [[item.get("code") for item in (await task)["items"]] for task in (ada, ben)]
        assert codes[0].count("conflict") > 0
        assert codes[1] == [None] * 20
        assert {row.owner for row in manager.feed.rows() if row.name == "ben"} == {"ben"}
        store = await manager.ready()
        assert {run["started_by"] for run in (await store.list_runs({"batch": "b"}, 100, 0))[0]} == {"ada", "ben"}


def test_a_batch_is_aborted_whole_and_a_second_time_nothing(shared_server: Server, shared_repo: Path) -> None:
    good = {"repo_path": str(shared_repo), "name": f"b{uuid.uuid4().hex[:8]}", "provider": "fake", "branch": "main"}
    batch = started(shared_server, [{**good, "model": f"pages=9,sleep=30,n={number}"} for number in range(6)])
    path = f"api/batches/{batch['batch_id']}"
    answer = shared_server.call("POST", f"{path}/abort").json()
    assert (len(answer["aborted"]), answer["failed"]) == (6, [])
    sums = shared_server.call("GET", path).json()["sums"]
    assert (sums["aborted"], sums["generating"]) == (6, 0)
    assert shared_server.call("POST", f"{path}/abort").json()["aborted"] == []


def test_no_list_no_batch(shared_server: Server) -> None:
    for items in ([], ["text"], [{}] * 1001):
        answer = shared_server.call("POST", "api/generate", json=items)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), answer.text[:200]
    for method, path in (("GET", "api/batches/none"), ("POST", "api/batches/none/abort")):
        assert shared_server.call(method, path).status_code == 404


def test_a_list_that_is_sent_again_starts_nothing_and_gets_the_same_answer(shared_server: Server, shared_repo: Path) -> None:
    name, batch_id = f"b{uuid.uuid4().hex[:8]}", str(uuid.uuid4())
    good = {"repo_path": str(shared_repo), "name": name, "provider": "fake"}
    items = [{**good, "model": "pages=1"}, {**good, "model": "pages=2"}, {"name": "nothing"}]
    path = f"api/generate?batch_id={batch_id.upper()}"
    with ThreadPoolExecutor(3) as pool:
        answers = [answer.json() for answer in pool.map(lambda _: shared_server.call("POST", path, json=items), range(3))]
    assert answers[0]["batch_id"] == batch_id
    assert shared_server.call("GET", f"api/batches/{batch_id.upper()}").json()["batch_id"] == batch_id
    assert answers[1:] == answers[:1] * 2
    done = shared_server.wait(f"api/batches/{batch_id}", lambda row: row["sums"]["generating"] == 0)
    assert (done["sums"]["runs"], done["sums"]["ready"]) == (2, 2)
    assert shared_server.call("POST", path, json=items).json() == answers[0]  # also once all have ended
    assert shared_server.call("GET", f"api/runs?name={name}").json()["total"] == 2
    other = shared_server.call("POST", path, json=items[:1])
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert shared_server.call("POST", "api/generate?batch_id=mine", json=items).status_code == 400
