"""How long ``history()`` takes in a kernel with 100,000 events, and what it costs the server while that generates.

A server with a thousand past runs and a hundred thousand events generates documentation; this process fetches all tables
and asks three questions, again and again. A second server does nothing at the same time: what its ticker shows is the
machine's doing.

Run ``python benchmarks/history_speed.py``.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path

from event_loop import TOKEN, Server, judged, make_repository
from past import make_past
from rows import alone, parser, report

from docsfy_jupyter import connect, history

EVENTS, RUNS, GENERATIONS, ROUNDS = 100_000, 1_000, 3, 30
SECONDS = 1.0
QUESTIONS = (
    "SELECT date_trunc('day', started_at) AS day, ai_model, sum(cost_usd) FROM runs GROUP BY ALL",
    "SELECT kind, count(*) FROM events GROUP BY ALL ORDER BY 2 DESC",
    "SELECT stage, median(epoch(ended_at - began_at)) FROM stages GROUP BY ALL",
)


def asked(server: Server) -> list[float]:
    """Fetch and ask, again and again; return the seconds of each round."""
    took: list[float] = []
    with connect(server.url, TOKEN) as client:
        for _ in range(ROUNDS):
            began = time.monotonic()
            with history(client) as past:
                answers = [past.sql(question).fetchall() for question in QUESTIONS]
            took.append(time.monotonic() - began)
            assert all(answers)
    return took


def generated(server: Server, repository: Path, over: threading.Event, statuses: list[str]) -> None:
    """Generate as long as the questions last."""
    with connect(server.url, TOKEN) as client:
        while not over.is_set() or len(statuses) < GENERATIONS:
            runs = [client.generate(repository, name=f"big-{n}", force=True) for n in range(GENERATIONS)]
            statuses.extend(client.wait(run).status.value for run in runs)


def main() -> int:
    """Measure in a temporary folder; return the exit code."""
    options = parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        (home / "working").mkdir()
        make_past(home / "working" / "data", 0, RUNS, EVENTS)
        working, idle = Server(home / "working", 4), Server(home / "idle", 4)
        try:
            working.wait()
            idle.wait()
            over, statuses = threading.Event(), list[str]()
            writer = threading.Thread(target=generated, args=(working, make_repository(home / "repository"), over, statuses))
            writer.start()
            began = time.monotonic()
            took = asked(working)
            ended = time.monotonic()
            over.set()
            writer.join()
            late = judged("history() asked again and again", working, idle, began, ended)
        finally:
            working.end()
            idle.end()
    rows = [
        alone(f"history() with {EVENTS:,} events, fetched and asked, s", took, at_most=SECONDS),
        *late,
    ]
    failed = len(statuses) - statuses.count("ready")
    runs = alone("runs that were not ready meanwhile", [failed], at_most=0, note=f"of {len(statuses)}")
    return report([*rows, runs], options.json)


if __name__ == "__main__":
    sys.exit(main())
