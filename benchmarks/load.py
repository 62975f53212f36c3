"""A thousand panels that poll, twenty generations at work, ten thousand variants, a million events.

The panels are a thousand connections from one process that costs as little as it can; each asks for the progress of one of
the twenty runs every three seconds, with the ETag that it had and the cookie that a browser has. A turn has three parts: they
ask nothing; they ask us; they ask a handler of the same server that only looks who they are, and answers as many bytes as ours
does on average: no handler can do better. The server's processor in the second part is compared with the first. How late the
loop of the asking process was itself is told too, since it makes the figures worse. The runs are of a program that takes five
seconds a page.

Run ``python benchmarks/load.py``.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from event_loop import TOKEN, Server, make_repository, percentile
from past import make_past
from rows import Row, alone, beside, parser, report

from docsfy_jupyter import connect, history

PANELS, GENERATIONS, INTERVAL = 1000, 20, 3.0  # seconds
VARIANTS, RUNS, EVENTS = 10_000, 10_000, 1_000_000
TURNS, WARM, ALONE, SECONDS = 5, 5.0, 3.0, 6.0
TICK = 0.005
BARE = "/bare/"
LATE, CORE, READY, LIST = 100.0, 60.0, 5.0, 30.0  # milliseconds, percent of a core, seconds, milliseconds
# a plan of 300 pages, then five seconds a page; a shell costs less than Python, and the load is to be the panels'
PLAN = json.dumps({"navigation": [{"pages": [{"slug": f"page-{n}"} for n in range(300)]}]})
WRITER = f"""cat > /dev/null
if [ "$DOCSFY_PURPOSE" = plan ]; then echo '{PLAN}'; else sleep 5; echo "# $DOCSFY_SLUG"; fi"""


@dataclass
class Seen:
    """What the panels met in one part of a turn."""

    took: list[float] = field(default_factory=list)  # milliseconds from question to answer
    statuses: Counter[int] = field(default_factory=Counter)
    sizes: dict[int, list[int]] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)  # milliseconds: the asking process's own loop
    used: float = 0.0  # seconds of the server's processor


@dataclass
class Asking:
    """What all panels do now."""

    path: str = ""  # with the run's name to be filled in; empty: they ask nothing
    seen: Seen = field(default_factory=Seen)
    errors: Counter[str] = field(default_factory=Counter)
    over: bool = False


class Panel:
    """One connection that asks again and again."""

    def __init__(self, url: str, name: str, asking: Asking) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._rest = f" HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        self._name, self._asking = name, asking
        self._login = f"&token={TOKEN}"  # until Jupyter has given a cookie, as it does to browsers
        self._cookie = ""
        self._etags: dict[str, str] = {}  # of the paths that are asked with conditions

    async def poll(self, first: float) -> None:
        """Ask from a time on, every interval."""
        await asyncio.sleep(first)
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            while not self._asking.over:
                began, path = time.perf_counter(), self._asking.path.format(self._name)
                if path:
                    condition = f"If-None-Match: {self._etags[path]}\r\n" if path in self._etags else ""
                    writer.write(f"GET {path}{self._login}{self._rest}{self._cookie}{condition}\r\n".encode())
                    await self._answered(reader, began, path, self._asking.seen)
                await asyncio.sleep(max(0.0, began + INTERVAL - time.perf_counter()))
        except (OSError, asyncio.IncompleteReadError) as error:
            self._asking.errors[repr(error)] += 1
        finally:
            writer.close()

    async def _answered(self, reader: asyncio.StreamReader, began: float, path: str, seen: Seen) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        status, length = int(head.split(None, 2)[1]), 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b": ")
            if name.lower() == b"content-length":
                length = int(value)
            elif name.lower() == b"etag" and not path.startswith(BARE):
                self._etags[path] = value.decode()
            elif name.lower() == b"set-cookie":
                self._login, self._cookie = "", f"Cookie: {value.decode().partition(';')[0]}\r\n"
        if status != 304 and length:
            await reader.readexactly(length)
        seen.took.append(1000 * (time.perf_counter() - began))
        seen.statuses[status] += 1
        seen.sizes.setdefault(status, []).append(len(head) + (length if status != 304 else 0))


def processor(server: Server) -> float:
    """Return the seconds of processor that the server itself has used, without its children."""
    times = psutil.Process(server.pid).cpu_times()
    return times.user + times.system


async def tick(asking: Asking) -> None:
    """Write down how late this very loop is."""
    while not asking.over:
        due = time.perf_counter() + TICK
        await asyncio.sleep(TICK)
        asking.seen.late.append(1000 * (time.perf_counter() - due))


async def part(server: Server, asking: Asking, path: str, seconds: float) -> Seen:
    """Have all panels ask one thing for some seconds."""
    asking.path, asking.seen = path, Seen()
    began = processor(server)
    await asyncio.sleep(seconds)
    asking.seen.used = processor(server) - began
    return asking.seen


async def poll_all(server: Server) -> tuple[list[tuple[Seen, Seen, Seen]], Counter[str]]:
    """Let all panels poll; return what they met in each turn (asking nothing, us, the bare handler), and the errors."""
    gc.freeze()
    gc.disable()  # this process is to be no later than it must
    asking = Asking()
    panels = [Panel(server.url, f"slow-{n % GENERATIONS}", asking) for n in range(PANELS)]
    tasks = [asyncio.create_task(panel.poll(n * INTERVAL / PANELS)) for n, panel in enumerate(panels)]
    tasks.append(asyncio.create_task(tick(asking)))
    ours = urlsplit(server.url).path + "api/projects/{}/slow/m?view=progress"
    warm = await part(server, asking, ours, WARM)  # connections are open and ETags known: the panels are as they are all day
    sizes = [size for of_status in warm.sizes.values() for size in of_status]
    bare = f"{BARE}{round(statistics.mean(sizes))}?"
    turns = []
    for _ in range(TURNS):
        parts = [await part(server, asking, path, seconds) for path, seconds in (("", ALONE), (ours, SECONDS), (bare, SECONDS))]
        turns.append((parts[0], parts[1], parts[2]))
    asking.over = True
    await asyncio.gather(*tasks)
    gc.enable()
    return turns, asking.errors


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


def judged(turns: list[tuple[Seen, Seen, Seen]], errors: Counter[str], running: int) -> list[Row]:
    """Return the rows of the polls."""
    ours, bare = [turn[1] for turn in turns], [turn[2] for turn in turns]
    p99, least = ([percentile(sorted(seen.took), 0.99) for seen in parts] for parts in (ours, bare))
    statuses: Counter[int] = sum((seen.statuses for seen in ours), Counter())
    bad = sum(count for status, count in statuses.items() if status not in {200, 304}) + errors.total() + GENERATIONS - running
    sizes = [size for seen in ours for size in seen.sizes.get(304, [])]
    kinds = ", ".join(f"{count:,} × {status}" for status, count in sorted(statuses.items()))
    late = statistics.median(percentile(sorted(seen.late), 0.99) for seen in ours)
    longest = max(max(seen.took) for seen in ours)
    told = f"a bare authenticated handler; {kinds}; max {longest:.0f}; the asking process itself late by {late:.0f}"
    share = [100 * (turn[1].used / SECONDS - turn[0].used / ALONE) for turn in turns]
    cost = statistics.median(100 * turn[2].used / SECONDS - 100 * turn[0].used / ALONE for turn in turns)
    row = beside(f"{PANELS} panels, p99 of an answer, ms", p99, least, note=told)
    return [
        replace(row, mark=f"≤ {LATE:g}", passed=statistics.median(p99) <= LATE),
        alone("answers that were errors", [bad], at_most=0, note=str(dict(errors) or "")),
        alone("the polls' share of a core, %", share, other=[cost], at_most=CORE, note="the bare handler's"),
        alone("an unchanged answer with headers, bytes", [max(sizes)], at_most=800),
    ]


def measure(home: Path) -> list[Row]:
    """Start the server with a past, and load it."""
    (home / "server").mkdir()
    make_past(home / "server" / "data", VARIANTS, RUNS, EVENTS)
    repository = make_repository(home / "repository")
    began = time.perf_counter()
    slow = f"--DocsfyApp.command_providers={ ({'slow': ['/bin/sh', '-c', WRITER]})!r}"
    server = Server(home / "server", GENERATIONS, slow, extensions=["peer.bare_handler"])
    try:
        server.wait()
        ready = time.perf_counter() - began
        lists = listed(server)
        body = [{"repo_path": str(repository), "name": f"slow-{n}", "provider": "slow", "model": "m"} for n in range(GENERATIONS)]
        batch = server.call("api/generate", body)
        wait_working(server)
        turns, errors = asyncio.run(poll_all(server))
        running = server.call("api/projects?status=generating")["total"]
        loaded = listed(server)
        server.call(f"api/batches/{batch['batch_id']}/abort", {})
        past = asked(server)
    finally:
        server.end()
    return [
        *judged(turns, errors, running),
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
