"""A killed server leaves no child and no temporary folder behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

SERVER = """
import asyncio, sys
from pathlib import Path
from docsfy_jupyter.generation.process import Processes, child_environment

async def main(folder):
    processes = Processes()
    await processes.start()
    scratch = folder / "scratch of a run"
    scratch.mkdir()
    processes.watch_folder(scratch)
    script = f'''sleep 300 & echo $! > "{folder}/a.pid"
    (setsid sh -c 'echo $$ > "{folder}/b.pid"; sleep 300; true' >/dev/null 2>&1 </dev/null &)
    echo $$ > "{folder}/c.pid"; sleep 300; true'''
    await processes.run(["sh", "-c", script], env=child_environment())

asyncio.run(main(Path(sys.argv[1])))
"""


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition: object, limit: float) -> None:
    end = time.monotonic() + limit
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="daemons are found by /proc")
def test_kill_nine_of_the_server_ends_children_daemons_and_folders(tmp_path: Path) -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path)])
    files = [tmp_path / name for name in ("a.pid", "b.pid", "c.pid")]
    try:
        wait_for(lambda: all(file.exists() and file.read_text().endswith("\n") for file in files), 20)
        pids = [int(file.read_text()) for file in files]
        assert all(map(alive, pids))
    finally:
        server.kill()
        server.wait()
    wait_for(lambda: not any(map(alive, pids)), 5)
    wait_for(lambda: not (tmp_path / "scratch of a run").exists(), 5)
