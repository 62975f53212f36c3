"""A real server, asked over HTTP, by the lines of the REST contract."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from servers import Server, commit

GENERATE = "api/generate"


def fake(repo: Path, model: str = "pages=3", **more: object) -> dict[str, object]:
    return {"repo_path": str(repo), "provider": "fake", "model": model, **more}


def at(model: str, branch: str = "main", name: str = "demo", provider: str = "fake") -> str:
    model = model.replace("=", "%3D").replace(",", "%2C")
    return f"api/projects/{name}/{branch}/{provider}/{model}"


def test_a_repository_becomes_a_site_with_its_progress_told(start_server: Callable[..., Server], demo_repo: Path) -> None:
    server = start_server()
    answer = server.call("POST", GENERATE, json={"repo_path": str(demo_repo)})
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "generating"
    assert answer.headers["location"].endswith("docsfy/api/projects/demo/main/local/static")
    row = server.ended("api/projects/demo/local/static")
    assert (row["status"], row["current_stage"], row["error_message"]) == ("ready", None, None)
    assert row["page_count"] == len(re.findall('"slug"', row["plan_json"])) > 3
    assert row["site"] is True
    home = server.call("GET", "docs/demo/main/local/static/")
    assert home.status_code == 200
    assert "script-src 'self'" in home.headers["content-security-policy"]
    whole = server.call("GET", "api/projects/demo/local/static/download")
    names = tarfile.open(fileobj=io.BytesIO(whole.content)).getnames()  # noqa: SIM115
    assert "demo-main-local-static/index.html" in names
    again = server.call("POST", GENERATE, json={"repo_path": str(demo_repo)})
    assert again.status_code == 202
    second = server.ended("api/projects/demo/local/static")
    assert (second["status"], second["current_stage"]) == ("ready", "up_to_date")
    assert second["last_generated"] == row["last_generated"]
    assert second["page_count"] == row["page_count"]
    runs = server.call("GET", "api/runs").json()
    assert runs["total"] == 2


def test_one_changed_file_regenerates_its_pages_only(start_server: Callable[..., Server], demo_repo: Path) -> None:
    server = start_server()
    server.call("POST", GENERATE, json={"repo_path": str(demo_repo)})
    first = server.ended("api/projects/demo/local/static")
    text = (demo_repo / "demo/adding.py").read_text().replace("Add two numbers.", "Add two whole numbers.")
    commit(demo_repo, {"demo/adding.py": text})
    server.call("POST", GENERATE, json={"repo_path": str(demo_repo)})
    second = server.ended("api/projects/demo/local/static")
    assert second["last_commit_sha"] != first["last_commit_sha"]
    assert "incremental_planning" in second["stage_times"]
    assert len(second["pages_done"]) == 1
    assert "adding" in second["pages_done"][0]


def test_etag_held_poll_and_progress_view(start_server: Callable[..., Server], demo_repo: Path) -> None:
    server = start_server()
    server.call("POST", GENERATE, json=fake(demo_repo))
    server.ended(at("pages=3"))
    first = server.call("GET", at("pages=3"))
    tag = first.headers["etag"]
    assert server.call("GET", at("pages=3"), headers={"If-None-Match": tag}).status_code == 304
    assert server.call("GET", at("pages=3") + "?wait=1", params={"wait": "1", "etag": tag}).status_code == 304
    view = server.call("GET", at("pages=3"), params={"view": "progress"}).json()
    assert (view["label"], view["percent"], view["text"]) == ("Complete", 100, "3 / 3 pages")
    assert view["log"][-1]["text"] == "Documentation ready!"
    query = {"name": "demo", "provider": "fake", "model": "pages=3"}
    assert server.call("GET", "api/variant", params=query).json() == first.json()
    kinds = [event["kind"] for event in server.call("GET", at("pages=3") + "/events").json()["events"]]
    assert kinds[0] == "started"
    assert kinds[-1] == "ready"
    assert server.call("GET", f"api/projects/by-id/{first.json()['generation_id']}").json() == first.json()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", GENERATE, {}, 400, "invalid"),
        ("POST", GENERATE, {"repo_path": "relative"}, 400, None),
        ("POST", GENERATE, {"repo_url": "file:///etc"}, 400, None),
        ("POST", GENERATE, {"repo_url": "https://h.example/o/r", "branch": "--upload-pack=x"}, 400, None),
        ("POST", GENERATE, {"repo_url": "https://h.example/o/r", "provider": "nobody"}, 400, "provider_unavailable"),
        ("GET", "api/projects/nobody", None, 404, "not_found"),
        ("GET", "api/projects/a/b/c", None, 404, "not_found"),
        ("POST", "api/projects/a/b/c/abort", None, 404, "not_found"),
        ("DELETE", "api/projects/a/b/c", None, 404, "not_found"),
        ("GET", "api/projects/a/x%00y/c", None, 400, "bad_request"),
        ("GET", "api/projects/a/../c", None, 404, "not_found"),
        ("GET", "api/projects/by-id/nonsense", None, 400, "bad_request"),
        ("GET", "api/nothing", None, 404, "not_found"),
        ("PUT", "api/nothing", None, 404, "not_found"),
        ("GET", GENERATE, None, 405, "method_not_allowed"),
        ("GET", "api/projects?status=nonsense", None, 400, "invalid"),
        ("GET", "api/projects?limit=-1", None, 400, "invalid"),
    ],
)
def test_bad_requests_have_one_shape(
    shared_server: Server, method: str, path: str, body: object, status: int, code: str | None
) -> None:
    answer = shared_server.call(method, path, **({} if body is None else {"json": body}))
    assert answer.status_code == status, answer.text
    data = answer.json()
    assert data["detail"] == data["message"] != ""
    assert code is None or data["code"] == code


@pytest.mark.case("J04")
@pytest.mark.parametrize(
    "path", ["", "health", GENERATE, "api/projects", "api/projects/a/b/c", "api/models", "api/runs", "docs/a/b/c/", "zzz"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT"])
def test_nothing_answers_without_a_token(shared_server: Server, method: str, path: str) -> None:
    answer = httpx.request(method, shared_server.api + path, trust_env=False, verify=False)
    assert answer.status_code == 403, answer.text
    assert answer.json()["detail"]


@pytest.mark.case("F04")
def test_of_five_equal_starts_one_wins(start_server: Callable[..., Server], demo_repo: Path) -> None:
    server = start_server()
    body = fake(demo_repo, "pages=2,sleep=1")
    with ThreadPoolExecutor(5) as pool:
        codes = sorted(pool.map(lambda _: server.call("POST", GENERATE, json=body).status_code, range(5)))
    assert codes == [202, 409, 409, 409, 409]
    assert server.ended(at("pages=2,sleep=1"))["status"] == "ready"


@pytest.mark.case("A01")
@pytest.mark.case("O04")
def test_abort_kills_the_whole_tree_and_keeps_the_finished_pages(start_server: Callable[..., Server], demo_repo: Path) -> None:
    server = start_server("--DocsfyApp.max_concurrent_pages=1")
    model = "pages=6,sleep=0.6,children=1"
    server.call("POST", GENERATE, json=fake(demo_repo, model))
    server.wait(at(model), lambda row: row["page_count"] >= 2)
    answer = server.call("POST", at(model) + "/abort")
    assert answer.status_code == 200, answer.text
    row = answer.json()["variant"]
    assert (row["status"], row["current_stage"], row["error_message"]) == ("aborted", None, "Generation aborted by user")
    assert (row["failed_stage"], row["pages_active"]) == ("generating_pages", [])
    alive = [
        p.name() for p in psutil.Process(server.process.pid).children(recursive=True) if "watcher" not in " ".join(p.cmdline())
    ]
    assert alive == []
    assert not list((server.data_dir / "tmp").glob("*"))
    assert server.call("POST", at(model) + "/abort").status_code == 409
    kept = row["page_count"]
    server.call("POST", GENERATE, json=fake(demo_repo, model))
    done = server.ended(at(model))
    assert done["status"] == "ready"
    assert len(done["pages_done"]) == 6 - kept


@pytest.mark.case("F12")
def test_a_failed_page_is_never_called_ready(start_server: Callable[..., Server], demo_repo: Path) -> None:
    server = start_server()
    model = "pages=4,fail=page-2"
    server.call("POST", GENERATE, json=fake(demo_repo, model))
    row = server.ended(at(model))
    assert (row["status"], row["page_count"], row["failed_stage"]) == ("error", 3, "generating_pages")
    assert row["error_message"].startswith("1 of 4 pages failed: page-2 (exit code 1")
    assert [page["slug"] for page in row["failed_pages"]] == ["page-2"]
    assert row["site"] is False


@pytest.mark.case("F03")
@pytest.mark.case("F13")
def test_a_killed_server_recovers_and_resumes(start_server: Callable[..., Server], demo_repo: Path) -> None:
    server = start_server("--DocsfyApp.max_concurrent_pages=1")
    model = "pages=5,sleep=0.5,children=1"
    server.call("POST", GENERATE, json=fake(demo_repo, model))
    server.wait(at(model), lambda row: row["page_count"] >= 2)
    children = psutil.Process(server.process.pid).children(recursive=True)
    server.process.kill()
    server.process.wait()
    assert not psutil.wait_procs(children, timeout=5)[1]
    second = start_server("--DocsfyApp.max_concurrent_pages=1")
    row = second.call("GET", at(model)).json()
    assert (row["status"], row["current_stage"], row["error_message"]) == ("error", None, "Server restarted during generation")
    second.call("POST", GENERATE, json=fake(demo_repo, model))
    done = second.ended(at(model))
    assert done["status"] == "ready"
    assert 1 <= len(done["pages_done"]) <= 3
    assert "planning" not in done["stage_times"]


@pytest.mark.case("A15")
def test_a_stopped_server_leaves_no_run_behind(start_server: Callable[..., Server], demo_repo: Path) -> None:
    server = start_server()
    model = "pages=5,sleep=30"
    server.call("POST", GENERATE, json=fake(demo_repo, model))
    server.wait(at(model), lambda row: row["current_stage"] == "generating_pages")
    children = psutil.Process(server.process.pid).children(recursive=True)
    server.stop()
    assert not psutil.wait_procs(children, timeout=5)[1]
    assert not list(server.data_dir.glob("*.wal"))
    row = start_server().call("GET", at(model)).json()
    assert row["status"] == "aborted"


@pytest.mark.case("D02")
def test_a_second_server_on_the_same_folder_answers_503_and_recovers(start_server: Callable[..., Server]) -> None:
    first = start_server()
    second = start_server(data_dir=first.data_dir)
    answer = second.call("GET", "health")
    assert answer.status_code == 503
    assert str(first.process.pid) in answer.json()["detail"]
    assert httpx.get(second.url + "api/status?token=test-token", trust_env=False).status_code == 200
    first.stop()
    second.wait("health", lambda row: row.get("status") == "ok", 20)


def test_two_repositories_never_share_a_variant(start_server: Callable[..., Server], demo_repo: Path, tmp_path: Path) -> None:
    server = start_server()
    other = tmp_path / "other" / "demo"
    other.parent.mkdir()
    demo_repo_copy = demo_repo.rename(other)
    server.call("POST", GENERATE, json=fake(demo_repo_copy))
    server.ended(at("pages=3"))
    third = tmp_path / "third" / "demo"
    third.parent.mkdir()
    other.rename(third)
    answer = server.call("POST", GENERATE, json=fake(third))
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    assert "name=" in answer.json()["detail"]


def test_runs_beyond_the_limit_wait_with_their_position(start_server: Callable[..., Server], demo_repo: Path) -> None:
    server = start_server("--DocsfyApp.max_concurrent_generations=1")
    for model in ("pages=1,sleep=2", "pages=1,n=2", "pages=1,n=3"):
        assert server.call("POST", GENERATE, json=fake(demo_repo, model)).status_code == 202
    row = server.wait(at("pages=1,n=3"), lambda row: row["current_stage"] == "queued")
    assert row["queue_position"] == 2
    assert server.call("POST", at("pages=1,n=2") + "/abort").status_code == 200
    assert server.call("GET", at("pages=1,n=3")).json()["queue_position"] == 1
    assert server.ended(at("pages=1,n=3"))["status"] == "ready"


@pytest.mark.case("J01")
@pytest.mark.parametrize(
    ("segment", "model"),
    [
        ("anthropic%2Fclaude-3", "anthropic/claude-3"),
        ("llama3:8b", "llama3:8b"),
        ("opus[1m]", "opus[1m]"),
        ("opus%5B1m%5D", "opus[1m]"),
        ("%E6%A8%A1%E5%9E%8B", "模型"),
        ("m%20x+y", "m x+y"),
        ("100%25", "100%"),
    ],
)
def test_model_names_round_trip(shared_server: Server, shared_repo: Path, segment: str, model: str) -> None:
    shared_server.call("POST", GENERATE, json=fake(shared_repo, model, name="round"))
    path = f"api/projects/round/main/fake/{segment}"
    assert shared_server.ended(path)["ai_model"] == model
    assert shared_server.call("GET", "api/projects/round/main/fake/anthropic%252Fclaude-3").status_code == 404


@pytest.mark.case("J09")
def test_polls_are_no_activity_and_starts_are(shared_server: Server, shared_repo: Path) -> None:
    def last() -> str:
        url = shared_server.url + "api/status?token=test-token&no_track_activity=1"
        return str(httpx.get(url, trust_env=False).json()["last_activity"])

    before = last()
    for _ in range(3):
        shared_server.call("GET", "api/projects")
    assert last() == before
    shared_server.call("POST", GENERATE, json=fake(shared_repo, "pages=1", name="activity"))
    assert last() > before
    shared_server.ended("api/projects/activity/fake/pages%3D1")
