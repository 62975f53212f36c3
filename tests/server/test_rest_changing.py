"""The REST contract, row by row: what starts, aborts, renders and deletes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from walking import MODEL, Walk, path_of

SLOW = "pages=3,sleep=60"


def start(walk: Walk, name: str, model: str = SLOW, **more: Any) -> str:
    """Start a run and return its variant's path."""
    answer = walk.generate(name=name, model=model, **more)
    assert answer.status_code == 202, answer.text
    return path_of(name, more.get("branch", "main"), "fake", model)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def end(walk: Walk, path: str) -> None:
    walk.post(f"{path}/abort")
    walk.server.ended(path)


def test_a_start_is_202_and_its_row_says_generating_at_once(walk: Walk) -> None:
    answer = walk.generate(name="begun", branch="main", model=SLOW)
    body = answer.json()
    assert (answer.status_code, body["project"], body["status"], body["branch"]) == (202, "begun", "generating", "main")
    path = path_of("begun", "main", "fake", SLOW)
    assert answer.headers["location"] == f"/docsfy/{path}"
    row = walk.get(path).json()
    assert (row["status"], row["generation_id"]) == ("generating", body["generation_id"])
    assert code(walk.generate(name="begun", branch="main", model=SLOW)) == (409, "already_generating")
    assert walk.get(path).json()["generation_id"] == body["generation_id"]
    end(walk, path)


def test_a_start_takes_docsfys_names_and_fractions_of_minutes(walk: Walk) -> None:
    body = {"repo_path": str(walk.repo), "name": "names", "ai_provider": "fake", "ai_model": "pages=1", "ai_cli_timeout": 0.5}
    assert walk.post("api/generate", json=body).status_code == 202
    assert walk.server.ended(path_of("names", "main", "fake", "pages=1"))["status"] == "ready"


def test_a_time_limit_in_minutes_ends_a_call(walk: Walk) -> None:
    path = start(walk, "limit", "pages=1,plansleep=60", ai_cli_timeout=0.005)
    row = walk.server.ended(path)
    assert (row["status"], row["failed_stage"]) == ("error", "planning")


def test_a_branch_that_is_not_there_becomes_an_error_row_that_names_those_that_are(walk: Walk) -> None:
    row = walk.server.ended(start(walk, "absent", "pages=1", branch="no-such"))
    assert row["status"] == "error"
    assert "feature/x" in row["error_message"]


def test_no_branch_and_a_repository_that_does_not_answer_is_400_and_no_row(walk: Walk, tmp_path: Path) -> None:
    answer = walk.generate(repo_path=str(tmp_path), name="nowhere")
    assert answer.status_code == 400
    assert walk.get("api/projects/nowhere").status_code == 404


def test_an_unavailable_provider_is_400_and_no_row(walk: Walk) -> None:
    answer = walk.generate(name="nobody", provider="nobody")
    assert code(answer) == (400, "provider_unavailable")
    assert walk.get("api/projects/nobody").status_code == 404


def test_a_folder_whose_name_cannot_be_one_asks_for_a_name(walk: Walk, tmp_path: Path) -> None:
    spaced = walk.repo.rename(tmp_path / "my repo")
    try:
        answer = walk.post("api/generate", json={"repo_path": str(spaced), "provider": "fake", "model": MODEL})
        assert answer.status_code == 400
        assert "name" in answer.json()["detail"]
    finally:
        spaced.rename(walk.repo)


@pytest.mark.case("F15")
def test_the_same_last_part_of_two_urls_is_409_and_branches_keep_apart(walk: Walk) -> None:
    body = {"provider": "fake", "model": MODEL, "branch": "main"}
    first = walk.post("api/generate", json={**body, "repo_url": "https://git.example/team1/docs.git"})
    assert first.status_code == 202, first.text
    path = path_of("docs", "main", "fake", MODEL)
    assert walk.get(path).json()["repo_url"] == "https://git.example/team1/docs.git"
    other = walk.post("api/generate", json={**body, "repo_url": "https://git.example/team2/docs.git"})
    assert code(other) == (409, "name_taken")
    assert "team1/docs" in other.json()["detail"]
    end(walk, path)
    again = walk.post("api/generate", json={**body, "repo_url": "https://git.example/team1/docs/", "branch": "release-1.x"})
    assert again.status_code == 202, again.text
    end(walk, path_of("docs", "release-1.x", "fake", MODEL))
    branches = {row["branch"] for row in walk.get("api/projects/docs").json()["variants"]}
    assert branches == {"main", "release-1.x"}


def test_credentials_in_a_url_reach_no_answer(walk: Walk) -> None:
    url = "https://user:s3cr3t-t0ken@git.example/team/private.git"
    answer = walk.post("api/generate", json={"repo_url": url, "branch": "main", "provider": "fake", "model": MODEL})
    path = path_of("private", "main", "fake", MODEL)
    texts = [answer.text, str(walk.server.ended(path)), walk.get(f"{path}/events").text, walk.get("api/runs").text]
    texts += [walk.server.log.read_text()]
    assert not [text for text in texts if "s3cr3t" in text]


