"""docsfy itself, installed from PyPI and run as it is, with the AI service of this folder in place of its own."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ADMIN_KEY = "benchmark-admin-key"
FULL_TABLE = """
    INSERT INTO projects (name, branch, ai_provider, ai_model, owner, generation_id, repo_url, status, last_commit_sha,
                          last_generated, page_count, plan_json)
    WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?)
    SELECT 'project-' || n, branch, ai_provider, ai_model, owner, 'run-' || n, repo_url, status, last_commit_sha,
           last_generated, page_count, plan_json
    FROM numbers, (SELECT * FROM projects WHERE name = ?)"""


def installed() -> Path | str:
    """Return docsfy's Python, or why there is none here."""
    program = HERE.parents[1] / "tests" / "docsfy_program.py"
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return done.stderr.strip().rpartition("\n")[2]
    return Path(done.stdout.strip()).with_name("python")


class Docsfy:
    """A running docsfy.

    Parameters
    ----------
    python : Path
        Of the environment in which it is installed.
    home : Path
        Its data go there.
    port : int
        Where it listens.
    service : str
        Address of the AI service.
    pages_at_once : int
        As many calls as the other works with.
    """

    def __init__(self, python: Path, home: Path, port: int, service: str, pages_at_once: int) -> None:
        home.mkdir(exist_ok=True)
        self._out = home / "late.json"
        self._database = home / "docsfy.db"
        self.url = f"http://127.0.0.1:{port}/"
        self.headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"}
        settings = {
            "ADMIN_KEY": ADMIN_KEY,
            "DATA_DIR": str(home),
            "SIDECAR_URL": service,
            "LOG_LEVEL": "ERROR",
            "HOME": str(home),
        }
        settings |= {"AI_PROVIDER": "claude", "AI_MODEL": "m1", "MAX_CONCURRENT_PAGES": str(pages_at_once)}
        command = [python, HERE / "ticking_docsfy.py", str(port), "0.005", self._out]
        with (home / "log").open("wb") as log:
            self._process = subprocess.Popen(command, env=os.environ | settings, cwd=home, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def call(self, path: str, body: object = None) -> Any:
        """Send one request and return its JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, self.headers)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as answer:
            return json.load(answer)

    def wait(self) -> None:
        """Wait until it answers."""
        for _ in range(600):
            with contextlib.suppress(OSError):
                self.call("health")
                return
            time.sleep(0.1)
        raise SystemExit("docsfy did not start")

    def fill(self, name: str, rows: int) -> None:
        """Give it so many copies of one ready variant."""
        with contextlib.closing(sqlite3.connect(self._database)) as connection, connection:
            if connection.execute(FULL_TABLE, [rows, name]).rowcount != rows:
                raise SystemExit(f"docsfy has no variant {name!r} to copy")

    def late(self, began: float, ended: float) -> list[float]:
        """End it and return how late its loop was between two times, in milliseconds, sorted."""
        self.end()
        return sorted(late for at, late in json.loads(self._out.read_text()) if began <= at <= ended)

    def end(self) -> None:
        """Stop it; a second call does nothing."""
        self._process.terminate()
        self._process.wait(120)
