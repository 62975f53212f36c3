"""A run checks its pages after they are written: findings are in the row, among the events and on the screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from servers import Server, commit, make_demo_repo

from docsfy_jupyter import connect, history

AT = "api/projects/checked/main/fake/pages%3D2%2Cmention%3Dlost_thing"


def generated(server: Server, repo: Path) -> dict[str, Any]:
    body = {
        "repo_path": str(repo),
        "name": "checked",
        "branch": "main",
        "ai_provider": "fake",
        "ai_model": "pages=2,mention=lost_thing",
    }
    assert server.call("POST", "api/generate", json=body).status_code == 202
    row = server.ended(AT)
    assert row["status"] == "ready", row["error_message"]
    return row


def events(server: Server, *kinds: str) -> list[tuple[str, str]]:
    with connect(server.url, server.token) as client, history(client) as past:
        found = past.sql(
            "SELECT events.kind, events.text FROM events JOIN runs USING (generation_id) "
            f"WHERE runs.name = 'checked' AND events.kind IN {(*kinds, '')} ORDER BY occurred_at, text"
        )
        return found.fetchall()


def test_findings_are_told_once_kept_for_cached_pages_and_settled_by_a_commit(shared_server: Server, tmp_path: Path) -> None:
    repo = make_demo_repo(tmp_path)
    row = generated(shared_server, repo)
    known = [{"slug": f"page-{i}", "kind": "name", "name": "lost_thing()"} for i in (1, 2)]
    assert (row["findings"], row["finding_list"]) == (2, known)
    assert (sorted(row["unmentioned"]), row["unmentioned_total"]) == (["add_numbers", "twice"], 2)
    told = [("finding", f"Page page-{i}: name lost_thing() is not in the repository") for i in (1, 2)]
    assert events(shared_server, "finding", "finding_settled") == told

    assert generated(shared_server, repo)["current_stage"] == "up_to_date"
    assert shared_server.call("GET", AT).json()["findings"] == 2
    commit(repo, {"demo/other.py": "X = 1\n"})
    row = generated(shared_server, repo)
    assert (row["findings"], row["finding_list"], row["pages_done"]) == (2, known, [])
    assert events(shared_server, "finding", "finding_settled") == told
    assert len(events(shared_server, "unmentioned")) == 1

    commit(repo, {"demo/lost.py": "def lost_thing() -> None: ...\n"})
    row = generated(shared_server, repo)
    assert (row["findings"], row["finding_list"]) == (0, [])
    settled = [("finding_settled", f"Page page-{i}: name lost_thing() is settled") for i in (1, 2)]
    assert events(shared_server, "finding", "finding_settled") == told + settled


def test_a_screen_lists_findings_by_page_with_texts_of_its_own(shared_server: Server, tmp_path: Path) -> None:
    body = {
        "repo_path": str(make_demo_repo(tmp_path)),
        "name": "seen",
        "ai_provider": "fake",
        "ai_model": "pages=1,mention=lost_thing",
    }
    shared_server.call("POST", "api/generate", json=body)
    at = "api/variant?name=seen&provider=fake&model=pages%3D1%2Cmention%3Dlost_thing"
    shared_server.ended(at)
    checks = shared_server.call("GET", f"{at}&view=progress").json()["checks"]
    assert checks == [
        {"title": "1 mention not found in the repository", "groups": [{"title": "Page 1", "items": ["name lost_thing()"]}]},
        {"title": "2 public names and options on no page", "groups": [{"title": "", "items": ["add_numbers", "twice"]}]},
    ]
    listed = shared_server.call("GET", "api/projects?q=seen").json()["projects"][0]
    assert listed["findings"] == 1
    assert "finding_list" not in listed


def test_local_pages_have_no_findings(shared_server: Server, shared_repo: Path) -> None:
    body = {"repo_path": str(shared_repo), "name": "truthful"}
    shared_server.call("POST", "api/generate", json=body)
    row = shared_server.ended("api/variant?name=truthful&provider=local&model=static")
    assert (row["status"], row["findings"], row["unmentioned"]) == ("ready", 0, [])
