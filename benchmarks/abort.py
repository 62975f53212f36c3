"""How long processes outlive an abort: a hundred of them, each of a run whose program has children that left its process group.

The time runs from the request to the death of the last process, which the kernel tells (``pidfd_open``); what is still found
after the answer is a survivor.

Run ``python benchmarks/abort.py``; exits 1 when the median is above 50 ms, the 99th percentile above 500 ms, or one survives.
"""

from __future__ import annotations

import os
import select
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil
from event_loop import Server, make_repository, percentile
from rows import alone, parser, report

ABORTS = 100
MEDIAN, LAST = 50.0, 500.0  # milliseconds
# one child in the program's process group, one outside of it, and the program itself, all for as long as they are let
TREE = "sleep 300 & setsid sleep 300 & wait"
COMMANDS = {"tree": ["sh", "-c", TREE]}
PROCESSES = 3


def below(pid: int) -> list[psutil.Process]:
    """Return the processes of the run: what the server has started, but for the watcher."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            if any(word in ("sh", "sleep") for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def until_dead(processes: list[psutil.Process], abort: threading.Thread, limit: float = 30.0) -> float:
    """Abort, and wait for the end of some processes; return the milliseconds to the last one's."""
    look = select.poll()
    handles = []
    for process in processes:
        with suppress(ProcessLookupError):  # dead already
            handles.append(os.pidfd_open(process.pid))
            look.register(handles[-1], select.POLLIN)
    began = time.perf_counter()
    abort.start()
    left, took = set(handles), 0.0
    while left and time.perf_counter() - began < limit:
        for handle, _ in look.poll(1000):
            took = 1000 * (time.perf_counter() - began)
            look.unregister(handle)
            left.discard(handle)
    for handle in handles:
        os.close(handle)
    return took if not left else 1000 * limit


def one(server: Server, repository: Path) -> tuple[float, int]:
    """Abort one run; return the milliseconds to the last death, and how many processes are there after the answer."""
    server.call("api/generate", {"repo_path": str(repository), "name": "r", "branch": "main", "provider": "tree", "model": "m"})
    while len(below(server.pid)) < PROCESSES:
        time.sleep(0.01)
    processes = below(server.pid)
    path = f"api/projects/r/main/tree/{quote('m', safe='')}/abort"
    aborting = threading.Thread(target=server.call, args=(path, {}))
    took = until_dead(processes, aborting)
    aborting.join()
    return took, len(below(server.pid))


def main() -> int:
    options = parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        server = Server(home / "server", 4, f"--DocsfyApp.command_providers={COMMANDS!r}")
        try:
            server.wait()
            repository = make_repository(home / "repository")
            measured = [one(server, repository) for _ in range(ABORTS)]
        finally:
            server.end()
    took = sorted(milliseconds for milliseconds, _ in measured)
    note = f"{ABORTS} aborts of runs with {PROCESSES} processes in two sessions"
    rows = [
        alone("abort to last process dead, p50, ms", took, at_most=MEDIAN, note=note),
        alone("abort to last process dead, p99, ms", [percentile(took, 0.99)], at_most=LAST),
        alone("processes that survive an abort", [float(sum(survivors for _, survivors in measured))], at_most=0),
    ]
    return report(rows, options.json)


if __name__ == "__main__":
    os.environ.setdefault("GIT_CONFIG_GLOBAL", os.devnull)
    sys.exit(main())
