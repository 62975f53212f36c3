"""Aborts at any moment of a run of any provider: how long the last process lives, and that none survives."""

from __future__ import annotations

import os
import random
import select
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from field import MODELS, Field

pytestmark = pytest.mark.timeout(1500)
_SLOW = 0.25  # seconds after which it is told what still lives


@dataclass
class Abort:
    """What is known of one abort; all times are of the clock that all processes share.

    Parameters
    ----------
    name : str
        Its number and provider.
    asked : float
        When the client began.
    answered : float
        When it had the answer; 0 before that.
    dead : float or None
        When the last process was dead that had been alive before; None where there was none.
    slow : str
        What was still alive, and how, after `_SLOW`.
    steps : list
        What the server told, see `telling`.
    """

    name: str
    asked: float = 0.0
    answered: float = 0.0
    dead: float | None = None
    slow: str = ""
    steps: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def stage(self) -> str:
        """The stage in which the run ended."""
        return next((what for _, step, what in self.steps if step == "write of the end begins"), "unknown")

    def __str__(self) -> str:
        dead = "no process was alive" if self.dead is None else f"the last process was dead after {self._after(self.dead)}"
        answered = f"the answer came after {self._after(self.answered)}" if self.answered else "there was no answer"
        steps = "".join(f"\n    {self._after(at):>8} {step} {what}" for at, step, what in self.steps)
        return f"abort {self.name} in {self.stage}: {dead}, {answered}{self.slow}{steps}"

    def _after(self, moment: float) -> str:
        return f"{(moment - self.asked) * 1000:.0f} ms"


def watch_death(processes: list[psutil.Process], abort: Abort, limit: float = 30.0) -> None:
    """Note when the last of these processes is dead, by what the kernel tells."""
    waiting = {}
    for process in processes:
        with suppress(ProcessLookupError):
            waiting[os.pidfd_open(process.pid)] = process
    look = select.poll()
    for handle in waiting:
        look.register(handle, select.POLLIN)
    while waiting and time.monotonic() - abort.asked < limit:
        found = look.poll(1000 * _SLOW)
        abort.dead = time.monotonic()
        for handle, _ in found:
            look.unregister(handle)
            os.close(handle)
            del waiting[handle]
        if waiting and not found and not abort.slow:
            abort.slow = f"; after {_SLOW} s: {[standing(process) for process in waiting.values()]}"
    for handle in waiting:
        os.close(handle)
    assert not waiting, f"alive after {limit} s: {list(waiting.values())}; {abort}"


def standing(process: psutil.Process) -> str:
    """Return what a process is doing now: its state, and where in the kernel it waits."""
    try:
        waits = Path(f"/proc/{process.pid}/wchan").read_text()
        return f"{process.pid} {process.status()} ({waits}) {' '.join(process.cmdline())[:80]}"
    except (OSError, psutil.Error):
        return f"{process.pid} gone"


def told(aborts: list[Abort]) -> str:
    """Return the times by stage, and all of the slowest."""
    lines = []
    for stage in sorted({abort.stage for abort in aborts}):
        some = [abort for abort in aborts if abort.stage == stage]
        dead = [abort.dead - abort.asked for abort in some if abort.dead is not None]
        lines.append(f"{stage}: {spread(dead)} to the last death; {spread([abort.answered - abort.asked for abort in some])} to the answer")
    slowest = sorted(aborts, key=lambda abort: (abort.dead or 0.0) - abort.asked, reverse=True)
    return "\n".join([*lines, "the slowest:", *map(str, slowest[:12])])


def spread(seconds: list[float]) -> str:
    """Return count, median, 99th percentile and longest."""
    if not seconds:
        return "none"
    ordered = sorted(1000 * value for value in seconds)
    places = (len(ordered) // 2, int(len(ordered) * 0.99), -1)
    return f"{len(ordered)} times p50 {ordered[places[0]]:.0f}, p99 {ordered[places[1]]:.0f}, max {ordered[places[2]]:.0f} ms"


def test_no_process_survives_an_abort(field: Field, request: pytest.FixtureRequest) -> None:
    count, seed = request.config.getoption("aborts"), request.config.getoption("seed")
    print(f"repeat with --aborts {count} --seed {seed}")
    aborts: list[Abort] = []
    codes: list[int] = []
    server = psutil.Process(field.server.process.pid)
    handles = server.num_fds()

    def ask(row: dict[str, Any], abort: Abort) -> None:
        codes.append(field.abort(row))
        abort.answered = time.monotonic()

    for number in range(count):
        dice = random.Random(f"{seed} {number}")
        provider = dice.choice(tuple(MODELS))
        field.hold("every" if dice.random() < 0.3 else dice.choice(["plan", "page_3"]))
        row = field.begin(provider, force=dice.random() < 0.7)
        if dice.random() < 0.8:
            field.reach(row, dice.choice(["cloning", "planning", "planning", "generating_pages"] if provider in ("fake", "local") else ["planning"]))
        time.sleep(dice.uniform(0, 0.3))
        alive = field.children()
        aborts.append(abort := Abort(f"{number} of {provider}", time.monotonic()))
        asking = threading.Thread(target=ask, args=(row, abort))
        asking.start()
        if alive:
            watch_death(alive, abort)
        asking.join(60)
        abort.steps = [step for step in field.told() if step[0] >= abort.asked]
        if codes[-1] != 200:
            field.note_site(row)
        left = field.children()
        assert left == [], f"survivors {[standing(process) for process in left]}, seed {seed}: {abort}"
        if number % 50 == 49:
            field.release()
            print(f"checked after {number + 1}, {codes.count(200)} of them aborted")
            field.check()
    field.release()
    field.check()
    print(f"{count} aborts, seconds from the request to the death of the last process: {spread([one.dead - one.asked for one in aborts if one.dead is not None])}")
    print(told(aborts))
    assert codes.count(200) > count / 2
    assert server.num_fds() < handles + 30, "the server has kept files open"
