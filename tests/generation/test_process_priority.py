"""Children step back, and theirs with them, so that the server answers while they work."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from docsfy_jupyter.generation.priority import NICENESS
from docsfy_jupyter.generation.process import Processes, child_environment

# asks for its own priority, and that of its session, until both are lowered; and what a child of its own gets then
ASK = f"""
import json, os, subprocess, sys, time
from pathlib import Path

def now():
    group = Path("/proc/self/autogroup")
    session = int(group.read_text().split()[-1]) if group.exists() else None
    return os.getpriority(os.PRIO_PROCESS, 0), session

end = time.monotonic() + 30
while time.monotonic() < end and not all(level in (None, {NICENESS}) for level in now()):
    time.sleep(0.01)
child = subprocess.run([sys.executable, "-c", "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"], capture_output=True)
print(json.dumps([*now(), int(child.stdout)]))
"""


@pytest.mark.skipif(not hasattr(os, "setpriority"), reason="this system has no niceness")
async def test_many_children_at_once_are_nice_in_their_sessions_too_and_the_server_is_not(processes: Processes) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    calls = [processes.run([sys.executable, "-c", ASK], env=child_environment()) for _ in range(6)]
    session = NICENESS if Path("/proc/self/autogroup").exists() else None
    for result in await asyncio.gather(*calls):
        assert json.loads(result.stdout) == [NICENESS, session, NICENESS], result.stderr
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
