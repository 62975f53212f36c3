"""README's shell commands and Python cells, taken from it and run: in a shell, and in a real kernel of a real server.

Network-free: the repository that README documents is a local one here, of the same name. What is not run, and why:

- ``make demo`` and ``make test``: ``make -n`` says here that they exist; ``tests/demo`` runs the first, and the second is what
  runs this very test;
- ``pip install …``: needs a package index; ``tests/cli/test_wheel.py`` installs the wheel instead.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from servers import Server, await_health, end, git, launch, make_demo_repo
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect
from traitlets.config import Config

from docsfy_jupyter import connect
from docsfy_jupyter.batch.parameters import read_file
from docsfy_jupyter.server.app import DocsfyApp

ROOT = Path(__file__).parents[2]
REPO = "https://github.com/pallets/click"
NOT_RUN = ("pip install", "make ")


def blocks(language: str) -> list[str]:
    """Return README's fenced blocks in a language, without the indentation of a list."""
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.findall(r"^( *)```(\w*)\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(body) for _, kind, body in found if kind == language]


def cells() -> list[str]:
    return [block for block in blocks("python") if not block.startswith("c.")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the repository that README speaks of."""
    folder = tmp_path_factory.mktemp("readme")
    repo = make_demo_repo(folder).rename(folder / "click")
    git(repo, "branch", "-M", "main")
    return folder


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    """A server of its own: README's commands concern all variants of one."""
    started = launch(home)
    for _ in range(400):
        try:
            if started.call("GET", "health").status_code == 200:
                break
        except httpx.TransportError:
            pass
        assert started.process.poll() is None, started.log.read_text()[-2000:]
        subprocess.run(["sleep", "0.1"], check=True)
    yield started
    end(started)


def here(text: str, home: Path) -> str:
    return text.replace(REPO, str(home / "click"))


def test_every_block_is_of_a_language_that_is_run() -> None:
    kinds = re.findall(r"^ *```(\w+)$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert set(kinds) == {"sh", "python", "yaml"}
    assert len(cells()) >= 4


def test_the_batch_files_are_valid() -> None:
    assert [len(read_file(yaml.safe_load(block)).variants) for block in blocks("yaml")] == [2]


def test_the_commands_that_are_not_run_exist() -> None:
    commands = [line.split("#")[0].split() for block in blocks("sh") for line in block.splitlines() if line.startswith(NOT_RUN)]
    assert commands
    for command in commands:
        if command[0] == "make":
            subprocess.run([command[0], "-n", *command[1:]], cwd=ROOT, check=True, capture_output=True)
        else:
            assert command[:3] == ["pip", "install", "docsfy-jupyter"]


def test_the_shell_commands_run(server: Server, home: Path) -> None:
    env = {**os.environ, "DOCSFY_JUPYTER_URL": server.api, "DOCSFY_JUPYTER_TOKEN": server.token}
    env |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "JUPYTER_DATA_DIR": str(home / "jupyter")}
    lines = [line for block in blocks("sh") for line in block.splitlines() if line and not line.startswith(NOT_RUN)]
    assert len(lines) >= 7
    script = "set -eux\n" + here("\n".join(lines), home)
    result = subprocess.run(["sh", "-c", script], cwd=home, env=env, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert (home / "click-docs" / "index.html").is_file()
    assert (home / "click.tar.gz").stat().st_size > 1000
    assert "Deleted click/main/local/static" in result.stdout


async def test_the_python_cells_run_in_a_kernel(server: Server, home: Path) -> None:
    headers = {"Authorization": f"token {server.token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, trust_env=False, timeout=60) as http:
        kernel = (await http.post("api/kernels", json={"name": "python3", "path": ""})).json()["id"]
        where = f"{server.url.replace('http', 'ws', 1)}api/kernels/{kernel}/channels"
        socket = await websocket_connect(HTTPRequest(where, headers=headers))
        try:
            first, *others = (here(cell, home) for cell in cells())
            go, settled = f"import os; os.chdir({str(home)!r})", "connect().wait('click')"  # nobody reads on that quickly
            printed = ""
            # each in a kernel that knows nothing yet: who pastes a cell need not have pasted those above it
            alone = [code for cell in others for code in ("%reset -f", cell)]
            for code in (go, first, settled, *alone):
                said = await _executed(socket, code)
                assert said["error"] is None, f"{code}\n{said['error']}"
                printed += said["text"]
        finally:
            socket.close()
            await http.delete(f"api/kernels/{kernel}")
    assert (home / "click-main-local-static.tar.gz").is_file()
    assert "click/main/local/static" in printed


async def _executed(socket: Any, code: str) -> dict[str, Any]:
    number = uuid.uuid4().hex
    header = {"msg_id": number, "msg_type": "execute_request", "session": number, "username": "", "version": "5.3", "date": ""}
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    await socket.write_message(json.dumps(message))
    said: dict[str, Any] = {"text": "", "error": None}
    replied = idle = False
    while not (replied and idle):
        heard = await socket.read_message()
        assert heard is not None, "the kernel's connection ended"
        answer = json.loads(heard)
        if answer["parent_header"].get("msg_id") != number:
            continue
        kind = answer["msg_type"]
        if kind == "stream":
            said["text"] += answer["content"]["text"]
        elif kind == "error":
            said["error"] = "\n".join(answer["content"]["traceback"])
        replied = replied or kind == "execute_reply"
        idle = idle or (kind == "status" and answer["content"]["execution_state"] == "idle")
    return said


def test_things_lie_where_it_says_and_can_be_moved(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    said = subprocess.run([Path(sys.executable).with_name("jupyter"), "--data-dir"], capture_output=True, text=True, check=True)
    folder = Path(said.stdout.strip()) / "docsfy_jupyter"
    assert Path(DocsfyApp().data_dir) == folder
    text = (ROOT / "README.md").read_text("utf-8")
    there = re.findall(r"^\| `([^`]+)` \|", text.partition("| in it | |")[2].partition("\n\n")[0], re.MULTILINE)
    assert len(there) == 3
    first = launch(tmp_path, data_dir=folder)
    try:
        await_health(first)
        with connect(first.url, first.token) as client:
            row = client.wait(client.generate(home / "click", provider="local"), timeout=90)
    finally:
        end(first)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(any(folder.glob(pattern)) for pattern in there)
    moved = folder.rename(tmp_path / "elsewhere")
    second = launch(tmp_path, data_dir=moved)
    try:
        await_health(second)
        with connect(second.url, second.token) as client:
            assert client.get(row).status.value == "ready"
            assert client.runs()["runs"][0]["generation_id"] == row.generation_id
        assert second.call("GET", "docs/click/main/local/static/index.html").status_code == 200
    finally:
        end(second)


def test_the_configuration_lines_name_traits_that_exist() -> None:
    config = Config()
    lines = [block for block in blocks("python") if block.startswith("c.")]
    assert lines
    for line in lines:
        exec(line, {"c": config})
    traits = DocsfyApp.class_traits(config=True)
    assert set(config.DocsfyApp) <= set(traits)
    named = set(re.findall(r"`DocsfyApp\.(\w+)`", (ROOT / "README.md").read_text("utf-8")))
    assert named <= set(traits)
