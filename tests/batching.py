"""A server whose runs can be held, three repositories, and batches as a command in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from servers import Server, await_health, commit, end, git, launch

from docsfy_jupyter import DocsfyClient, connect

COMMAND = [sys.executable, "-c", "import sys; from docsfy_jupyter.cli import main; sys.exit(main())", "batch"]


@dataclass
class Bench:
    """A folder with batch files and repositories, and the server that documents them."""

    folder: Path
    server: Server
    gate: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    clients: list[DocsfyClient] = field(default_factory=list)

    @property
    def git_calls(self) -> list[str]:
        """What the server has run git for, a line each."""
        return (self.folder / "git-calls").read_text("utf-8").splitlines()

    def connect(self) -> DocsfyClient:
        """Return a client that is closed with the module."""
        self.clients.append(connect(self.server.url, self.server.token))
        return self.clients[-1]

    def repo(self, name: str) -> Path:
        """Make a repository with the branches main and next."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        git(folder, "init", "-q")
        commit(folder, {"README.md": f"# {name}\n"})
        git(folder, "branch", "next")
        return folder

    def file(self, name: str, variants: list[dict[str, Any]], **more: Any) -> Path:
        """Write a batch file."""
        path = self.folder / name
        path.write_text(yaml.safe_dump({"variants": variants, **more}), "utf-8")
        return path

    def begin(self, file: Path, *options: str) -> subprocess.Popen[str]:
        """Start ``jupyter docsfy batch`` from the root folder."""
        runs = file.with_suffix(".runs")
        where = ("--url", self.server.url, "--token", self.server.token, "--output", str(runs))
        child = subprocess.Popen([*COMMAND, str(file), *where, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/")
        self.started.append(child)
        return child

    def batch(self, file: Path, *options: str) -> tuple[int, dict[str, Any]]:
        """Run it to its end; returns its exit code and the document that it prints."""
        return ended(self.begin(file, "--json", *options))

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a project."""
        answer = self.server.call("GET", f"api/projects/{name}")
        return list(answer.json().get("variants", []))

    def held(self, name: str, count: int) -> list[dict[str, Any]]:
        """Wait until so many runs of a project wait for the gate."""
        end_at = time.monotonic() + 90
        while time.monotonic() < end_at:
            rows = [row for row in self.rows(name) if row["status"] == "generating" and row["current_stage"] == "generating_pages"]
            if len(rows) == count:
                return rows
            time.sleep(0.1)
        raise AssertionError(f"not in time: {self.rows(name)}")


def ended(child: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    """Wait for a command's end."""
    out, err = child.communicate(timeout=150)
    assert out, err
    return child.returncode, json.loads(out)


def descendants(child: subprocess.Popen[str], word: str) -> list[psutil.Process]:
    """Return the processes below a command whose command line has a word."""
    return [process for process in psutil.Process(child.pid).children(recursive=True) if any(word in part for part in process.cmdline())]


def told(child: subprocess.Popen[str]) -> list[str]:
    """Return what the kernel of a batch has told so far."""
    found = [process.cmdline() for process in descendants(child, "papermill")]
    files = [Path(line[line.index("-f") + 1]).with_name("progress.jsonl") for line in found if "-f" in line]
    return [line for file in files if file.is_file() for line in file.read_text("utf-8").splitlines()]


def outcomes(document: dict[str, Any]) -> dict[str, str]:
    """Return the outcome of each variant by name and branch."""
    return {f"{one['name']}/{one['branch']}": one["outcome"] for one in document["variants"]}


def _counting_git(home: Path) -> Path:
    """Make a git that notes what it is run for."""
    folder, calls = home / "bin", home / "git-calls"
    folder.mkdir()
    (folder / "git").write_text(f'#!/bin/sh\necho "$*" >> {calls}\nexec {shutil.which("git")} "$@"\n')
    (folder / "git").chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A server of the module's own, since its runs can be held and it may be killed."""
    home = tmp_path_factory.mktemp("batches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DOCSFY_GATE", str(home / "gate"))
        patch.setenv("PATH", f"{_counting_git(home)}{os.pathsep}{os.environ['PATH']}")
        server = launch(home, "--DocsfyApp.max_concurrent_generations=4")
    await_health(server)
    found = Bench(home, server, home / "gate")
    yield found
    for client in found.clients:
        client.close()
    for child in found.started:
        if child.poll() is None:
            child.kill()
            child.wait()
    end(found.server)


@pytest.fixture
def restart(bench: Bench) -> Callable[[], None]:
    """Kill the server and start it again at the same address."""

    def again() -> None:
        bench.server.process.kill()
        bench.server.process.wait()
        port = int(bench.server.url.split(":")[2].rstrip("/"))
        os.environ["XDG_DOCSFY_GATE"] = str(bench.gate)
        try:
            bench.server = launch(bench.folder, port=port)
        finally:
            del os.environ["XDG_DOCSFY_GATE"]
        await_health(bench.server)

    return again
