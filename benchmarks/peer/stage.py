"""What stands side by side: the AI service, our server, an idle one of ours, and docsfy."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from event_loop import Server, make_repository
from peer.original import Docsfy, installed

AT_ONCE = 10  # pages
FAKE = Path(__file__).resolve().parents[2] / "tests" / "fake_provider.py"
OURS = "api/projects/{name}/main/ai/m1"
THEIRS = "api/projects/{name}/main/claude/m1"
HERE = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """The AI service as a process."""

    def __init__(self) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen([sys.executable, HERE / "ai_service.py", str(port)])

    def call(self, path: str, body: object = None) -> Any:
        """Send one request and return its JSON."""
        data = None if body is None else json.dumps(body).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(f"{self.url}/{path}", data), timeout=30) as told:
            return json.load(told)

    def wait(self) -> None:
        """Wait until it answers."""
        for _ in range(300):
            with contextlib.suppress(OSError):
                self.call("health")
                return
            time.sleep(0.1)
        raise SystemExit("the AI service did not start")

    def answers(self, pages: int, kib: int = 6, latency: float = 0.0) -> None:
        """Say what it answers from now on."""
        self.pages = pages
        self.call("settings", {"pages": pages, "kib": kib, "latency": latency})

    def end(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(30)


@dataclass
class Stage:
    """All that runs."""

    folder: Path
    service: Service
    ours: Server
    idle: Server
    python: Path | str  # docsfy's, or why there is none
    docsfy: Docsfy | None = None
    repositories: dict[str, Path] = field(default_factory=dict)
    windows: list[tuple[float, float]] = field(default_factory=list)
    docsfy_windows: list[tuple[float, float]] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """Why docsfy does not run."""
        return str(self.python)

    def start_docsfy(self) -> None:
        """Start docsfy where it is installed, with what it has by now."""
        if isinstance(self.python, Path):
            self.docsfy = Docsfy(self.python, self.folder / "docsfy", free_port(), self.service.url, AT_ONCE)
            self.docsfy.wait()

    def repository(self, name: str) -> Path:
        """Return a repository of this name, made on first use."""
        if name not in self.repositories:
            self.repositories[name] = make_repository(self.folder / name)
        return self.repositories[name]

    def run_ours(self, name: str) -> float:
        """Generate with us, everything anew; return the seconds."""
        body = {"repo_path": str(self.repository(name)), "branch": "main", "ai_provider": "ai", "ai_model": "m1", "force": True}
        return generated(self.ours, body, OURS.format(name=name), self.service.pages)

    def run_docsfy(self, name: str) -> float:
        """Generate with docsfy, everything anew; return the seconds."""
        assert self.docsfy is not None
        body = {"repo_path": str(self.repository(name)), "branch": "main", "force": True}
        return generated(self.docsfy, body, THEIRS.format(name=name), self.service.pages)


def generated(server: Server | Docsfy, body: dict[str, Any], path: str, pages: int) -> float:
    """Run to the end; return the seconds."""
    began = time.perf_counter()
    server.call("api/generate", body)
    while (row := server.call(path))["status"] == "generating":
        time.sleep(0.05)
    took = time.perf_counter() - began
    if (row["status"], row["page_count"]) != ("ready", pages):
        raise SystemExit(f"{server.url}: {row['status']} with {row['page_count']} of {pages} pages: {row['error_message']}")
    return took


def processor_seconds(pid: int) -> float:
    """Return what a process and all below it, also those that have ended, took of the processors."""
    used = 0.0
    for process in (server := psutil.Process(pid), *server.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used += times.user + times.system + times.children_user + times.children_system
    return used


@contextlib.contextmanager
def staged() -> Iterator[Stage]:
    """Start the AI service, our server, an idle one of ours, and docsfy."""
    python = installed()
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as ends:
        folder = Path(temporary)
        service = Service()
        ends.callback(service.end)
        ours, idle = our_server(folder / "ours", service), our_server(folder / "idle", service)
        ends.callback(ours.end)
        ends.callback(idle.end)
        stage = Stage(folder, service, ours, idle, python)
        ends.callback(lambda: stage.docsfy and stage.docsfy.end())
        stage.start_docsfy()
        for started in (service, ours, idle):
            started.wait()
        yield stage


def our_server(home: Path, service: Service) -> Server:
    ai = {"ai": {"base_url": f"{service.url}/v1", "default_model": "m1", "prices": {"m1": [0, 0]}}}
    return Server(
        home,
        4,
        f"--DocsfyApp.openai_servers={ai!r}",
        f"--DocsfyApp.command_providers={ {'fake': [sys.executable, str(FAKE)]}!r}",
        f"--DocsfyApp.max_concurrent_pages={AT_ONCE}",
        f"--DocsfyApp.max_concurrent_ai_calls={AT_ONCE}",
        extensions=["peer.bare_handler"],
    )