@pytest.mark.parametrize("body", [b"", b"{}", b"not json at all", b"[1]"])
def test_abort_takes_any_body_and_answers_the_row(walk: Walk, body: bytes) -> None:
    path = start(walk, "stopped-by-hand")
    answer = walk.post(f"{path}/abort", content=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["aborted"] == f"stopped-by-hand/main/fake/{SLOW}"
    row = answer.json()["variant"]
    assert (row["status"], row["current_stage"], row["error_message"]) == ("aborted", None, "Generation aborted by user")
    again = walk.post(f"{path}/abort")
    assert code(again) == (409, "not_generating")
    assert "aborted" in again.json()["detail"]


def test_abort_of_one_run_leaves_another_alone(walk: Walk) -> None:
    path = start(walk, "chosen")
    wrong = walk.post(f"{path}/abort", params={"generation_id": "00000000-0000-4000-8000-000000000000"})
    assert code(wrong) == (409, "conflict")
    row = walk.get(path).json()
    assert row["status"] == "generating"
    assert walk.post(f"{path}/abort", params={"generation_id": row["generation_id"]}).status_code == 200


def test_abort_of_what_is_unknown_is_404_and_of_what_is_ready_409(walk: Walk) -> None:
    assert walk.post(path_of("no-such", "fake", "m") + "/abort").status_code == 404
    answer = walk.post(path_of("walk", "main", "fake", MODEL) + "/abort")
    assert code(answer) == (409, "not_generating")
    assert "ready" in answer.json()["detail"]
    assert walk.get(path_of("walk", "main", "fake", MODEL)).json()["status"] == "ready"


def test_abort_by_query_and_without_a_branch(walk: Walk) -> None:
    query = {"name": "queried", "provider": "fake", "model": SLOW}
    start(walk, "queried")
    assert walk.post("api/variant/abort", params=query).json()["variant"]["status"] == "aborted"
    start(walk, "queried")
    assert walk.post(path_of("queried", "fake", SLOW) + "/abort").json()["variant"]["status"] == "aborted"
    assert walk.post("api/variant/abort", params={**query, "model": "other"}).status_code == 404


def test_abort_by_name_needs_exactly_one_run(walk: Walk) -> None:
    assert walk.post("api/projects/no-such/abort").status_code == 404
    assert code(walk.post("api/projects/walk/abort")) == (404, "not_found")
    paths = [start(walk, "many", branch=branch) for branch in ("main", "v1")]
    several = walk.post("api/projects/many/abort")
    assert code(several) == (409, "conflict")
    assert several.json()["candidates"] == [f"many/main/fake/{SLOW}", f"many/v1/fake/{SLOW}"]
    assert all(address in several.json()["detail"] for address in several.json()["candidates"])
    end(walk, paths[0])
    assert walk.post("api/projects/many/abort").json()["aborted"] == f"many/v1/fake/{SLOW}"


def test_what_generates_is_not_deleted_and_has_no_site_to_download(walk: Walk) -> None:
    path = start(walk, "busy")
    assert code(walk.server.call("DELETE", path)) == (409, "already_generating")
    assert code(walk.server.call("DELETE", "api/projects/busy")) == (409, "conflict")
    assert code(walk.get(f"{path}/download")) == (409, "no_site")
    assert code(walk.get("api/projects/busy/download")) == (409, "no_site")
    assert code(walk.get(path.replace("api/projects", "docs") + "/")) == (409, "no_site")
    assert code(walk.post(f"{path}/render")) == (409, "already_generating")
    end(walk, path)
    assert walk.server.call("DELETE", path).json() == {"deleted": f"busy/main/fake/{SLOW}"}
    assert walk.get(path).status_code == 404


def test_a_variant_is_deleted_by_query_and_a_project_whole(walk: Walk) -> None:
    for branch in ("main", "v1", "feature/x"):
        walk.server.ended(start(walk, "gone", "pages=1", branch=branch))
    query = {"name": "gone", "provider": "fake", "model": "pages=1", "branch": "v1"}
    assert walk.server.call("DELETE", "api/variant", params=query).status_code == 200
    assert walk.server.call("DELETE", "api/variant", params=query).status_code == 404
    assert len(walk.get("api/projects/gone").json()["variants"]) == 2
    assert walk.server.call("DELETE", "api/projects/gone").json() == {"deleted": "gone"}
    assert walk.server.call("DELETE", "api/projects/gone").status_code == 404
    assert walk.get("docs/gone/fake/pages%3D1/").status_code == 404
    assert walk.get("api/runs", params={"name": "gone"}).json()["total"] == 3


def test_a_site_is_rendered_again_without_a_run(walk: Walk) -> None:
    path = path_of("walk", "main", "fake", MODEL)
    runs = walk.get("api/runs", params={"name": "walk"}).json()["total"]
    assert walk.post(f"{path}/render").json()["site"] is True
    assert walk.get("api/runs", params={"name": "walk"}).json()["total"] == runs
