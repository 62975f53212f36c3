"""How late the server's event loop is while it generates: a ticker in it, twenty generations of fifty pages, twenty watchers.

A second server does nothing on the same machine at the same time, with the same ticker: what it shows is the machine's doing
(other processes on the same cores), what the first one shows beyond that is ours.

Run ``python benchmarks/event_loop.py``. Missed is a 99th percentile above 20 ms where the idle server's is below half of it, and
a run that is not ready. The file is also the extension that ticks in both servers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from rows import Row, alone, parser, report

RUNS, MODULES, WATCHERS = 20, 50, 20
TURNS = 5  # equal parts of the time that the runs take
DEFAULT_AT_ONCE = 4  # DocsfyApp.max_concurrent_generations
TICK = 0.005  # seconds
LIMIT = 20.0  # milliseconds
TOKEN = "bench"
# without a grammar of international addresses, which takes seconds to load and which no request here needs
QUICK_START = "import sys; sys.modules['rfc3987_syntax'] = None; from jupyter_server.serverapp import main; main()"


class Ticker(ExtensionApp):
    """Sleeps for a tick, again and again, and writes down how late it woke up."""

    name = "event_loop"

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        self._late: list[tuple[float, float]] = []
        self._ticking = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            due = time.monotonic() + TICK  # one clock for all processes of a machine
            await asyncio.sleep(TICK)
            now = time.monotonic()
            self._late.append((now, 1000 * (now - due)))

    async def stop_extension(self) -> None:
        """Write what was seen."""
        self._ticking.cancel()
        await asyncio.to_thread(Path(os.environ["EVENT_LOOP_OUT"]).write_text, json.dumps(self._late))


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "event_loop", "app": Ticker}]


class JupyterServer:
    """A Jupyter server in a process of its own.

    Parameters
    ----------
    home : Path
        Its files go there.
    extensions : mapping of str to bool
        Which ones are on or off; others as they are installed.
    options : str
        More of its command line.
    variables : str
        Of its environment.
    """

    def __init__(self, home: Path, extensions: Mapping[str, bool], *options: str, **variables: str) -> None:
        home.mkdir(exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.root = f"http://127.0.0.1:{port}/"
        command = [
            sys.executable, "-c", QUICK_START, f"--ServerApp.port={port}", "--no-browser", "--allow-root",
            f"--ServerApp.root_dir={home}", f"--IdentityProvider.token={TOKEN}", "--ServerApp.log_level=ERROR",
            f"--ServerApp.jpserver_extensions={dict(extensions)!r}", f"--DocsfyApp.data_dir={home / 'data'}", *options,
        ]  # fmt: skip
        path = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
        env = {**os.environ, **variables, "PYTHONPATH": path, "JUPYTER_PLATFORM_DIRS": "1"}
        env |= {"JUPYTER_RUNTIME_DIR": str(home / "run"), "JUPYTER_CONFIG_DIR": str(home / "config")}
        self._process = subprocess.Popen(command, env=env)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def ask(self, path: str, body: object = None) -> Any:
        """Send one request and return its JSON."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.root + path, data, headers)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)

    def await_answer(self, path: str, pause: float = 0.1) -> None:
        """Ask until it answers."""
        for _ in range(int(120 / pause)):
            with contextlib.suppress(OSError):
                self.ask(path)
                return
            time.sleep(pause)
        raise SystemExit("the server did not start")

    def end(self) -> None:
        """Stop it; a second call does nothing."""
        self._process.terminate()
        self._process.wait(60)


class Server(JupyterServer):
    """One with our extension and the ticker."""

    def __init__(self, home: Path, at_once: int, *more: str, extensions: Sequence[str] = ()) -> None:
        self._out = home / "late.json"
        loaded = dict.fromkeys(("docsfy_jupyter", "event_loop", *extensions), True)
        limit = f"--DocsfyApp.max_concurrent_generations={at_once}"
        super().__init__(home, loaded, limit, *more, EVENT_LOOP_OUT=str(self._out))
        self.url = f"{self.root}docsfy/"

    def call(self, path: str, body: object = None) -> Any:
        """Send one request to our extension and return its JSON."""
        return self.ask(f"docsfy/{path}", body)

    def wait(self) -> None:
        """Wait until our extension answers."""
        self.await_answer("docsfy/health")

    def stop(self, began: float, ended: float) -> list[float]:
        """Stop it and return how late its loop was between two times, in milliseconds, sorted."""
        self.end()
        return sorted(late for at, late in json.loads(self._out.read_text()) if began <= at <= ended)


