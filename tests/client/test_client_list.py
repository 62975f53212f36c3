"""Thousands of variants: the client lists them all, the server answers them page by page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from servers import Server, await_health, launch, make_demo_repo

from docsfy_jupyter import connect
from docsfy_jupyter.client.steps import Steps
from docsfy_jupyter.client.verbs import list_variants
from docsfy_jupyter.models import Status, Variant
from docsfy_jupyter.store import statements
from docsfy_jupyter.store.store import Store

COUNT = 1203


def ready(number: int, repo: str) -> Variant:
    at = f"2026-01-02T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}+00:00"
    return Variant(
        f"past-{number}",
        "main",
        "local",
        "static",
        "me",
        repo,
        Status.READY,
        at,
        at,
        generation_id=f"run-{number}",
        page_count=20,
    )


def seed(data: Path, repo: str) -> None:
    async def made() -> None:
        await (await Store.open(data)).close()

    asyncio.run(made())
    with duckdb.connect(str(data / "docsfy.duckdb")) as connection:
        connection.execute("BEGIN")
        for number in range(COUNT):
            statements.put(connection, ready(number, repo))
        connection.execute("COMMIT")


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("crowded")
    seed(home / "data", str(make_demo_repo(home)))
    server = launch(home)
    await_health(server)
    yield server
    server.stop()


def test_all_are_listed_newest_first(crowded: Server) -> None:
    with connect(crowded.url, crowded.token) as client:
        assert [row.name for row in client.list()] == [f"past-{n}" for n in reversed(range(COUNT))]
        assert [row.name for row in client.list(offset=1200)] == ["past-2", "past-1", "past-0"]
        assert [row.name for row in client.list(limit=2, offset=1)] == ["past-1201", "past-1200"]
        assert [row.name for row in client.list(q="past-77", provider="local")][:2] == ["past-779", "past-778"]
        assert client.list(q="nowhere") == []


def test_a_page_is_small_and_nothing_is_sent_twice(crowded: Server) -> None:
    page = crowded.call("GET", "api/projects")
    assert len(page.json()["projects"]) == 500
    assert page.json()["total"] == COUNT == len(page.json()["known_branches"])
    assert len(page.content) <= 1_000_000
    for query in ("", "?view=progress&limit=100", "?status=ready", f"?since={page.json()['rev']}"):
        seen = crowded.call("GET", f"api/projects{query}")
        again = crowded.call("GET", f"api/projects{query}", headers={"If-None-Match": seen.headers["Etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert len("".join(f"{name}: {value}\r\n" for name, value in again.headers.items())) <= 1000
    assert crowded.call("DELETE", "api/projects/past-0/main/local/static").status_code == 200
    anew = crowded.call("GET", "api/projects", headers={"If-None-Match": page.headers["Etag"]})
    assert (anew.status_code, anew.json()["total"], "past-0" in anew.json()["known_branches"]) == (200, COUNT - 1, False)
    assert crowded.call("GET", f"api/projects?since={page.json()['rev']}").json()["projects"] == []


@pytest.mark.parametrize(("wanted", "near"), [("past-12000", "past-1200"), ("pest-77", "past-")])
def test_a_near_name_among_thousands_is_found(crowded: Server, wanted: str, near: str) -> None:
    answer = crowded.call("GET", f"api/projects/{wanted}/main/local/static")
    assert answer.status_code == 404
    assert any(near in candidate for candidate in answer.json()["candidates"])


def interrupted(steps: Steps[list[Variant]], meddle: Callable[[], object]) -> Steps[list[Variant]]:
    """Let something happen on the server between the first and the second page."""
    answer = yield next(steps)
    meddle()
    while True:
        try:
            request = steps.send(answer)
        except StopIteration as end:
            return list(end.value)
        answer = yield request


def test_rows_that_move_while_pages_are_asked_for_are_listed_all_the_same(crowded: Server) -> None:
    with connect(crowded.url, crowded.token) as client:
        last = client.get("past-3")
        body = {"repo_path": last.repo_url, "name": last.name, "branch": "main", "owner": "me"}

        def to_the_front() -> None:
            assert crowded.call("POST", "api/generate", json=body).status_code == 202

        def delete_some() -> None:
            for number in range(1100, 1105):
                assert crowded.call("DELETE", f"api/projects/past-{number}/main/local/static").status_code == 200

        rows = client.perform(interrupted(list_variants(), to_the_front))
        assert (rows[0].name, {row.name for row in rows}) == ("past-3", {row.name for row in client.list()})
        client.wait("past-3")
        rows = client.perform(interrupted(list_variants(), delete_some))
        assert {row.name for row in client.list()} <= {row.name for row in rows}
