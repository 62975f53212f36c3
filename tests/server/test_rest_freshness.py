"""`api/freshness`: what is documented, and what the branch holds now; nothing is cloned. And the held listing."""

from __future__ import annotations

import shutil
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from servers import Server, commit, git, make_demo_repo

from docsfy_jupyter import connect, connect_async


@pytest.fixture
def name(shared_server: Server, tmp_path: Path) -> str:
    """Two variants of a repository, one of them of a tag."""
    repo = make_demo_repo(tmp_path)
    git(repo, "tag", "-a", "v1", "-m", "first")
    name = f"fresh{uuid.uuid4().hex[:8]}"
    with connect(shared_server.url, shared_server.token) as client:
        for branch in ("main", "v1"):
            client.wait(client.generate(repo, name=name, branch=branch, provider="fake", model="pages=1"))
    return name


async def test_a_branch_that_moved_is_behind_and_a_repository_that_is_gone_is_a_line_of_the_answer(
    name: str, shared_server: Server, tmp_path: Path
) -> None:
    repo = tmp_path / "demo"
    with connect(shared_server.url, shared_server.token) as client:
        assert [(row["branch"], row["state"]) for row in client.freshness(name=name)] == [("main", "current"), ("v1", "current")]
        new = commit(repo, {"NEWS.md": "# New\n"})
        assert [row["state"] for row in client.freshness(name=name)] == ["current", "current"]  # as it was asked before
        main, tag = client.freshness(name=name, refresh=True)
        assert (main["state"], main["current"], tag["state"]) == ("behind", new, "current")
        assert main["documented"] == tag["documented"] == git(repo, "rev-parse", "v1^{commit}")
        git(repo, "tag", "v1.0", "v1")
        git(repo, "tag", "-d", "v1")
        _, tag = client.freshness(name=name, refresh=True)
        assert (tag["state"], tag["current"]) == ("unknown", None)
        assert tag["error"] == f"branch v1 not found in {repo}. Did you mean v1.0? Its branches: main."
        shutil.rmtree(repo)
    async with connect_async(shared_server.url, shared_server.token) as other:
        gone = await other.freshness(q=f"{name}/", refresh=True)
    assert [(row["state"], bool(row["error"])) for row in gone] == [("unknown", True)] * 2


def test_a_listing_is_held_until_a_row_fits(shared_server: Server, shared_repo: Path) -> None:
    name = f"held{uuid.uuid4().hex[:8]}"
    revision = shared_server.call("GET", "api/projects?limit=1").json()["rev"]
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(shared_server.call, "GET", f"api/projects?q={name}&since={revision}&wait=20")
        time.sleep(0.2)
        body = {"repo_path": str(shared_repo), "name": name, "provider": "fake", "model": "pages=1"}
        shared_server.call("POST", "api/generate", json=body)
        answer = held.result().json()
    assert [row["name"] for row in answer["projects"]] == [name]
    shared_server.ended(f"api/projects/{name}/fake/pages=1")
    revision = shared_server.call("GET", "api/projects?limit=1").json()["rev"]
    began = time.monotonic()
    assert shared_server.call("GET", f"api/projects?q={name}&since={revision}&wait=0.3").json()["projects"] == []
    assert time.monotonic() - began >= 0.3


def test_a_list_of_runs_is_watched_to_its_end_and_one_in_progress_is_joined(shared_server: Server, shared_repo: Path) -> None:
    name = f"watched{uuid.uuid4().hex[:8]}"
    good = {"repo_path": str(shared_repo), "name": name, "provider": "fake", "branch": "main"}
    bodies = [{**good, "model": "pages=2,sleep=0.5"}, {**good, "model": "pages=2,fail=page-1"}]
    seen: list[dict[str, str]] = []
    with connect(shared_server.url, shared_server.token) as client:
        first = client.generate_all(bodies[:1])["items"]
        second = client.generate_all([*bodies, {"name": "nothing"}])["items"]
        assert (second[0]["code"], second[0]["generation_id"]) == ("already_generating", first[0]["generation_id"])
        ids = [item["generation_id"] for item in second[:2]]
        rows = client.watch(ids, timeout=60, on_change=lambda rows: seen.append({run: rows[run]["status"] for run in rows}))
        assert [rows[run]["status"] for run in ids] == ["ready", "error"]
        assert seen[-1] == dict(zip(ids, ("ready", "error"), strict=True))
        assert client.watch(["00000000-0000-0000-0000-000000000000"], timeout=1.5) == {}


def test_a_run_whose_variant_was_started_again_meanwhile_is_told_from_history(shared_server: Server, shared_repo: Path) -> None:
    name = f"again{uuid.uuid4().hex[:8]}"
    body = {"repo_path": str(shared_repo), "name": name, "provider": "fake", "branch": "main", "model": "pages=1,sleep=1"}
    with connect(shared_server.url, shared_server.token) as client:
        run = client.generate_all([body])["items"][0]["generation_id"]
        again: list[str] = []

        def start_again(rows: object) -> None:
            if not again:
                client.wait(name, "fake", body["model"], branch="main")
                again.append(client.generate_all([{**body, "force": True}])["items"][0]["generation_id"])

        rows = client.watch([run], timeout=60, on_change=start_again)
        assert (rows[run]["status"], rows[run]["generation_id"] in (run, *again)) == ("ready", True)
        assert rows[run]["last_commit_sha"] == git(shared_repo, "rev-parse", "HEAD")
        client.abort(name, "fake", body["model"], branch="main")
