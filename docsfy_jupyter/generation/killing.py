"""Finding and killing everything that a child process has started, wherever it went."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil

from docsfy_jupyter.generation import watcher
from docsfy_jupyter.generation.priority import step_up

MARKER = "DOCSFY_CHILD"
WATCHER_MARKER = "DOCSFY_WATCHER"
_MARKS = re.compile(rb"\0" + MARKER.encode() + rb"=([^\0]*)(?=\0)")
_T = TypeVar("_T")
_LONGEST_LOOK = 0.04  # seconds between two looks at all processes of the machine


async def unbroken(work: Coroutine[Any, Any, _T]) -> tuple[_T, bool]:
    """Await `work` to its end even when the waiter is cancelled; return its result and whether that happened."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
            cancelled = True
        except Exception:  # noqa: BLE001 - raised again by result()
            break
    return task.result(), cancelled


async def settled(task: asyncio.Task[Any]) -> None:
    """Wait for a task to end, whatever it ends with; who is cancelled meanwhile, however often, cancels it and waits on."""
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


async def off_loop(call: Callable[[], _T]) -> _T:
    """Run a short scan in a thread; in the loop itself when the threads have gone already (shutdown)."""
    try:
        return await asyncio.to_thread(call)
    except RuntimeError:
        return call()


def group_alive(group: int) -> bool:
    """Say whether a process group has members; dead ones count until somebody has collected them."""
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


def group_living(group: int) -> bool:
    """Say whether a process group has members that are not dead: not every first process of a container collects orphans soon."""
    return next(living_members(group), None) is not None if Path("/proc/self/stat").exists() else group_alive(group)


def living_members(group: int) -> Iterator[int]:
    """Yield the processes of a group that are not dead, by ``/proc``."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError, IndexError, ValueError):
            state, _parent, its_group = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()[:3]
            if int(its_group) == group and state not in (b"Z", b"X"):
                yield int(name)


def signal_group(group: int, number: int) -> None:
    """Signal a process group, if it is still there."""
    with suppress(OSError):
        os.killpg(group, number)


def descendants(pid: int) -> list[psutil.Process]:
    """Return the children of a process and theirs, as long as the chain of parents is whole."""
    if Path(f"/proc/self/task/{os.getpid()}/children").exists():  # psutil looks at every process of the machine instead
        return _processes(_listed_descendants(pid))
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _listed_descendants(pid: int) -> list[int]:
    found: list[int] = []
    waiting = [pid]
    while waiting:
        with suppress(OSError):
            for listing in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
                children = [int(word) for word in listing.read_text().split()]
                found += children
                waiting += children
    return found


def marked() -> dict[str, list[int]]:
    """Return the processes that carry a mark in their environment: daemons too, which have no parent to be found by."""
    found: dict[str, list[int]] = {}
    for pid, mark in _marks():
        found.setdefault(mark, []).append(pid)
    return found


def _marks() -> Iterator[tuple[int, str]]:
    if Path("/proc/self/environ").exists():
        for pid, environment in watcher.environments():
            for mark in _MARKS.findall(environment):
                yield pid, os.fsdecode(mark)
        return
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            yield process.pid, process.environ().get(MARKER, "")


class MarkSearch:
    """Looks for marked processes in a thread, once for all who wait.

    A search reads the environment of every process of the machine. Many runs have children that end at the same time, and
    their threads would take the processor, and Python's lock, from the event loop.
    """

    def __init__(self) -> None:
        self._next: asyncio.Task[dict[str, list[int]]] | None = None  # it has not begun
        self._turn = asyncio.Lock()

    async def of(self, mark: str) -> list[psutil.Process]:
        """Return the processes with a mark; the search begins after this call."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._search())
        return _processes((await asyncio.shield(self._next)).get(mark, []))

    async def _search(self) -> dict[str, list[int]]:
        async with self._turn:
            self._next = None  # who asks from now on may mean a process that is younger
            return await off_loop(marked)


def _processes(pids: list[int]) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for pid in pids:
        with suppress(psutil.Error):
            found.append(psutil.Process(pid))
    return found


