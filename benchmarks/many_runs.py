"""A hundred generations asked for at once, beside a bare loop that does the same clones and calls.

Each plans and writes five pages with a fake `claude`, a shell script that takes 0.2 s for an answer; at most thirty such
programs run at a time, here and there. The bare loop clones each repository, starts the same programs, and does nothing else:
no rows, no parsing, no cache, no site, no check of the pages.

Run ``python benchmarks/many_runs.py``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from event_loop import make_repository
from rows import alone, beside, parser, report

from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.generation.process import child_environment
from docsfy_jupyter.generation.settings import Settings
from docsfy_jupyter.models import Status
from docsfy_jupyter.providers.base import ProviderOptions
from docsfy_jupyter.providers.registry import ProviderRegistry
from docsfy_jupyter.requests import GenerateRequest

RUNS, PAGES, AT_ONCE, SECONDS, TURNS, LIMIT = 100, 5, 30, 0.2, 5, 1.25
PLAN = json.dumps({"navigation": [{"pages": [{"slug": f"page-{n}", "title": f"Page {n}"} for n in range(PAGES)]}]})
FAKE = f"""#!/bin/sh
prompt=$(cat)
sleep {SECONDS}
case "$prompt" in
*"
Title: "*) printf '%s' '{json.dumps({"type": "result", "is_error": False, "result": "# A page" + chr(10) * 2 + "Some text."})}' ;;
*) printf '%s' '{json.dumps({"type": "result", "is_error": False, "result": PLAN})}' ;;
esac
echo >> "$XDG_CALLS"
"""
CLONE = ("clone", "--quiet", "--depth", "1", "--no-local", "--single-branch", "--no-tags", "--template=", "--branch", "main")


def install(folder: Path) -> Path:
    """Put the fake first on the PATH; return the file that has a line for each call."""
    program = folder / "bin" / "claude"
    program.parent.mkdir()
    program.write_text(FAKE, "utf-8")
    program.chmod(0o755)
    os.environ["PATH"] = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["XDG_CALLS"] = str(folder / "calls")
    return folder / "calls"


async def ours(manager: Manager, repository: Path, turn: int) -> float:
    """Ask for all runs at once, and wait for the last one; return the seconds."""
    began = time.perf_counter()
    bodies = [
        {"repo_path": str(repository), "branch": "main", "name": f"run-{turn}-{n}", "provider": "claude", "model": "m"}
        for n in range(RUNS)
    ]
    rows = await asyncio.gather(*(manager.generate(GenerateRequest.model_validate(body), "bench") for body in bodies))
    left = {row.key for row in rows}
    while left:
        await manager.feed.wait(manager.feed.revision, 60)
        left = {key for key in left if (row := manager.feed.get(key)) is None or not row.status.terminal}
    took = time.perf_counter() - began
    bad = [row for key in (row.key for row in rows) if (row := manager.feed.get(key)) and row.status is not Status.READY]
    if bad:
        raise SystemExit(f"{len(bad)} of {RUNS} runs are not ready: {bad[0].error_message}")
    return took


async def bare(folder: Path, repository: Path) -> float:
    """Clone and call as often, and no more; return the seconds."""
    room = asyncio.Semaphore(AT_ONCE)
    pipe = asyncio.subprocess.PIPE

    async def call(clone: Path, prompt: str) -> None:
        async with room:
            process = await asyncio.create_subprocess_exec(
                "claude", stdin=pipe, stdout=pipe, stderr=pipe, cwd=clone, env=child_environment(), start_new_session=True
            )
            out, _ = await process.communicate(prompt.encode())
            assert process.returncode == 0
            assert json.loads(out)["result"]

    async def run(number: int) -> None:
        clone = folder / str(number)
        command = ("git", *CLONE, "--", f"file://{repository}", str(clone))
        git = await asyncio.create_subprocess_exec(*command, env=child_environment())
        assert await git.wait() == 0
        await call(clone, "plan")
        await asyncio.gather(*(call(clone, f"page\nTitle: Page {n}\n") for n in range(PAGES)))

    began = time.perf_counter()
    await asyncio.gather(*(run(number) for number in range(RUNS)))
    return time.perf_counter() - began


async def measure(folder: Path) -> tuple[list[float], list[float]]:
    """Measure in turns; return the seconds of ours and of the bare loop."""
    calls = install(folder)
    repository = make_repository(folder / "repository")
    settings = Settings(folder / "data", max_concurrent_generations=RUNS, max_concurrent_pages=PAGES)
    providers = ProviderRegistry({}, options=ProviderOptions(max_concurrent_calls=AT_ONCE))
    manager = Manager(settings, providers, logging.getLogger("bench"))
    await manager.start()
    await manager.ready()
    turns = []
    for turn in range(TURNS + 1):
        calls.write_text("")
        mine = await ours(manager, repository, turn)
        made = len(calls.read_text().splitlines())
        if made != RUNS * (PAGES + 1):
            raise SystemExit(f"{made} calls instead of {RUNS * (PAGES + 1)}")
        (folder / f"bare-{turn}").mkdir()
        theirs = await bare(folder / f"bare-{turn}", repository)
        turns += [(mine, theirs)] if turn else []
    await manager.stop()
    return [mine for mine, _ in turns], [theirs for _, theirs in turns]


def main() -> int:
    """Measure in a temporary folder; return the exit code."""
    options = parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        mine, theirs = asyncio.run(measure(Path(name)))
    measure_name = f"{RUNS} generations × {PAGES} pages × {SECONDS} s, {AT_ONCE} calls at once, s"
    least = RUNS * (PAGES + 1) * SECONDS / AT_ONCE
    rows = [
        beside(measure_name, mine, theirs, at_most=LIMIT, note="beside bare clones and calls"),
        alone("the same, by the calls' own time", [seconds / least for seconds in mine]),
    ]
    return report(rows, options.json)


if __name__ == "__main__":
    sys.exit(main())
