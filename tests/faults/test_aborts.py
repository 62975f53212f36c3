"""Aborts at any moment of a run of any provider: how long the last process lives, and that none survives."""

from __future__ import annotations

import os
import random
import select
import threading
import time
from contextlib import suppress

import psutil
import pytest
from field import MODELS, Field

pytestmark = pytest.mark.timeout(1500)


def seconds_to_death(processes: list[psutil.Process], limit: float = 30.0) -> float:
    """Return after how many seconds the last of these processes is dead, by what the kernel tells."""
    began, waiting = time.monotonic(), {}
    for process in processes:
        with suppress(ProcessLookupError):
            waiting[os.pidfd_open(process.pid)] = process
    look = select.poll()
    for handle in waiting:
        look.register(handle, select.POLLIN)
    last = 0.0
    while waiting and time.monotonic() - began < limit:
        for handle, _ in look.poll(1000):
            last = time.monotonic() - began
            look.unregister(handle)
            os.close(handle)
            del waiting[handle]
    for handle in waiting:
        os.close(handle)
    assert not waiting, f"alive after {limit} s: {list(waiting.values())}"
    return last


def test_no_process_survives_an_abort(field: Field, request: pytest.FixtureRequest) -> None:
    count, seed = request.config.getoption("aborts"), request.config.getoption("seed")
    print(f"repeat with --aborts {count} --seed {seed}")
    took, codes = [], []
    server = psutil.Process(field.server.process.pid)
    handles = server.num_fds()
    for number in range(count):
        dice = random.Random(f"{seed} {number}")
        provider = dice.choice(tuple(MODELS))
        field.hold("every" if dice.random() < 0.3 else dice.choice(["plan", "page_3"]))
        row = field.begin(provider, force=dice.random() < 0.7)
        if dice.random() < 0.8:
            field.reach(row, dice.choice(["cloning", "planning", "planning", "generating_pages"] if provider in ("fake", "local") else ["planning"]))
        time.sleep(dice.uniform(0, 0.3))
        alive = field.children()
        aborting = threading.Thread(target=lambda row=row: codes.append(field.abort(row)))
        aborting.start()
        if alive:
            took.append(seconds_to_death(alive))
        aborting.join(60)
        assert field.children() == [], f"survivors of abort {number}, seed {seed}"
        if number % 50 == 49:
            field.release()
            field.check()
    field.release()
    field.check()
    assert codes.count(200) > count / 2
    assert server.num_fds() < handles + 30, "the server has kept files open"
    took.sort()
    middle, last = took[len(took) // 2], took[int(len(took) * 0.99)]
    print(f"{count} aborts, {len(took)} with processes alive: the last was dead after p50 {middle * 1000:.0f} ms, p99 {last * 1000:.0f} ms, max {took[-1] * 1000:.0f} ms")
