"""A thousand panels that poll, twenty generations at work, ten thousand variants, a million events.

The panels are a thousand connections from one process that costs as little as it can; each asks for the progress of one of
the twenty runs every three seconds, with the ETag that it had. Their answers are timed, and the server's processor is
compared with what the same twenty runs cost it without any panel. The runs are of a program that takes five seconds a page.

Run ``python benchmarks/load.py``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from event_loop import TOKEN, Server, make_repository, percentile
from past import make_past
from rows import Row, alone, parser, report

from docsfy_jupyter import connect, history

PANELS, GENERATIONS, INTERVAL = 1000, 20, 3.0  # seconds
VARIANTS, RUNS, EVENTS = 10_000, 10_000, 1_000_000
WARM, SECONDS = 8.0, 30.0
LATE, CORE, READY, LIST = 100.0, 60.0, 5.0, 30.0  # milliseconds, percent of a core, seconds, milliseconds
# a plan of 300 pages, then five seconds a page; a shell costs less than Python, and the load is to be the panels'
PLAN = json.dumps({"navigation": [{"pages": [{"slug": f"page-{n}"} for n in range(300)]}]})
WRITER = f"""cat > /dev/null
if [ "$DOCSFY_PURPOSE" = plan ]; then echo '{PLAN}'; else sleep 5; echo "# $DOCSFY_SLUG"; fi"""


@dataclass
class Seen:
    """What the panels met."""

    late: list[float] = field(default_factory=list)  # milliseconds from question to answer
    statuses: Counter[int] = field(default_factory=Counter)
    sizes: dict[int, list[int]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)


class Panel:
    """One connection that asks for one path, again and again."""

    def __init__(self, url: str, name: str, seen: Seen) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        path = f"{parts.path}api/projects/{name}/slow/m?view=progress"
        self._head = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        self._login = f"Authorization: token {TOKEN}\r\n"  # until Jupyter has given a cookie, as it does to browsers
        self._etag = ""
        self._seen = seen

    async def poll(self, first: float, until: float) -> None:
        """Ask from a time on, every interval, until another."""
        await asyncio.sleep(first)
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            while (began := time.perf_counter()) < until:
                condition = f"If-None-Match: {self._etag}\r\n" if self._etag else ""
                writer.write(f"{self._head}{self._login}{condition}\r\n".encode())
                await self._answered(reader, began)
                await asyncio.sleep(max(0.0, began + INTERVAL - time.perf_counter()))
        except (OSError, asyncio.IncompleteReadError) as error:
            self._seen.errors[repr(error)] += 1
        finally:
            writer.close()

    async def _answered(self, reader: asyncio.StreamReader, began: float) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        status, length = int(head.split(None, 2)[1]), 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b": ")
            if name.lower() == b"content-length":
                length = int(value)
            elif name.lower() == b"etag":
                self._etag = value.decode()
            elif name.lower() == b"set-cookie":
                self._login = f"Cookie: {value.decode().partition(';')[0]}\r\n"
        if status != 304 and length:
            await reader.readexactly(length)
        self._seen.late.append(1000 * (time.perf_counter() - began))
        self._seen.statuses[status] += 1
        self._seen.sizes.setdefault(status, []).append(len(head) + (length if status != 304 else 0))


def processor(server: Server) -> float:
    """Return the seconds of processor that the server itself has used, without its children."""
    times = psutil.Process(server.pid).cpu_times()
    return times.user + times.system


async def poll_all(server: Server) -> tuple[Seen, float]:
    """Let all panels poll; return what they met, and the seconds of processor that the server used while they did."""
    warm, seen = Seen(), Seen()
    until = time.perf_counter() + WARM + SECONDS
    panels = [Panel(server.url, f"slow-{n % GENERATIONS}", warm) for n in range(PANELS)]
    polls = [asyncio.create_task(panel.poll(n * INTERVAL / PANELS, until)) for n, panel in enumerate(panels)]
    await asyncio.sleep(WARM)
    for panel in panels:
        panel._seen = seen  # connections are open and ETags known: the panels are as they are all day
    began = processor(server)
    await asyncio.sleep(SECONDS)
    used = processor(server) - began
    await asyncio.gather(*polls)
    seen.errors.update(warm.errors)
    return seen, used


def wait_working(server: Server) -> None:
    """Wait until all runs write pages."""
    for _ in range(600):
        working = server.call("api/projects?status=generating")["projects"]
        if sum(row["current_stage"] == "generating_pages" for row in working) == GENERATIONS:
            return
        time.sleep(0.2)
    raise SystemExit("the runs did not begin")


def listed(server: Server) -> list[float]:
    """Read the first page of the listing, and return the milliseconds."""
    took = []
    for _ in range(50):
        began = time.perf_counter()
        server.call("api/projects")
        took.append(1000 * (time.perf_counter() - began))
    return took


def asked(server: Server) -> list[float]:
    """Fetch the history into this process and count; return the seconds."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        with connect(server.url, TOKEN) as client, history(client) as past:
            assert past.sql("SELECT count(*) FROM events").fetchall()[0][0] >= EVENTS
        took.append(time.perf_counter() - began)
    return took


