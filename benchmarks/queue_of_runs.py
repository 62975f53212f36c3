"""Two hundred variants asked for at once: what the queue costs the server, and how quick it answers meanwhile.

Two hundred variants of four repositories, one repository after the other, are one list to a server that works on four at a
time with a program that only waits. Then the listing and one variant are read again and again, and the batch is aborted.

Run ``python benchmarks/queue_of_runs.py``.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
from event_loop import Server, make_repository, percentile
from rows import alone, parser, report

RUNS, REPOSITORIES, AT_ONCE, READS = 200, 4, 4, 200
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
            body = [
                {"repo_path": str(repositories[n // (RUNS // REPOSITORIES)]), "name": f"v{n}", "provider": "wait", "model": "m"}
                for n in range(RUNS)
            ]
            began = time.perf_counter()
            batch = server.call("api/generate", body)
            accepted = time.perf_counter() - began
            rows = wait_for(server, AT_ONCE)
            queued = sorted((row["queue_position"], row["repo_url"]) for row in rows if row["current_stage"] == "queued")
            first = Counter(repository for _, repository in queued[:MIXED])
            listed, one = timed(server, "api/projects"), timed(server, "api/projects/v150/wait/m?view=progress")
            began = time.perf_counter()
            ended = server.call(f"api/batches/{batch['batch_id']}/abort", {})
            abort = time.perf_counter() - began
            grown = memory(server) - idle
        finally:
            server.end()
    started = sum("generation_id" in item for item in batch["items"])
    places = [place for place, _ in queued] == list(range(1, RUNS - AT_ONCE + 1))
    fair = places and max(first.values()) - min(first.values()) <= 1 and len(first) == REPOSITORIES
    shares = f"by repository of the first {MIXED} places {sorted(first.values())}"
    listing_note = f"one variant p99 {percentile(one, 0.99):.1f} ms"
    rows = [
        alone(f"queue of {RUNS} runs: runs lost, or places unfair", [RUNS - started + RUNS - len(ended["aborted"]) + (not fair)],
              at_most=0, note=shares),
        alone("queue: accepted in, s", [accepted]),
        alone("queue: memory above idle, MB", [grown], at_most=GROWTH, note=f"idle {idle:.0f} MB"),
        alone("queue: listing, p99, ms", [percentile(listed, 0.99)], other=[percentile(idle_list, 0.99)], at_most=LIST_LIMIT,
              note=f"beside that of one variant, idle; {listing_note}"),
        alone("queue: abort of all, s", [abort], at_most=ABORT_LIMIT),
    ]  # fmt: skip
    return report(rows, options.json)


if __name__ == "__main__":
    os.environ.setdefault("GIT_CONFIG_GLOBAL", os.devnull)
    sys.exit(main())
