"""Two hundred variants asked for at once: what the queue costs the server, and how quick it answers meanwhile.

Two hundred variants of four repositories, one repository after the other, are one list to a server that works on four at a
time with a program that only waits. Then the listing and one variant are read again and again, and the batch is aborted; and
all that anew, as often as the table says.

Run ``python benchmarks/queue_of_runs.py``.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from event_loop import Server, make_repository, percentile
from rows import alone, parser, report

TURNS, RUNS, REPOSITORIES, AT_ONCE, READS = 5, 200, 4, 4, 100
MIXED = 40  # places of the queue in which every repository must have its share
GROWTH, LIST_LIMIT, ABORT_LIMIT = 50.0, 100.0, 5.0  # MB, milliseconds, seconds
# prints nothing for an hour: the run that works stays where it is
COMMANDS = {"wait": [sys.executable, "-c", "import time; time.sleep(3600)"]}


def memory(server: Server) -> float:
    """Return the resident memory of the server's own process, in MB."""
    return float(psutil.Process(server.pid).memory_info().rss) / 1e6


def timed(server: Server, path: str) -> list[float]:
    """Read a path again and again; return the milliseconds, sorted."""
    took = []
    for _ in range(READS):
        began = time.perf_counter()
        server.call(path)
        took.append(1000 * (time.perf_counter() - began))
    return sorted(took)


def wait_for(server: Server, working: int) -> list[dict[str, Any]]:
    """Wait until so many runs work; return all rows."""
    for _ in range(600):
        rows: list[dict[str, Any]] = server.call("api/projects")["projects"]
        if sum(row["current_stage"] not in (None, "queued") for row in rows) == working:
            return rows
        time.sleep(0.1)
    raise SystemExit("the first runs did not begin")


@dataclass(frozen=True)
class Turn:
    """What a batch cost: seconds, MB above idle, milliseconds of each read; and what was lost, or places that were unfair."""

    accepted: float
    grown: float
    listed: list[float]
    one: list[float]
    aborted: float
    lost: int
    shares: list[int]  # of the first places, by repository


def turn(server: Server, repositories: list[Path], idle: float) -> Turn:
    """Queue all runs, read, abort them."""
    body = [
        {"repo_path": str(repositories[n // (RUNS // REPOSITORIES)]), "name": f"v{n}", "provider": "wait", "model": "m"}
        for n in range(RUNS)
    ]
    began = time.perf_counter()
    batch = server.call("api/generate", body)
    accepted = time.perf_counter() - began
    rows = wait_for(server, AT_ONCE)
    queued = sorted((row["queue_position"], row["repo_url"]) for row in rows if row["current_stage"] == "queued")
    shares = sorted(Counter(repository for _, repository in queued[:MIXED]).values())
    listed, one = timed(server, "api/projects"), timed(server, "api/projects/v150/wait/m?view=progress")
    began = time.perf_counter()
    ended = server.call(f"api/batches/{batch['batch_id']}/abort", {})
    aborted = time.perf_counter() - began
    started = sum("generation_id" in item for item in batch["items"])
    places = [place for place, _ in queued] == list(range(1, RUNS - AT_ONCE + 1))
    fair = places and shares[-1] - shares[0] <= 1 and len(shares) == REPOSITORIES
    lost = RUNS - started + RUNS - len(ended["aborted"]) + (not fair)
    return Turn(accepted, memory(server) - idle, listed, one, aborted, lost, shares)


def main() -> int:
    """Measure in a temporary folder; return the exit code."""
    options = parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        server = Server(home / "server", AT_ONCE, f"--DocsfyApp.command_providers={COMMANDS!r}")
        try:
            server.wait()
            repositories = [make_repository(home / f"repository-{number}") for number in range(REPOSITORIES)]
            server.call("api/generate", [{"repo_path": str(repositories[0]), "name": "warm"}])
            while server.call("api/projects/warm/local/static")["status"] == "generating":
                time.sleep(0.1)
            idle, idle_list = memory(server), timed(server, "api/projects")
            turns = [turn(server, repositories, idle) for _ in range(TURNS)]
        finally:
            server.end()
    lists, ones = ([percentile(took, 0.99) for took in reads] for reads in zip(*((t.listed, t.one) for t in turns), strict=True))
    rows = [
        alone(f"queue of {RUNS} runs: runs lost, or places unfair", [sum(t.lost for t in turns)], at_most=0,
              note=f"of {TURNS} turns; by repository of the first {MIXED} places {turns[0].shares}"),
        alone("queue: accepted in, s", [t.accepted for t in turns]),
        alone("queue: memory above idle, MB", [t.grown for t in turns], at_most=GROWTH, note=f"idle {idle:.0f} MB"),
        alone("queue: listing, p99, ms", lists, other=[percentile(idle_list, 0.99)], at_most=LIST_LIMIT,
              note=f"beside that of one variant, idle; one variant p99 {statistics.median(ones):.1f} ms"),
        alone("queue: abort of all, s", [t.aborted for t in turns], at_most=ABORT_LIMIT),
    ]  # fmt: skip
    return report(rows, options.json)


if __name__ == "__main__":
    os.environ.setdefault("GIT_CONFIG_GLOBAL", os.devnull)
    sys.exit(main())