def measure(home: Path) -> list[Row]:
    """Start the server with a past, and load it."""
    (home / "server").mkdir()
    make_past(home / "server" / "data", VARIANTS, RUNS, EVENTS)
    repository = make_repository(home / "repository")
    began = time.perf_counter()
    server = Server(home / "server", GENERATIONS, f"--DocsfyApp.command_providers={ ({'slow': ['/bin/sh', '-c', WRITER]})!r}")
    try:
        server.wait()
        ready = time.perf_counter() - began
        lists = listed(server)
        body = [{"repo_path": str(repository), "name": f"slow-{n}", "provider": "slow", "model": "m"} for n in range(GENERATIONS)]
        batch = server.call("api/generate", body)
        wait_working(server)
        time.sleep(WARM)
        began = processor(server)
        time.sleep(SECONDS)
        alone_used = processor(server) - began
        seen, used = asyncio.run(poll_all(server))
        running = server.call("api/projects?status=generating")["total"]
        loaded = listed(server)
        server.call(f"api/batches/{batch['batch_id']}/abort", {})
        past = asked(server)
    finally:
        server.end()
    late, sizes = sorted(seen.late), sorted(seen.sizes.get(304, [0]))
    bad = sum(count for status, count in seen.statuses.items() if status not in {200, 304}) + seen.errors.total()
    share = [100 * (used - alone_used) / SECONDS]
    cost = f"{used:.1f} s with, {alone_used:.1f} s without, of {SECONDS:.0f}"
    kinds = ", ".join(f"{count} × {status}" for status, count in sorted(seen.statuses.items()))
    told = f"{kinds}; max {late[-1]:.0f}"
    return [
        alone(f"{PANELS} panels, p99 of an answer, ms", [percentile(late, 0.99)], at_most=LATE, note=told),
        alone("answers that were errors", [bad + GENERATIONS - running], at_most=0, note=str(dict(seen.errors) or "")),
        alone("the polls' share of a core, %", share, at_most=CORE, note=cost),
        alone("an unchanged answer with headers, bytes", [sizes[-1]], at_most=800),
        alone(f"first page of {VARIANTS:,} variants, idle, ms", lists, at_most=LIST),
        alone("the same with the generations at work, ms", loaded),
        alone(f"server's start to its first answer with {EVENTS:,} events, s", [ready], at_most=READY),
        alone(f"history() with {EVENTS:,} events, s", past),
    ]


def main() -> int:
    """Measure in a temporary folder; return the exit code."""
    options = parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        return report(measure(Path(name)), options.json)


if __name__ == "__main__":
    sys.exit(main())
