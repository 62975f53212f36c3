"""Workers are used again, one request at a time, and are dead when their time is over, whatever ends a request."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import psutil
import pytest

from docsfy_jupyter.errors import ChildError, ChildTimeout
from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.generation.workers import WorkerPool

WORKER = """
import os, sys, time
from docsfy_jupyter import lines
def answer(asked):
    lines._PEAK = asked.get("peak", lines._PEAK)
    print(asked.get("say", ""), file=sys.stderr, flush=True)
    if asked.get("kill"):
        os.kill(os.getpid(), 9)
    if asked.get("die"):
        raise RuntimeError("out of ideas")
    time.sleep(asked.get("sleep", 0))
    return {"pid": os.getpid(), "text": asked.get("text")}
lines.answer_lines(answer)
"""


@pytest.fixture
async def pool(processes: Processes) -> AsyncIterator[WorkerPool]:
    made = WorkerPool(processes, [sys.executable, "-c", WORKER], 2, idle=60)
    yield made
    await made.aclose()


async def pid_of(pool: WorkerPool, **asked: object) -> int:
    return int((await pool.request(asked, 60))["pid"])


async def gone(pid: int) -> bool:
    """Whether a process ends."""
    for _ in range(600):
        if not psutil.pid_exists(pid):
            return True
        await asyncio.sleep(0.05)
    return False


async def test_requests_one_after_the_other_are_answered_by_one_process(pool: WorkerPool) -> None:
    first = await pid_of(pool)
    assert (await pool.request({"text": "caf\udce9"}, 60))["text"] == "caf\udce9"
    assert await pid_of(pool) == first
    await pool.aclose()
    assert not psutil.pid_exists(first)


async def test_so_many_at_once_and_no_more(pool: WorkerPool) -> None:
    pids = await asyncio.gather(*(pid_of(pool, sleep=0.2) for _ in range(6)))
    assert len(set(pids)) == 2


async def test_an_idle_one_ends_after_a_while(processes: Processes) -> None:
    pool = WorkerPool(processes, [sys.executable, "-c", WORKER], 2, idle=0.1)
    assert await gone(await pid_of(pool))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_one_that_died_or_was_stopped_while_it_was_idle_is_replaced(pool: WorkerPool, number: int) -> None:
    first = await pid_of(pool)
    psutil.Process(first).send_signal(number)
    with suppress(psutil.NoSuchProcess):
        while psutil.Process(first).status() in {psutil.STATUS_RUNNING, psutil.STATUS_SLEEPING}:
            time.sleep(0.001)  # the event loop is not to hear of it
    assert await pid_of(pool) != first
    assert await gone(first)


async def test_an_answer_that_nobody_awaits_any_more_ends_its_process(pool: WorkerPool) -> None:
    first = await pid_of(pool)
    asking = asyncio.create_task(pool.request({"sleep": 300}, 600))
    await asyncio.sleep(0.1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not psutil.pid_exists(first)
    assert await pid_of(pool) != first


async def test_a_late_answer_ends_its_process(pool: WorkerPool) -> None:
    first = await pid_of(pool)
    with pytest.raises(ChildTimeout, match=r"did not answer in 0\.2 s"):
        await pool.request({"sleep": 300}, 0.2)
    assert not psutil.pid_exists(first)


async def test_a_worker_that_fails_says_why_and_only_that_request_fails(pool: WorkerPool) -> None:
    assert (await pool.request({"say": "ALICE"}, 60))["pid"]
    with pytest.raises(ChildError, match=r"exit code 1: (?s:.)*RuntimeError: out of ideas") as told:
        await pool.request({"die": True}, 60)
    assert "ALICE" not in told.value.message
    assert await pid_of(pool)


async def test_one_without_words_is_told_with_its_exit_code(pool: WorkerPool) -> None:
    for _ in range(5):
        with pytest.raises(ChildError, match="ended with exit code -9 without a word"):
            await pool.request({"kill": True}, 60)


async def test_a_request_that_no_worker_takes_says_so(pool: WorkerPool) -> None:
    asking = [asyncio.create_task(pool.request({"sleep": 300}, 600)) for _ in range(2)]
    await asyncio.sleep(0.1)
    assert not pool.free
    with pytest.raises(ChildTimeout, match=r"All workers were busy for 0\.1 s"):
        await pool.request({}, 0.1)
    for one in asking:
        one.cancel()
    await asyncio.wait(asking)
    assert pool.free


async def test_a_request_under_way_is_told_that_the_server_stops(processes: Processes, pool: WorkerPool) -> None:
    first = await pid_of(pool)
    asking = asyncio.create_task(pool.request({"sleep": 300}, 600))
    await asyncio.sleep(0.1)
    await pool.aclose()
    await processes.aclose()
    with pytest.raises(ChildError, match="the server is shutting down"):
        await asking
    assert not psutil.pid_exists(first)


async def test_one_that_has_grown_large_is_used_no_more(pool: WorkerPool) -> None:
    first = await pid_of(pool, peak=1)
    assert await gone(first)
    assert await pid_of(pool) != first


async def test_a_large_server_has_small_workers(pool: WorkerPool) -> None:
    large = b"x" * (512 * 1024 * 1024)  # what getrusage(2) says of a process, its children begin with
    del large
    assert await pid_of(pool) == await pid_of(pool)
