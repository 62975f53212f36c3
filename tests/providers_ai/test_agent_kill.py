"""A server that is killed takes its agents with it, whatever they started and however deaf they are."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from agents import Agents
from recording import alive
from servers import Server


def within(seconds: float, true: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_two_seconds_after_a_kill_none_of_five_agents_is_alive(
    agents: Agents, demo_repo: Path, gate: Path, mark: str, start_server: Callable[..., Server]
) -> None:
    gate.touch()
    agents.steer(pages=5, plan={}, every={"wait": str(gate), "deaf": True, "children": True})
    server = start_server()
    body = {"repo_path": str(demo_repo), "provider": "claude", "model": "m", "branch": "main"}
    assert server.call("POST", "api/generate", json=body).status_code == 202
    assert within(60, lambda: len(agents.calls()) == 6 and sum("claude" in line for line in alive(mark)) == 5)
    assert within(20, lambda: len(alive(mark)) >= 15)  # each with a child and one that left its session
    os.kill(server.process.pid, signal.SIGKILL)
    began = time.monotonic()
    assert within(20, lambda: alive(mark) == [])
    assert time.monotonic() - began < 2