def kill_each(processes: list[psutil.Process]) -> None:
    """Kill single processes; psutil makes sure that a pid was not given to somebody else meanwhile."""
    for process in processes:
        with suppress(psutil.Error, OSError):
            process.kill()


def end_each(processes: list[psutil.Process], group: int) -> None:
    """Ask those to end that have left a group."""
    for process in processes:
        with suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) != group:
                process.terminate()


def reap_orphans(processes: list[psutil.Process]) -> None:
    """Collect killed orphans that became ours because the server is PID 1; others are their parents' business."""
    for process in processes:
        with suppress(OSError):
            os.waitpid(process.pid, os.WNOHANG)


async def kill_tree(
    pid: int, marked_ones: Callable[[], Awaitable[list[psutil.Process]]], exited: Callable[[], bool], grace: float
) -> None:
    """End a child whole: it and all below it TERM, `grace` seconds, KILL, then all that has its mark; returns when it is reaped.

    Parameters
    ----------
    pid : int
        The child, which is the leader of its own process group.
    marked_ones : callable
        Finds the processes that have its mark.
    exited : callable
        Whether the child itself was reaped.
    grace : float
        Seconds between TERM and KILL.
    """
    known = descendants(pid) if not exited() else []
    if group_alive(pid):
        step_up(pid)
        signal_group(pid, signal.SIGTERM)
        end_each(known, pid)
        await _ended(pid, exited, grace)
        signal_group(pid, signal.SIGKILL)
    kill_each(known)
    for _ in range(20):  # again while something is found: it may fork while it is hunted
        found = await marked_ones()
        if not found:
            break
        known += found
        kill_each(found)
        await asyncio.sleep(0.01)
        reap_orphans([process for process in found if process.pid != pid])
    await until(exited, 5.0)
    reap_orphans([process for process in known if process.pid != pid])


async def _ended(pid: int, exited: Callable[[], bool], limit: float) -> None:
    """Wait until nothing of a group lives; looked at closely only once its leader was reaped."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limit
    await until(lambda: exited() or not group_alive(pid), limit)
    pause = 0.005
    while group_alive(pid) and loop.time() < end and await off_loop(lambda: group_living(pid)):
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_LOOK)


async def until(condition: Callable[[], bool], limit: float) -> None:
    """Wait until something is true, `limit` seconds at the most."""
    loop = asyncio.get_running_loop()
    end, pause = loop.time() + limit, 0.001
    while not condition() and loop.time() < end:
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.01)


class Watcher:
    """The server's end of the watcher process: started again when it died, told everything that it must know.

    Parameters
    ----------
    instance : str
        First part of the mark of every child of this server.
    """

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._process: subprocess.Popen[bytes] | None = None
        self._entries: set[str] = set()

    @property
    def pid(self) -> int | None:
        """The watcher's process id while it lives."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def ensure(self) -> None:
        """Start the watcher unless it lives. A failure is no reason to refuse a child: the server still kills its own."""
        if self.pid is not None or not sys.executable:
            return
        self._drop()
        argv = [sys.executable, "-I", "-S", str(Path(watcher.__file__)), self._instance]
        quiet = subprocess.DEVNULL
        try:
            env = {**os.environ, WATCHER_MARKER: self._instance}  # by which the next server finds it
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True, cwd="/", env=env
            )
        except OSError:
            return
        if self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)
        for entry in sorted(self._entries):
            self._send(entry)

    def add(self, entry: str) -> None:
        """Tell ``+PGID`` or ``t HEX``."""
        self._entries.add(entry)
        self._send(entry)

    def remove(self, entry: str) -> None:
        """Take an entry back."""
        if entry in self._entries:
            self._entries.discard(entry)
            self._send(("-" if entry[0] == "+" else "f") + entry[1:])

    def close(self, limit: float = 2.0) -> None:
        """Close the pipe and wait for the watcher's end; blocks up to `limit` seconds."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(limit)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(limit)
        self._process = None

    def _send(self, entry: str) -> None:
        if self._process is None or self._process.stdin is None:
            return
        try:
            os.write(self._process.stdin.fileno(), entry.encode("ascii") + b"\n")
        except (OSError, ValueError):
            self._drop()  # dead or stopped: the next child starts another one

    def _drop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            process.kill()
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        process.wait()
