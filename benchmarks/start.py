"""What the extension adds to a Jupyter server's start and to its memory when it is idle, and what its imports take.

Three servers start in turns: a bare one, one whose only extension opens a DuckDB file with our settings, and ours. Measured is
the time from the process's start to the first answer of Jupyter's own status call, and, some seconds later, the memory that
only this process has.

Run ``python benchmarks/start.py``. The file is also the extension that opens DuckDB.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from event_loop import JupyterServer
from jupyter_server.extension.application import ExtensionApp
from rows import alone, parser, report

TURNS, SETTLE = 5, 3.0  # seconds until the memory of an idle server stays
MORE = 10  # turns of the start alone: from one to the next it differs by as much as is added
START, MEMORY, OURS = 300.0, 90.0, 25.0  # milliseconds, MB, MB without DuckDB
PACKAGE, EXTENSION = 50.0, 300.0  # milliseconds of processor
# The grammar of international addresses that jupyter_events' schemas load takes seconds by itself, and would hide all else.
IMPORTS = """
import sys, time
sys.modules["rfc3987_syntax"] = None
first = time.process_time()
import docsfy_jupyter
second = time.process_time()
import jupyter_server.serverapp
third = time.process_time()
docsfy_jupyter._jupyter_server_extension_points()
print(1000 * (second - first), 1000 * (third - second), 1000 * (time.process_time() - third))
"""
SERVERS = {"bare": {}, "duckdb": {"start": True}, "ours": {"docsfy_jupyter": True}}
OTHERS = ("docsfy_jupyter", "jupyterlab", "notebook", "notebook_shim", "jupyter_lsp", "jupyter_server_terminals")


class OpensDuckDB(ExtensionApp):
    """Opens a database as our store does, and does nothing with it."""

    name = "start"

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        import duckdb  # noqa: PLC0415  only this server pays for it

        self._connection = duckdb.connect(os.environ["START_DATABASE"], config={"threads": 2, "memory_limit": "512MB"})
        self._connection.execute("SET GLOBAL TimeZone = 'UTC'").fetchall()


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "start", "app": OpensDuckDB}]


@dataclass(frozen=True)
class Start:
    """A start: milliseconds by the clock and of the processor until the first answer, and MB when idle."""

    clock: float
    processor: float
    memory: float


def started(home: Path, extensions: dict[str, bool], settle: float) -> Start:
    """Start a server, measure it, stop it."""
    began = time.perf_counter()
    server = JupyterServer(home, dict.fromkeys(OTHERS, False) | extensions, START_DATABASE=str(home / "bare.duckdb"))
    try:
        server.await_answer("api/status", 0.005)
        clock = 1000 * (time.perf_counter() - began)
        watched = psutil.Process(server.pid)
        times = watched.cpu_times()
        time.sleep(settle)
        return Start(clock, 1000 * (times.user + times.system), watched.memory_full_info().uss / 1e6)
    finally:
        server.end()


def imported() -> tuple[float, ...]:
    """Return the milliseconds of processor that imports take in a fresh process: package, server, then the extension."""
    out = subprocess.run([sys.executable, "-c", IMPORTS], check=True, capture_output=True, text=True).stdout
    return tuple(map(float, out.split()))


def main() -> int:
    """Measure in turns; return the exit code."""
    options = parser(__doc__).parse_args()
    turns: list[dict[str, Start]] = []
    with tempfile.TemporaryDirectory() as name:
        for number in range(TURNS + 1):
            settle = SETTLE if number else 0.0  # the first turn, which reads everything from the disk, does not count
            turn = {kind: started(Path(name) / f"{kind}-{number}", extensions, settle) for kind, extensions in SERVERS.items()}
            turns += [turn] if number else []
        more = [
            [started(Path(name) / f"{kind}-more-{number}", SERVERS[kind], 0.0) for kind in ("ours", "bare")]
            for number in range(MORE)
        ]
    bare, duckdb, ours = ([turn[kind] for turn in turns] for kind in SERVERS)
    pairs = [*zip(ours, bare, strict=True), *more]
    at_all = f"of {statistics.median(start.clock for start, _ in pairs):.0f} ms"
    rows = [
        alone("server start, added, ms", [o.clock - b.clock for o, b in pairs], at_most=START, note=at_all),
        alone("server start, added, CPU ms", [o.processor - b.processor for o, b in pairs], note="opening the database included"),
        alone("idle memory, added, MB", [o.memory - b.memory for o, b in pairs], at_most=MEMORY),
        alone(
            "idle memory, added without DuckDB, MB",
            [o.memory - d.memory for o, d in zip(ours, duckdb, strict=True)],
            at_most=OURS,
            note=f"DuckDB alone {statistics.median(d.memory - b.memory for d, b in zip(duckdb, bare, strict=True)):.0f} MB",
        ),
    ]
    package, server, extension = zip(*(imported() for _ in range(TURNS)), strict=True)
    rows += [
        alone("import docsfy_jupyter, CPU ms", package, at_most=PACKAGE),
        alone("import of the extension, CPU ms", extension, other=server, at_most=EXTENSION, note="beside jupyter_server's own"),
    ]
    return report(rows, options.json)


if __name__ == "__main__":
    sys.exit(main())
