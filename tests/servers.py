"""What tests build on: git repositories, and Jupyter servers in processes of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

FRONTENDS = [name for name in ("jupyterlab", "notebook") if find_spec(name)]
FAKE = Path(__file__).parent / "fake_provider.py"
# jupyter_server without a grammar that takes 3 CPU seconds to build at every start, for a check that Jupyter never makes
QUICK_START = "import sys; sys.modules['rfc3987_syntax'] = None; from jupyter_server.serverapp import main; main()"


def git(folder: Path, *args: str) -> str:
    """Run git in a folder with an identity of its own."""
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "init.defaultBranch=main", *args]
    return subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, files: dict[str, str], message: str = "change") -> str:
    """Write files, commit them, return the sha."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def make_demo_repo(parent: Path) -> Path:
    """Make a small Python project on branch main."""
    folder = parent / "demo"
    folder.mkdir()
    git(folder, "init", "-q")
    commit(
        folder,
        {
            "README.md": "# Demo\n\nA demonstration of adding numbers.\n",
            "pyproject.toml": '[project]\nname = "demo"\nversion = "1.0"\ndependencies = ["httpx"]\n',
            "demo/__init__.py": '"""The demo package."""\n',
            "demo/adding.py": '"""Adds."""\n\n\ndef add_numbers(a: int, b: int = 2) -> int:\n    """Add two numbers."""\n    return a + b\n',
            "demo/more.py": '"""More."""\n\nfrom demo.adding import add_numbers\n\n\ndef twice(x: int) -> int:\n    """Double."""\n    return add_numbers(x, x)\n',
        },
    )
    return folder


@dataclass
class Server:
    """A Jupyter server in a process of its own."""

    url: str
    token: str
    process: subprocess.Popen[bytes]
    data_dir: Path
    log: Path

    @property
    def api(self) -> str:
        return f"{self.url}docsfy/"

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"token {self.token}", **options.pop("headers", {})}
        options = {"timeout": 60, "verify": False, **options}  # reading the certificates would take 50 ms, at every call
        return httpx.request(method, self.api + path, headers=headers, trust_env=False, **options)

    def wait(self, path: str, until: Callable[[dict[str, Any]], bool], seconds: float = 60) -> dict[str, Any]:
        end = time.monotonic() + seconds
        row: dict[str, Any] = {}
        while time.monotonic() < end:
            row = self.call("GET", path).json()
            if until(row):
                return row
            time.sleep(0.05)
        raise AssertionError(f"not in time: {json.dumps(row)[:2000]}\n{self.log.read_text()[-3000:]}")

    def ended(self, path: str, seconds: float = 90) -> dict[str, Any]:
        return self.wait(path, lambda row: row.get("status") in ("ready", "error", "aborted"), seconds)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(
    home: Path,
    *extra: str,
    base_url: str = "/",
    data_dir: Path | None = None,
    frontends: Sequence[str] = (),
    ip: str = "127.0.0.1",
    port: int | None = None,
    token: str = "test-token",
    enabled: bool = True,
    python: str = sys.executable,
    cwd: Path | None = None,
    commands: Mapping[str, Sequence[str]] | None = None,
) -> Server:
    """Start a real server whose files are below ``home``; `frontends` are other extensions, such as ``jupyterlab``,
    `commands` more programs as providers."""
    extensions = {"docsfy_jupyter": enabled, **dict.fromkeys(frontends, True)}
    port = port or free_port()
    folder = data_dir or home / "data"
    root = home / "root"
    root.mkdir(exist_ok=True)
    log = home / f"server-{port}.log"
    commands = {"fake": [sys.executable, str(FAKE)], **(commands or {})}
    arguments = [
        python, "-c", QUICK_START, f"--ServerApp.ip={ip}", f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0", "--no-browser", "--allow-root", f"--ServerApp.root_dir={root}",
        f"--ServerApp.base_url={base_url}", f"--IdentityProvider.token={token}",
        f"--ServerApp.jpserver_extensions={extensions!r}",
        f"--DocsfyApp.data_dir={folder}", f"--DocsfyApp.command_providers={commands!r}",
        "--DocsfyApp.abort_patience=60", *extra,  # no test hangs on how fast a busy machine kills
    ]  # fmt: skip
    env = {**os.environ, "JUPYTER_RUNTIME_DIR": str(home / "runtime"), "JUPYTER_CONFIG_DIR": str(home / "config")}
    env |= {"JUPYTER_PLATFORM_DIRS": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            arguments, env=env, cwd=cwd, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True
        )
    return Server(f"http://127.0.0.1:{port}{base_url}", token, process, folder, log)


def end(server: Server) -> None:
    """Stop a server, whatever it does."""
    if server.process.poll() is None:
        server.process.terminate()
        try:
            server.process.wait(20)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()


def await_health(server: Server) -> None:
    end = time.monotonic() + 40
    while time.monotonic() < end:
        if server.process.poll() is not None:
            break
        try:
            if server.call("GET", "health").status_code in (200, 503):
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(server.log.read_text()[-4000:])
