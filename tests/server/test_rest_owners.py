"""What is asked of a whole project is about one owner's variants; and revisions go on over a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from servers import Server
from walking import path_of


def made(server: Server, repo: Path, name: str, owner: str | None, model: str = "pages=1") -> str:
    body: dict[str, Any] = {"repo_path": str(repo), "name": name, "branch": "main", "provider": "fake", "model": model}
    answer = server.call("POST", "api/generate", json=body | ({"owner": owner} if owner else {}))
    assert answer.status_code == 202, answer.text
    path = path_of(name, "main", "fake", model) + (f"?owner={owner}" if owner else "")
    server.ended(path)
    return path


def owners(server: Server, name: str) -> list[str]:
    answer = server.call("GET", f"api/projects/{name}")
    return sorted(row["owner"] for row in answer.json().get("variants", []))


def test_deleting_a_project_deletes_the_callers_own_variants_and_nobody_elses(shared_server: Server, shared_repo: Path) -> None:
    for owner in (None, "ann", "bob"):
        made(shared_server, shared_repo, "owned", owner)
    (me,) = set(owners(shared_server, "owned")) - {"ann", "bob"}
    assert unquote(shared_server.call("GET", "health").headers["Docsfy-User"]) == me  # by which a client knows its own rows
    assert shared_server.call("GET", "api/projects/owned", params={"owner": "ann"}).json()["variants"][0]["owner"] == "ann"
    assert shared_server.call("DELETE", "api/projects/owned").status_code == 200
    assert owners(shared_server, "owned") == ["ann", "bob"]
    unclear = shared_server.call("DELETE", "api/projects/owned")
    assert (unclear.status_code, unclear.json()["code"], unclear.json()["candidates"]) == (409, "ambiguous", ["ann", "bob"])
    assert me not in unclear.json()["detail"]
    assert shared_server.call("GET", "api/projects/owned/download").status_code == 409
    assert shared_server.call("GET", "api/projects/owned/download", params={"owner": "bob"}).status_code == 200
    assert shared_server.call("DELETE", "api/projects/owned", params={"owner": "ann"}).status_code == 200
    assert owners(shared_server, "owned") == ["bob"]
    assert shared_server.call("DELETE", "api/projects/owned", params={"owner": "ann"}).status_code == 404
    assert shared_server.call("DELETE", "api/projects/owned").status_code == 200
    assert owners(shared_server, "owned") == []


def test_aborting_a_project_aborts_the_callers_run_and_nobody_elses(shared_server: Server, shared_repo: Path) -> None:
    slow = "pages=1,sleep=60"
    body = {"repo_path": str(shared_repo), "name": "two", "branch": "main", "provider": "fake", "model": slow}
    for owner in ({}, {"owner": "ann"}):
        assert shared_server.call("POST", "api/generate", json=body | owner).status_code == 202
    assert shared_server.call("POST", "api/projects/two/abort").status_code == 200
    path = path_of("two", "main", "fake", slow)
    assert shared_server.call("GET", path).json()["status"] == "aborted"
    assert shared_server.call("GET", f"{path}?owner=ann").json()["status"] == "generating"
    assert shared_server.call("POST", "api/projects/two/abort", params={"owner": "ann"}).status_code == 200
    assert shared_server.call("GET", f"{path}?owner=ann").json()["status"] == "aborted"


def test_a_revision_from_before_a_restart_still_tells_what_changed_after_it(
    start_server: Callable[..., Server], shared_repo: Path
) -> None:
    server = start_server()
    made(server, shared_repo, "first", None)
    made(server, shared_repo, "second", None)
    rev = server.call("GET", "api/projects").json()["rev"]
    assert server.call("GET", "api/projects", params={"since": rev}).json()["projects"] == []
    server.stop()
    server = start_server(data_dir=server.data_dir)
    made(server, shared_repo, "third", None)
    listed = server.call("GET", "api/projects", params={"since": rev}).json()
    assert "third" in [row["name"] for row in listed["projects"]]
    assert listed["rev"] > rev
    unknown = server.call("GET", "api/projects", params={"since": listed["rev"] + 10**6}).json()
    assert len(unknown["projects"]) == 3
