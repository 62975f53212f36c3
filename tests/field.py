"""One server, repository and data folder that live through many faults in turn, as a machine in the field does."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from agents import Agents
from invariants import Promises, address, cached_pages, check, digest, published, variant_folder
from recording import is_pooled
from servers import Server, await_health, commit, end, git, launch, make_demo_repo

PAGES = 3
STAGES = ("queued", "cloning", "planning", "incremental_planning", "generating_pages", "rendering", "up_to_date")
# provider → model
MODELS = {
    "fake": f"pages={PAGES},hold=page-3",
    "claude": "sonnet",
    "gemini": "pro",
    "cursor": "auto",
    "local": "static",
}
AGENTS = ("claude", "gemini", "cursor")
OPTIONS = (
    "--DocsfyApp.allow_private_hosts=True",
    "--DocsfyApp.allowed_url_schemes=http",
    "--DocsfyApp.max_concurrent_pages=2",
)
_DISK = "48m"  # holds the database, which checkpoints, and some sites


class Field:
    """The server and what it works on; see `field`.

    Parameters
    ----------
    folder : Path
        Everything is in it.
    silent_host : str
        A git host that never answers.
    """

    def __init__(self, folder: Path, silent_host: str) -> None:
        self.folder = folder
        self.silent_host = silent_host
        self.repo = make_demo_repo(folder)
        self.agents = Agents(folder / "agents")
        self.gate = folder / "gate"
        self.clock = folder / "clock"
        self.temporary = folder / "tmp"
        self.mark = f"field-{folder.name}-{os.getpid()}-{random.SystemRandom().randrange(10**9)}"
        self.data_dir = folder / "disk" / "data"
        self.promises = Promises()
        self.server: Server
        self._calls = folder / "calls"
        for made in (self.temporary, self._calls, folder / "disk"):
            made.mkdir()
        self.clock.write_text("+0")
        self.mounted = _mount(folder / "disk")
        self.data_dir.mkdir()

    # the server

    def environment(self) -> dict[str, str]:
        """Return what the server's environment has beside the usual."""
        here = Path(__file__).parent
        found = {
            "PATH": f"{self.agents.bin}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(here / "faults"),
            "TMPDIR": str(self.temporary),
            "XDG_DOCSFY_MARK": self.mark,
            "XDG_DOCSFY_GATE": str(self.gate),
            "XDG_DOCSFY_CALLS": str(self._calls),
            "XDG_FAKE_AGENT": str(self.agents.folder),
        }
        library = clock_library()
        if library is not None:  # its children get none of this: what they inherit is an allow-list
            found |= {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(self.clock), "FAKETIME_CACHE_DURATION": "1"}
            found |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
        return found

    def start(self) -> None:
        """Start the server and wait until it has recovered."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment().items():
                patch.setenv(name, value)
            self.server = launch(self.folder, *OPTIONS, data_dir=self.data_dir, frontends=["breaking", "telling"])
        await_health(self.server)
        self.server.wait("health", lambda answer: answer.get("status") == "ok")

    def kill(self) -> None:
        """``kill -9`` of the server."""
        self.server.process.kill()
        self.server.process.wait()

    def restart(self) -> None:
        """Kill the server and start it again."""
        self.kill()
        self.start()

    def close(self) -> None:
        """End everything that was started."""
        self.gate.unlink(missing_ok=True)
        end(self.server)
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder / "disk")], check=True)

    # runs

    def commit(self, text: str) -> None:
        """Change what all pages are made of."""
        commit(self.repo, {"README.md": f"# Demo\n\n{text}\n", "demo/adding.py": f'"""Adds, {text}."""\n\n\ndef add() -> None:\n    """Add."""\n'})

    def begin(self, provider: str, **more: Any) -> dict[str, Any]:
        """Start a run; returns its row."""
        source = {} if "repo_url" in more else {"repo_path": str(self.repo)}
        model = more.pop("model", MODELS[provider])
        body = {"name": "demo", "branch": "main", "provider": provider, "model": model, **source, **more}
        answer = self.server.call("POST", "api/generate", json=body)
        assert answer.status_code == 202, answer.text
        self.promises.accepted.add(answer.json()["generation_id"])
        return self.row(answer.json()["generation_id"])

    def row(self, generation_id: str) -> dict[str, Any]:
        """Return a row by its latest run."""
        return dict(self.server.call("GET", f"api/projects/by-id/{generation_id}").json())

    def until(self, row: dict[str, Any], wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a state of the row, or for the end of its run."""
        path = f"api/projects/{address(row)}"
        return self.server.wait(path, lambda now: wanted(now) or now["status"] != "generating", 90)

    def reach(self, row: dict[str, Any], stage: str) -> dict[str, Any]:
        """Wait until a run has come to a stage, or beyond it."""
        return self.until(row, lambda now: STAGES.index(now["current_stage"] or "queued") >= STAGES.index(stage))

    def abort(self, row: dict[str, Any]) -> int:
        """Abort a run; returns 200, or 409 where it had ended."""
        code = self.server.call("POST", f"api/projects/{address(row)}/abort").status_code
        assert code in (200, 409)
        return code

    def note_site(self, row: dict[str, Any]) -> None:
        """Note what a run that came to its end before anything could break it has published: that site is the last good one now."""
        ended = self.row(row["generation_id"])
        if ended["status"] == "ready":
            folder = variant_folder(self.data_dir, row)
            self.promises.sites[str(folder)] = digest(published(folder) or folder)

    def told(self) -> list[tuple[float, str, str]]:
        """Return what the server did since the last time: the moment, the step, of what; see ``faults/telling.py``."""
        answer = httpx.get(f"{self.server.url}telling", trust_env=False, timeout=60)
        return [tuple(step) for step in answer.raise_for_status().json()["steps"]]

    # the programs that write

    def hold(self, turn: str) -> None:
        """Have all programs wait in the plan or in page 3, until `release`."""
        self.gate.touch()
        act = {"wait": str(self.gate), "children": True}
        self.agents.steer(PAGES, **{turn: act})

    def release(self) -> None:
        """Have all programs go on, and hold no more."""
        self.agents.steer(PAGES)
        self.gate.unlink(missing_ok=True)

    def calls(self) -> Counter[str]:
        """Return how often the programs were called for plans and pages since the last time."""
        found = Counter("plan" if turn == "plan" else "page" for turn in self.agents.turns())
        for path in self._calls.glob("*.call"):
            found[path.name.partition("-")[0]] += 1
            path.unlink()
        return found

    def expect_calls(self, provider: str, wanted: Counter[str]) -> None:
        """Check how often the programs were called since the last time; the local provider has none."""
        made = self.calls()
        assert provider == "local" or made == wanted, (made, wanted)

    def missing(self, row: dict[str, Any]) -> Counter[str]:
        """Return the calls that the next run of a variant has to make, by what is on its disk: none more, none fewer."""
        folder = variant_folder(self.data_dir, row)
        plan = folder / "plan.json"
        known = json.loads(plan.read_text()) if plan.exists() else {}
        if known.get("commit") != git(self.repo, "rev-parse", "HEAD"):
            return Counter(plan=1, page=PAGES)
        return +Counter(page=PAGES - len(cached_pages(folder)))

    def children(self, word: str = "") -> list[psutil.Process]:
        """Return the living children of runs, and theirs, whose command line has a word; workers that linger are none."""
        found = []
        for process in psutil.process_iter():
            try:
                environment = process.environ()
                ours = environment.get("XDG_DOCSFY_MARK") == self.mark and "DOCSFY_CHILD" in environment
                line = " ".join(process.cmdline())
                if ours and word in line and not is_pooled(line) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return sorted(found, key=lambda process: process.pid)

    def await_child(self, word: str, row: dict[str, Any]) -> psutil.Process | None:
        """Wait for a child with that word; None where the run ended without one."""
        while True:
            found = self.children(word)
            if found:
                return found[0]
            if self.row(row["generation_id"])["status"] != "generating":
                return None
            time.sleep(0.02)

    def check(self) -> list[dict[str, Any]]:
        """Check all that must hold; the rows."""
        assert not list(self.repo.rglob("*.lock"))
        return check(self.server, self.mark, self.promises, self.temporary)


def clock_library() -> Path | None:
    """Return the library that lets a program see another time, None where it is not installed."""
    spec = find_spec("libfaketime")
    found = list(Path(spec.origin).parent.rglob("libfaketime.so.1")) if spec and spec.origin else []
    return found[0] if found else None


def _mount(folder: Path) -> bool:
    """Give a folder a small file system of its own, if this user may."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        return False
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(folder)], capture_output=True, check=False).returncode == 0


@contextmanager
def opened(folder: Path, silent_host: str) -> Iterator[Field]:
    """Have a field with its server running."""
    made = Field(folder, silent_host)
    made.start()
    try:
        yield made
    finally:
        made.close()
