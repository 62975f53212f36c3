"""What the orchestration of an AI's calls costs, beside just starting the same processes at the same concurrency.

A fake `claude` (tests/fake_agent.py, a real program that answers at once) plans and writes forty pages. Measured is a run from
the begin of its planning to the end of its last page: prompts, parsing, cache, rows, events, history, children that die whole.
Beside it the very same processes are started bare: same program, arguments, environment, prompts, working directory, priority
and concurrency, by asyncio with nothing around. Both are measured in pairs, one after the other; which comes first alternates.

Run ``python benchmarks/orchestration.py``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from event_loop import make_repository
from rows import Row, beside, parser, report

from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.generation.priority import step_back
from docsfy_jupyter.generation.process import child_environment
from docsfy_jupyter.generation.settings import Settings
from docsfy_jupyter.models import Status, Variant
from docsfy_jupyter.providers.registry import ProviderRegistry
from docsfy_jupyter.requests import GenerateRequest

PAGES, PAIRS, AT_ONCE = 40, 7, 5
LIMIT = 1.3
FAKE = Path(__file__).resolve().parents[1] / "tests" / "fake_agent.py"


def install_fake(folder: Path) -> None:
    """Put the fake first on the PATH."""
    program = folder / "bin" / "claude"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{sys.executable} -IS\n" + FAKE.read_text("utf-8"), "utf-8")
    program.chmod(0o755)
    (folder / "steer.json").write_text(json.dumps({"pages": PAGES}), "utf-8")
    os.environ["PATH"] = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["XDG_FAKE_AGENT"] = str(folder)


def recorded(folder: Path) -> list[dict[str, Any]]:
    """Take what the fake was given, the plan first."""
    files = sorted(folder.glob("*.call"))
    calls = [json.loads(file.read_text("utf-8")) for file in files]
    for file in files:
        file.unlink()
    return sorted(calls, key=lambda call: bool(call["turn"] != "plan"))


async def orchestrated(manager: Manager, repo: Path) -> tuple[float, Variant]:
    """Run once; return the seconds from the begin of the planning to the last page."""
    body = {"repo_path": str(repo), "branch": "main", "ai_provider": "claude", "ai_model": "m", "force": True}
    row = await manager.generate(GenerateRequest.model_validate(body), "bench")
    while not row.status.terminal:
        await manager.feed.wait(manager.feed.revision, 60)
        row = manager.feed.get(row.key) or row
    times = {stage: datetime.fromisoformat(at) for stage, at in row.stage_times.items()}
    return (times["rendering"] - times["planning"]).total_seconds(), row


async def bare(calls: list[dict[str, Any]], clone: Path) -> float:
    """Start the same processes; return the seconds."""
    room = asyncio.Semaphore(AT_ONCE)

    async def start(call: dict[str, Any]) -> None:
        async with room:
            pipe = asyncio.subprocess.PIPE
            argv = ["claude", *call["argv"]]
            env = child_environment(passthrough=[name for name in call["env"] if name != "DOCSFY_CHILD"])
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=pipe, stdout=pipe, stderr=pipe, cwd=clone, env=env, start_new_session=True
            )
            step_back(process.pid, lambda: process.returncode is not None)
            out, _ = await process.communicate(call["stdin"].encode())
            assert process.returncode == 0
            assert b"result" in out

    began = time.perf_counter()
    await start(calls[0])
    await asyncio.gather(*(start(call) for call in calls[1:]))
    return time.perf_counter() - began


async def measure(folder: Path) -> Row:
    """Measure the pairs."""
    repo = make_repository(folder)
    clone = folder / "clone"
    shutil.copytree(repo, clone)
    settings = Settings(folder / "data", max_concurrent_pages=AT_ONCE)
    manager = Manager(settings, ProviderRegistry({}), logging.getLogger("bench"))
    await manager.start()
    await manager.ready()
    _, row = await orchestrated(manager, repo)  # imports, the database's first pages
    calls = recorded(folder)
    pairs: list[tuple[float, float]] = []
    for number in range(PAIRS):
        simple = await bare(calls, clone) if number % 2 else 0.0
        recorded(folder)
        ours, row = await orchestrated(manager, repo)
        if row.status is not Status.READY or len(recorded(folder)) != PAGES + 1:
            raise SystemExit(f"the run is {row.status}: {row.error_message}")
        simple = simple or await bare(calls, clone)
        recorded(folder)
        pairs.append((ours, simple))
    await manager.stop()
    name = f"pages stage of {PAGES + 1} processes, {AT_ONCE} at once, s"
    return beside(name, *zip(*pairs, strict=True), at_most=LIMIT, note="beside the same processes bare")


def main() -> int:
    """Measure in a temporary folder; return the exit code."""
    options = parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install_fake(folder)
        return report([asyncio.run(measure(folder))], options.json)


if __name__ == "__main__":
    sys.exit(main())
