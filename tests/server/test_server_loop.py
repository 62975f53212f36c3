"""The event loop: it stays answerable whatever a run does, and nothing of a server belongs to a loop that is not its own."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from recording import finished, running, start
from servers import Server, git
from walking import path_of

from docsfy_jupyter.models import Status

HOLDER = "import sys, time, pathlib; from docsfy_jupyter.store.lock import take_lock; take_lock(pathlib.Path(sys.argv[1]))"
FILES, MODULES = 20_000, 200


@pytest.mark.case("A10")
async def test_a_run_survives_the_garbage_collector_and_is_let_go(demo_repo: Path, tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, "pages=3,sleep=0.2")
        for _ in range(50):
            gc.collect()
            await asyncio.sleep(0.01)
        row = await finished(manager, key)
        assert (row.status, row.error_message) == (Status.READY, None)
        assert manager.active == 0


def one_run(repo: Path, folder: Path) -> Status:
    """Run once in a loop of its own."""

    async def run() -> Status:
        async with running(folder) as manager:
            return (await finished(manager, await start(manager, repo, "pages=2"))).status

    return asyncio.run(run())


@pytest.mark.case("A12")
def test_one_loop_after_the_other_can_run(demo_repo: Path, tmp_path: Path) -> None:
    assert [one_run(demo_repo, tmp_path) for _ in range(2)] == [Status.READY, Status.READY]


@pytest.mark.case("A12")
def test_two_loops_at_once_can_run(demo_repo: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda folder: one_run(demo_repo, folder), folders)) == [Status.READY, Status.READY]


def make_large_repo(folder: Path) -> Path:
    """Make a repository of many files, quickly: git reads one stream."""
    folder.mkdir()
    git(folder, "init", "-q")
    files = {f"data/{number // 500}/{number}.txt": f"{number}\n" for number in range(FILES)}
    files |= {
        f"large/module_{n}.py": f'"""Module {n}."""\n\n\ndef function_{n}(x: int) -> int:\n    """Add {n}."""\n    return x + {n}\n'
        for n in range(MODULES)
    }
    files["large/__init__.py"] = '"""A large package."""\n'
    parts = ["commit refs/heads/main\ncommitter t <t@example.invalid> 0 +0000\ndata 1\nx\n"]
    parts += [f"M 100644 inline {name}\ndata {len(text)}\n{text}\n" for name, text in files.items()]
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input="".join(parts).encode(), check=True)
    return folder


def answered_while(server: Server, path: str, until: Callable[[httpx.Response], bool]) -> list[float]:
    """Ask Jupyter for ``/api`` again and again; return when each answer came, in seconds from the first question."""
    times = [0.0]
    began = time.monotonic()
    with httpx.Client(
        base_url=server.url, trust_env=False, timeout=60, headers={"Authorization": f"token {server.token}"}
    ) as client:
        while not until(client.get(f"docsfy/{path}")):
            assert time.monotonic() - began < 240
            for _ in range(5):
                assert client.get("api").status_code == 200
                times.append(time.monotonic() - began)
                time.sleep(0.02)
    return times


@pytest.mark.case("J08")
def test_jupyter_answers_while_the_store_is_locked_and_while_a_large_run_works(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    holder = subprocess.Popen([sys.executable, "-c", f"{HOLDER}; time.sleep(600)", str(tmp_path / "data")])
    try:
        while not list((tmp_path / "data").iterdir()):
            time.sleep(0.02)
        server = start_server()
        assert server.call("GET", "health").status_code == 503
        asked = iter(range(4))
        assert len(answered_while(server, "health", lambda answer: next(asked, None) is None)) == 21
        assert server.call("GET", "health").json()["code"] == "store_unavailable"
    finally:
        holder.kill()
        holder.wait()
    server.wait("health", lambda answer: answer.get("status") == "ok")
    repo = make_large_repo(tmp_path / "large")
    assert server.call("POST", "api/generate", json={"repo_path": str(repo), "branch": "main"}).status_code == 202
    path = path_of("large", "main", "local", "static")
    times = answered_while(server, path, lambda answer: answer.json()["status"] != "generating")
    row = server.call("GET", path).json()
    assert (row["status"], row["page_count"] >= MODULES / 2) == ("ready", True), row["error_message"]
    longest = max(after - before for before, after in pairwise(times))
    assert len(times) > 20
    assert longest < max(1.0, times[-1] / 4), f"a gap of {longest:.2f} s in {times[-1]:.1f} s"


COLLECTOR = """
import atexit, gc, pathlib
from jupyter_server.base.handlers import JupyterHandler
from docsfy_jupyter.models import Variant

