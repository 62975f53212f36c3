"""``kill -9`` of a server with a run in every stage, and a disk that fills up under one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from invariants import Promises, check
from recording import alive, lingering
from servers import Server, commit
from surroundings import fill

from docsfy_jupyter.models import SERVER_RESTARTED

OPTIONS = (
    "--DocsfyApp.max_concurrent_generations=5",
    "--DocsfyApp.allow_private_hosts=True",
    "--DocsfyApp.allowed_url_schemes=http",
)
MODELS = {
    "planning": "pages=1,hold=plan,children=1",
    "incremental_planning": "pages=1,hold=plan,children=2",
    "generating_pages": "pages=3,hold=page-2,children=1",
    "rendering": "pages=2,big=1",
    "queued": "pages=1",
}


class Held:
    """A server with named runs; the fake provider waits at the gate."""

    def __init__(self, server: Server, repo: Path) -> None:
        self.server = server
        self.repo = repo

    def path(self, name: str) -> str:
        model = MODELS.get(name, "pages=1").replace("=", "%3D").replace(",", "%2C")
        return f"api/variant?name={name}&branch=main&provider=fake&model={model}"

    def start(self, name: str, **more: Any) -> None:
        source = {} if "repo_url" in more else {"repo_path": str(self.repo)}
        body = {"name": name, "branch": "main", "provider": "fake", "model": MODELS.get(name, "pages=1"), **source, **more}
        answer = self.server.call("POST", "api/generate", json=body)
        assert answer.status_code == 202, answer.text

    def row(self, name: str) -> dict[str, Any]:
        return dict(self.server.call("GET", self.path(name)).json())

    def reach(self, name: str) -> None:
        self.server.wait(self.path(name), lambda row: row["current_stage"] == name)


@pytest.mark.case("F03")
@pytest.mark.case("F13")
def test_a_server_that_is_killed_in_every_stage_leaves_no_child_and_the_next_one_resumes(
    start_server: Callable[..., Server], demo_repo: Path, mark: str, gate: Path, silent_host: str
) -> None:
    held = Held(start_server(*OPTIONS), demo_repo)
    gate.unlink()
    held.start("incremental_planning")
    good = held.server.ended(held.path("incremental_planning"))
    assert good["status"] == "ready"
    promises = Promises()
    check(held.server, mark, promises)
    gate.touch()
    commit(demo_repo, {"README.md": "# Demo\n\nAnother text.\n"})
    held.start("cloning", repo_url=silent_host)
    for name in ("planning", "incremental_planning", "generating_pages", "rendering", "queued"):
        held.start(name)
    for name in ("cloning", "queued", "planning", "incremental_planning"):
        held.reach(name)
    held.server.wait(held.path("generating_pages"), lambda row: row["page_count"] == 2)
    held.reach("rendering")
    assert len(alive(mark)) >= 5
    assert list((held.server.data_dir / "tmp").glob("*"))
    held.server.process.kill()
    held.server.process.wait()
    killed = time.monotonic()
    while alive(mark) + lingering(mark) and time.monotonic() - killed < 10:
        time.sleep(0.02)
    took = time.monotonic() - killed
    print(f"the last child was gone {took:.2f} s after the kill (2 s is promised)")
    assert took <= 5
    gate.unlink()
    held.server = start_server(*OPTIONS)
    for name in ("cloning", *MODELS):
        row = held.row(name)
        told = ("status", "current_stage", "error_message", "pages_active", "queue_position")
        assert [row[field] for field in told] == ["error", None, SERVER_RESTARTED, [], None]
        assert row["failed_stage"] == name or name == "rendering"  # the last stage may have been too young to be written
    runs = held.server.call("GET", "api/runs?outcome=error").json()["runs"]
    assert {run["ended_by"] for run in runs} == {"the server (it was restarted)"}
    assert len(runs) == 6
    assert good["site"]
    check(held.server, mark, promises)
    held.start("generating_pages")
    row = held.server.ended(held.path("generating_pages"))
    assert (row["status"], row["pages_done"], row["page_count"]) == ("ready", ["page-2"], 3)
    assert "planning" not in row["stage_times"]
    check(held.server, mark, promises)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what is left is found by /proc")
def test_children_whose_watcher_was_stopped_when_their_server_was_killed_are_ended_by_the_next_server(
    start_server: Callable[..., Server], demo_repo: Path, mark: str, gate: Path
) -> None:
    held = Held(start_server(*OPTIONS), demo_repo)
    held.start("planning")
    held.reach("planning")
    held.server.wait(held.path("planning"), lambda _: bool(alive(mark)))
    (watcher,) = [child for child in psutil.Process(held.server.process.pid).children() if "watcher.py" in " ".join(child.cmdline())]
    watcher.suspend()
    held.server.process.kill()
    held.server.process.wait()
    assert alive(mark), "nobody is there who could have ended them"
    held.server = start_server(*OPTIONS)
    held.server.wait("health", lambda answer: answer.get("status") == "ok")
    assert "that a killed server had left were ended" in held.server.log.read_text("utf-8")
    gone, left = psutil.wait_procs([watcher], timeout=30)
    assert (len(gone), left) == (1, []), "it was woken, and has nothing more to do"
    gate.unlink()
    assert held.row("planning")["error_message"] == SERVER_RESTARTED
    check(held.server, mark, Promises())


def test_runs_on_a_full_disk_end_for_readers_and_are_written_once_there_is_room(
    start_server: Callable[..., Server], demo_repo: Path, tmp_path: Path, small_disk: Path, gate: Path
) -> None:
    data_dir = small_disk / "data"
    data_dir.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (data_dir / "tmp").symlink_to(tmp_path / "elsewhere")  # a clone that is removed would make room
    held = Held(start_server(data_dir=data_dir), demo_repo)
    for name in ("generating_pages", "planning"):
        held.start(name)
    held.server.wait(held.path("generating_pages"), lambda row: row["page_count"] == 2)
    held.reach("planning")
    time.sleep(0.3)  # what was emitted is written
    filler = fill(small_disk)
    answer = held.server.call("POST", held.path("planning").replace("variant?", "variant/abort?"))
    assert (answer.status_code, held.row("planning")["status"]) == (200, "aborted")
    gate.unlink()
    row = held.server.ended(held.path("generating_pages"))
    assert row["status"] == "error"
    assert "No space left" in row["error_message"]
    health = held.server.call("GET", "health")
    assert health.status_code == 503
    assert "2 runs" in health.json()["detail"]
    assert "No space left" in health.json()["detail"]
    again = held.server.call(
        "POST",
        "api/generate",
        json={"repo_path": str(demo_repo), "name": "planning", "provider": "fake", "model": MODELS["planning"]},
    )
    assert again.status_code == 503
    assert held.row("planning")["status"] == "aborted"
    filler.unlink()
    held.server.wait("health", lambda row: row.get("status") == "ok", 40)
    before = [held.row(name) for name in ("generating_pages", "planning")]
    held.server.process.kill()
    held.server.process.wait()
    held.server = start_server(data_dir=data_dir)
    assert [held.row(name) for name in ("generating_pages", "planning")] == before
    held.start("generating_pages")
    assert held.server.ended(held.path("generating_pages"))["status"] == "ready"
