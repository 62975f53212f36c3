"""A worker answers lines of JSON of any length, concurrently, and dies whole."""

from __future__ import annotations

import asyncio
import sys

import psutil
import pytest

from docsfy_jupyter.errors import ChildError, ChildTimeout
from docsfy_jupyter.generation.process import Processes, child_environment

ENV = child_environment()
CODE = """
import json, os, sys, threading, time
lock = threading.Lock()
def answer(asked):
    if asked.get("die"):
        print("boom: out of ideas", file=sys.stderr, flush=True)
        os._exit(7)
    time.sleep(asked.get("sleep", 0))
    with lock:
        print(json.dumps({"id": asked["id"], "pid": os.getpid(), "text": asked.get("text", "") + "x" * asked.get("size", 0)}), flush=True)
print("hello, this is no JSON", flush=True)
for line in sys.stdin:
    threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
"""
ARGV = [sys.executable, "-c", CODE]


async def test_concurrent_requests_get_their_own_answers(processes: Processes) -> None:
    async with processes.open_worker(ARGV, env=ENV) as worker:
        slow = asyncio.create_task(worker.request({"text": "slow", "sleep": 0.3}, 30))
        fast = await worker.request({"text": "caf\udce9"}, 30)
        assert not slow.done()
        assert fast["text"] == "caf\udce9"
        assert (await slow)["text"] == "slow"
    assert not psutil.pid_exists(fast["pid"])


async def test_a_line_of_twenty_mib_is_read(processes: Processes) -> None:
    async with processes.open_worker(ARGV, env=ENV) as worker:
        answer = await worker.request({"size": 20 * 1024 * 1024}, 60)
    assert len(answer["text"]) == 20 * 1024 * 1024


async def test_death_fails_all_pending_requests_with_the_last_words(processes: Processes) -> None:
    async with processes.open_worker(ARGV, env=ENV) as worker:
        waiting = asyncio.create_task(worker.request({"sleep": 300}, 60))
        for pending in (worker.request({"die": True}, 60), waiting):
            with pytest.raises(ChildError, match="boom: out of ideas"):
                await pending
        with pytest.raises(ChildError, match="boom: out of ideas"):
            await worker.request({}, 60)


async def test_a_request_has_a_time_limit_and_the_worker_goes_on(processes: Processes) -> None:
    async with processes.open_worker(ARGV, env=ENV) as worker:
        with pytest.raises(ChildTimeout, match=r"did not answer in 0\.2 s"):
            await worker.request({"sleep": 300}, 0.2)
        assert (await worker.request({"text": "still here"}, 30))["text"] == "still here"