class Collector(JupyterHandler):
    def get(self):
        searched = gc.get_objects()
        self.finish({"left_out": gc.get_freeze_count(), "searched": len(searched), "rows": sum(type(one) is Variant for one in searched)})

def _jupyter_server_extension_points():
    return [{"module": "collector"}]

def _load_jupyter_server_extension(app):
    app.web_app.add_handlers(".*", [("/collector", Collector)])
    atexit.register(lambda: pathlib.Path("left-out-at-the-end").write_text(str(gc.get_freeze_count())))
"""
# notes which variables are set while the event loop runs, and whether they were there before
NOTING = """
import asyncio, os
def _jupyter_server_extension_points():
    return [{"module": "noting"}]
def _load_jupyter_server_extension(app):
    put = os.putenv
    def noted(name, value):
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            with open("variables", "a") as file:
                print(os.fsdecode(name), os.fsdecode(name) in os.environ, file=file)
        put(name, value)
    os.putenv = noted
"""


def test_what_is_there_for_good_is_not_searched_for_cyclic_garbage_until_the_extension_stops(
    demo_repo: Path, start_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "collector.py").write_text(COLLECTOR)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    server = start_server()
    body = {"repo_path": str(demo_repo), "branch": "main", "provider": "fake", "model": "pages=1"}
    assert server.call("POST", "api/generate", json=body).status_code == 202
    path = path_of("demo", "main", "fake", "pages=1")
    assert server.ended(path)["status"] == "ready"
    assert server.stop() == 0
    server = start_server(frontends=["collector"], cwd=tmp_path)
    looked = server.wait("../collector", lambda answer: answer["left_out"] > 0)
    assert looked["rows"] == 0
    assert looked["searched"] < looked["left_out"] / 10
    assert server.call("GET", path).json()["status"] == "ready"
    assert server.stop() == 0
    assert (tmp_path / "left-out-at-the-end").read_text() == "0"


def test_no_environment_variable_is_new_once_there_may_be_threads(start_server: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "noting.py").write_text(NOTING)
    server = start_server(frontends=["noting"], cwd=tmp_path)
    assert server.stop() == 0
    told = dict(line.split() for line in (tmp_path / "variables").read_text().splitlines())
    assert {name: there for name, there in told.items() if there != "True"} == {}
    assert {"DOCSFY_JUPYTER_URL", "DOCSFY_JUPYTER_TOKEN"} <= set(told)


@pytest.mark.case("J15")
def test_a_start_answers_while_its_clone_hangs_and_a_second_try_starts_nothing(start_server: Callable[..., Server]) -> None:
    server = start_server("--DocsfyApp.allow_private_hosts=True", "--DocsfyApp.allowed_url_schemes=http")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never says a word
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/team/hanging.git"
        body = {"repo_url": url, "branch": "main", "provider": "fake", "model": "pages=1"}
        path = path_of("hanging", "main", "fake", "pages=1")
        first = server.call("POST", "api/generate", json=body)
        assert first.status_code == 202, first.text
        row = server.wait(path, lambda row: row["current_stage"] == "cloning")
        again = server.call("POST", "api/generate", json=body)
        assert (again.status_code, again.json()["code"]) == (409, "already_generating")
        assert server.call("GET", path).json()["generation_id"] == row["generation_id"] == first.json()["generation_id"]
        ended = server.call("POST", f"{path}/abort")
        assert (ended.status_code, ended.json()["variant"]["status"]) == (200, "aborted")
        assert max(first.elapsed, again.elapsed, ended.elapsed).total_seconds() < 8
    assert server.call("GET", "api/runs").json()["total"] == 1