def make_repository(folder: Path) -> Path:
    """Make a package with a module for each page."""
    (folder / "big").mkdir(parents=True)
    for number in range(MODULES):
        text = f'"""Part {number}."""\n\n\ndef call_{number}(x: int) -> int:\n    """Add {number}."""\n    return x + {number}\n'
        (folder / "big" / f"part_{number:02}.py").write_text(text)
    (folder / "big" / "__init__.py").write_text('"""Big."""\n')
    (folder / "README.md").write_text("# Big\n\nMany parts.\n")
    identity = ("-c", "user.name=b", "-c", "user.email=b@example.invalid", "-c", "init.defaultBranch=main")
    for verb in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "all")):
        subprocess.run(["git", *identity, *verb], cwd=folder, check=True)
    return folder


@contextlib.contextmanager
def two_servers(at_once: int) -> Iterator[tuple[Server, Server, Path]]:
    """Start the one that works and the one that is idle."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        working, idle = Server(home / "working", at_once), Server(home / "idle", at_once)
        try:
            working.wait()
            idle.wait()
            yield working, idle, make_repository(home / "repository")
        finally:
            working.end()
            idle.end()


def generate(server: Server, repository: Path) -> int:
    """Start all runs, watch them as status pages do; return how many are ready."""
    for number in range(RUNS):
        server.call("api/generate", {"repo_path": str(repository), "name": f"big-{number}"})
    paths = [f"api/projects/big-{number}/local/static" for number in range(RUNS)]
    statuses: dict[str, str] = {}
    while len(statuses) < RUNS:
        for path in paths[:WATCHERS]:
            row = server.call(path)
            if row["status"] != "generating":
                statuses[path] = row["status"]
        time.sleep(1.0)
    return sum(status == "ready" for status in statuses.values())


def percentile(late: list[float], share: float) -> float:
    """Return the value that so many are not above."""
    return late[min(int(share * len(late)), len(late) - 1)]


def judged(name: str, working: Server, idle: Server, began: float, ended: float) -> list[Row]:
    """Stop two servers; return the rows of how late they were in each part of a time.

    What an idle server on the same machine suffers too is not ours.
    """
    part = (ended - began) / TURNS
    late, beside = ([one.stop(began + n * part, began + (n + 1) * part) for n in range(TURNS)] for one in (working, idle))
    mine, theirs = ([percentile(ticks, 0.99) for ticks in parts] for parts in (late, beside))
    row = alone(f"event loop late by, {name}, p99, ms", mine, other=theirs, at_most=LIMIT, note="beside an idle server's")
    longest, its_longest = ([ticks[-1] for ticks in parts] for parts in (late, beside))
    told = f"{sum(map(len, late))} ticks"
    most = alone(f"event loop late by, {name}, longest, ms", longest, other=its_longest, note=told)
    return [replace(row, passed=row.passed or statistics.median(theirs) >= statistics.median(mine) / 2), most]


def measured(at_once: int) -> list[Row]:
    """Ask for all generations at once, of which so many work at a time; return what was seen."""
    with two_servers(at_once) as (working, idle, repository):
        began = time.monotonic()
        ready = generate(working, repository)
        ended = time.monotonic()
        late = judged(f"{at_once} generations at work", working, idle, began, ended)
    done = alone(f"{RUNS} generations of {MODULES} modules, {at_once} at a time, s", [ended - began], note=f"{ready} ready")
    return [replace(done, passed=ready == RUNS), *late]


def main() -> int:
    """Measure; return the exit code. With all at work, which is for comparison, nothing is judged."""
    options = parser(__doc__).parse_args()
    beside = [replace(row, mark="", passed=None) for row in measured(RUNS)]
    return report([*measured(DEFAULT_AT_ONCE), *beside], options.json)


if __name__ == "__main__":
    sys.exit(main())
