"""docsfy itself beside us: the same AI service, the same repository, both servers in one run, in turns.

docsfy is the released one from PyPI, in an environment of its own; the first run installs it into the user's cache. Where there
is no Python that it needs, its figures are missing and its rows say ``not run``. Both work on ten pages at once.

Run ``python benchmarks/beside_docsfy.py [--json FILE]``; exits 1 when a mark is missed. It takes about five minutes.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable

import psutil
from event_loop import TOKEN, percentile
from past import make_past
from peer.original import Docsfy
from peer.stage import AT_ONCE, FAKE, OURS, THEIRS, Stage, our_server, processor_seconds, staged
from peer.wire import Load, answer, header, loaded
from rows import Row, alone, beside, not_run, parser, report

PAGES = 200
TURNS, LONG_TURNS, LONGEST_TURNS = 7, 5, 3
SMALL = 10  # pages of the variant that is read again and again
ABORTS = 20
VARIANTS = 10_000


def in_turns(turns: int, *measures: Callable[[], float]) -> list[list[float]]:
    """Measure each once a turn, another first each time; return a list for each."""
    found: list[list[float]] = [[] for _ in measures]
    for turn in range(turns):
        for place in range(len(measures)):
            which = (turn + place) % len(measures)
            found[which].append(measures[which]())
    return found


def wall_time(stage: Stage) -> list[Row]:
    """From the request to the ready site."""
    measure = f"{PAGES} pages of 6 KiB, AI at once: request to ready, s"
    stage.service.answers(PAGES)
    new = (f"wall-{number}" for number in itertools.count())  # nothing is there yet that could be used again
    used: dict[int, list[float]] = {}

    def measured(run: Callable[[str], float], pid: int) -> float:
        before = processor_seconds(pid)
        took = run(next(new))
        used.setdefault(pid, []).append(processor_seconds(pid) - before)
        return took

    stage.run_ours("first")
    docsfy = stage.docsfy
    if docsfy is None:
        (mine,) = in_turns(LONG_TURNS, lambda: measured(stage.run_ours, stage.ours.pid))
        return [alone(measure, mine), not_run(measure, stage.reason)]
    mine, theirs = in_turns(
        LONG_TURNS, lambda: measured(stage.run_ours, stage.ours.pid), lambda: measured(stage.run_docsfy, docsfy.pid)
    )
    note = "docsfy; both ask one AI service over HTTP"
    processors = beside("the same, processor time with children, s", used[stage.ours.pid], used[docsfy.pid], note="docsfy")
    return [beside(measure, mine, theirs, at_most=0.3, note=note), processors]


def reading(stage: Stage) -> list[Row]:
    """One variant, read again and again from eight connections."""
    stage.service.answers(SMALL)
    stage.run_ours("small")
    ours = {"Authorization": f"token {TOKEN}"}
    path = stage.ours.url + OURS.format(name="small")
    _, head, body = answer(path, ours)
    bare = stage.ours.url.replace("/docsfy/", f"/bare/{len(body)}")
    tagged = ours | {"If-None-Match": header(head, "etag")}
    measures = [
        lambda: loaded(path, ours).rate,
        lambda: loaded(bare, ours).rate,
        lambda: loaded(path, tagged).rate,
    ]
    if stage.docsfy is not None:
        stage.run_docsfy("small")
        theirs = stage.docsfy.url + THEIRS.format(name="small")
        headers = stage.docsfy.headers
        measures.append(lambda: loaded(theirs, headers).rate)
    found = in_turns(TURNS, *measures)
    measure = "GET variant, 8 connections, requests/s"
    rows = [
        beside(measure, found[0], found[1], at_least=0.8, note=f"bare authenticated handler, {len(body)} bytes too"),
        beside("GET variant that is unchanged (304), requests/s", found[2], found[1], note="the same bare handler"),
    ]
    rows.append(
        beside(measure, found[0], found[3], at_least=1.5, note="docsfy") if stage.docsfy else not_run(measure, stage.reason)
    )
    status, head, body = answer(path, tagged)
    assert status == 304, head
    other = [float(sum(map(len, answer(theirs, headers)[1:])))] if stage.docsfy else []
    rows.append(alone("poll of an unchanged variant, bytes with headers", [float(len(head + body))], other=other, at_most=800))
    return rows


def loop_gaps(stage: Stage) -> list[Row]:
    """How late the event loop is while a big site is made; the tickers tell when their servers end."""
    stage.service.answers(PAGES, kib=20)
    new = (f"gap-{number}" for number in itertools.count())

    def window(run: Callable[[str], float], windows: list[tuple[float, float]]) -> float:
        began = time.monotonic()
        took = run(next(new))
        windows.append((began, time.monotonic()))
        return took

    in_turns(LONGEST_TURNS, lambda: window(stage.run_ours, stage.windows))
    if stage.docsfy is not None:
        window(stage.run_docsfy, stage.docsfy_windows)
    late = [stage.ours.stop(*ends) for ends in stage.windows]
    quiet = [stage.idle.stop(*ends) for ends in stage.windows]
    theirs = [stage.docsfy.late(*ends) for ends in stage.docsfy_windows] if stage.docsfy else []
    measure = f"event loop late while {PAGES} pages of 20 KiB are made"
    note = f"docsfy, 1 turn: max {theirs[0][-1]:,.0f} ms" if theirs else f"docsfy not run: {stage.reason}"
    p99 = [percentile(one, 0.99) for one in late]
    return [
        alone(f"{measure}, p99, ms", p99, other=[percentile(one, 0.99) for one in theirs], at_most=20, note=note),
        beside(f"{measure}, p99, ms", p99, [percentile(one, 0.99) for one in quiet], note="an idle server of ours meanwhile"),
        beside(f"{measure}, max, ms", [one[-1] for one in late], [one[-1] for one in quiet], note="that idle server"),
    ]


def aborts(stage: Stage) -> list[Row]:
    """From the abort to the death of the last process, or at docsfy to the end of its last call."""
    mine = [1000 * _abort_ours(stage, number) for number in range(ABORTS)]
    theirs = [1000 * _abort_docsfy(stage, stage.docsfy) for _ in range(LONG_TURNS)] if stage.docsfy else []
    measure = "abort to last process dead, ms"
    note = f"docsfy: to the end of its last call, {len(theirs)} turns" if theirs else f"docsfy not run: {stage.reason}"
    worst = percentile(sorted(mine), 0.99)
    return [alone(f"{measure}, p50", mine, other=theirs, at_most=50, note=note), alone(f"{measure}, p99", [worst], at_most=500)]


def _abort_ours(stage: Stage, number: int) -> float:
    model = f"pages={AT_ONCE},sleep=600,children=1,n={number}"
    path = f"api/projects/abort/main/fake/{model}"
    stage.ours.call(
        "api/generate", {"repo_path": str(stage.repository("abort")), "branch": "main", "provider": "fake", "model": model}
    )
    children: list[psutil.Process] = []
    while len(children) < 3 * AT_ONCE or len(stage.ours.call(path)["pages_active"]) < AT_ONCE:  # each has two children
        time.sleep(0.1)
        children = [child for child in psutil.Process(stage.ours.pid).children(recursive=True) if _is_ai(child)]
    aborting = threading.Thread(target=stage.ours.call, args=(f"{path}/abort", {}))
    began = time.perf_counter()
    aborting.start()
    while children := [child for child in children if _alive(child)]:
        time.sleep(0.001)  # who looks all the time takes the processor from whom it looks at
    took = time.perf_counter() - began
    aborting.join()
    return took


def _is_ai(child: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        words = " ".join(child.cmdline())
        return FAKE.name in words or "sleep 300" in words
    return False


def _alive(child: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(child.status() != psutil.STATUS_ZOMBIE)
    return False


def _abort_docsfy(stage: Stage, docsfy: Docsfy) -> float:
    stage.service.answers(AT_ONCE, latency=600)
    docsfy.call("api/generate", {"repo_path": str(stage.repository("abort")), "branch": "main", "force": True})
    while stage.service.call("busy")["busy"] < AT_ONCE:
        time.sleep(0.05)
    aborting = threading.Thread(target=docsfy.call, args=(THEIRS.format(name="abort") + "/abort", {}))
    began = time.perf_counter()
    aborting.start()
    while stage.service.call("busy")["busy"]:
        time.sleep(0.001)
    took = time.perf_counter() - began
    aborting.join()
    return took


def listings(stage: Stage) -> list[Row]:
    """Ten thousand variants, of twenty pages each with us and of ten at docsfy, which sends the plans too."""
    make_past(stage.folder / "many" / "data", VARIANTS, 0, 0)
    server = our_server(stage.folder / "many", stage.service)
    try:
        server.wait()
        headers = {"Authorization": f"token {TOKEN}"}
        page = f"{server.url}api/projects"
        dashboard = f"{page}?view=progress&limit=100"
        _, head, body = answer(page, headers)
        assert json.loads(body)["total"] == VARIANTS
        unchanged = len(b"".join(answer(page, headers | {"If-None-Match": header(head, "etag")})[1:]))
        _, dashboard_head, _ = answer(dashboard, headers)
        seen = headers | {"If-None-Match": header(dashboard_head, "etag")}
        dashboard_unchanged = len(b"".join(answer(dashboard, seen)[1:]))
        times = [
            [1000 * statistics.median(_one_by_one(*asked).seconds) for _ in range(TURNS)]
            for asked in ((page, headers), (dashboard, headers), (dashboard, seen))
        ]
    finally:
        server.end()
    whole, whole_ms = _docsfy_listing(stage)
    of = f"of {VARIANTS:,} variants"
    note = "docsfy: all of them" if whole else f"docsfy not run: {stage.reason}"
    return [
        alone(f"first page {of}, bytes", [float(len(head + body))], other=whole, at_most=1e6, note=note),
        alone(f"first page {of}, p50, ms", times[0], other=whole_ms, at_most=30, note=note),
        alone(f"listing {of}, unchanged, bytes", [float(unchanged)], at_most=1000),
        alone(f"dashboard {of}, unchanged, bytes", [float(dashboard_unchanged)], at_most=1000),
        alone(f"dashboard {of}, p50, ms", times[1]),
        alone(f"dashboard {of}, unchanged, p50, ms", times[2]),
    ]


def _one_by_one(url: str, headers: dict[str, str]) -> Load:
    return loaded(url, headers, connections=1, seconds=0.5)


def _docsfy_listing(stage: Stage) -> tuple[list[float], list[float]]:
    """Return the bytes and the milliseconds of docsfy's listing; nothing without it."""
    stage.start_docsfy()
    if stage.docsfy is None:
        return [], []
    stage.docsfy.fill("small", VARIANTS)
    url, headers = f"{stage.docsfy.url}api/status", stage.docsfy.headers
    _, head, body = answer(url, headers)
    return [float(len(head + body))], [
        1000 * statistics.median(loaded(url, headers, 1, 2.0).seconds) for _ in range(LONGEST_TURNS)
    ]


def main() -> int:
    options = parser(__doc__).parse_args()
    with staged() as stage:
        parts = (wall_time, reading, aborts, loop_gaps, listings)  # the servers of the first ones end with their tickers' report
        return report(list(itertools.chain.from_iterable(part(stage) for part in parts)), options.json)


if __name__ == "__main__":
    sys.exit(main())
