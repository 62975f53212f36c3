"""A manager in the test's own event loop, runs recorded as readers see them, and children found in ``/proc``."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from servers import FAKE

from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.generation.settings import Settings
from docsfy_jupyter.models import Status, Variant, VariantKey
from docsfy_jupyter.providers.base import ProviderOptions
from docsfy_jupyter.providers.prices import Prices
from docsfy_jupyter.providers.registry import ProviderRegistry
from docsfy_jupyter.requests import GenerateRequest
from docsfy_jupyter.sources.rules import SourcePolicy

POLICY = SourcePolicy(allowed_schemes=("https", "http"), allow_private_hosts=True)


@asynccontextmanager
async def running(folder: Path, prices: Prices | None = None, **options: Any) -> AsyncIterator[Manager]:
    """A manager with real parts: git, a DuckDB file, child processes."""
    settings = Settings(folder / "data", policy=POLICY, **options)
    wanted = ProviderOptions(prices=prices or Prices())
    registry = ProviderRegistry({"fake": [sys.executable, str(FAKE)]}, options=wanted)
    manager = Manager(settings, registry, logging.getLogger("test"))
    await manager.start()
    await manager.ready()
    try:
        yield manager
    finally:
        await manager.stop()


async def start(manager: Manager, repo: Path, model: str = "pages=3", provider: str = "fake", **more: Any) -> VariantKey:
    """Start a run of a folder."""
    body = {"repo_path": str(repo), "ai_provider": provider, "ai_model": model, **more}
    row = await manager.generate(GenerateRequest.model_validate(body), "me")
    return row.key


async def until(manager: Manager, key: VariantKey, wanted: Any, seconds: float = 60) -> Variant:
    """Wait for a row on the change feed."""
    async with asyncio.timeout(seconds):
        while True:
            revision = manager.feed.revision
            row = manager.feed.get(key)
            if row is not None and wanted(row):
                return row
            await manager.feed.wait(revision, seconds)


async def finished(manager: Manager, key: VariantKey) -> Variant:
    """Wait until a run has ended and its owner is gone; real programs on a busy machine take their time."""
    row = await until(manager, key, lambda row: row.status.terminal, 240)
    while key in manager._runs:
        await asyncio.sleep(0.005)
    return row


async def record(manager: Manager, key: VariantKey) -> list[Variant]:
    """Follow the change feed to the end of a run; every row that a reader could see, the first included."""
    seen = [manager.find(key)]
    while not seen[-1].status.terminal:
        revision = manager.feed.revision
        row = manager.find(key)
        if row != seen[-1]:
            seen.append(row)
            continue
        await manager.feed.wait(revision, 60)
    await finished(manager, key)
    return seen


def transitions(rows: list[Variant]) -> list[str]:
    """The stages and statuses of recorded rows, each once."""
    names = [row.status.value if row.status.terminal else (row.current_stage or "started") for row in rows]
    return [str(name) for number, name in enumerate(names) if number == 0 or names[number - 1] != name]


def check_counts(rows: list[Variant]) -> None:
    """page_count never falls once the plan is settled, is never above the total; terminal fields are as they must be."""
    settled = [row for row in rows if row.status.terminal or row.current_stage in ("generating_pages", "rendering")]
    counts = [row.page_count for row in settled]
    assert counts == sorted(counts)
    for row in rows:
        plan = row.plan()
        assert plan is None or row.page_count <= len(plan.pages())
        assert row.generation_id == rows[0].generation_id
        assert (row.error_message is None) == (row.status in (Status.GENERATING, Status.READY))
    assert sum(row.status.terminal for row in rows) == 1
    last = rows[-1]
    assert (last.pages_active, last.queue_position) == ((), None)


def alive(mark: str, *more: str) -> list[str]:
    """The command lines of all children of runs that carry ``XDG_DOCSFY_MARK=mark`` and `more`.

    The server and its watcher are none, and workers that may be used again are `lingering`.
    """
    return [line for line in _children(mark, *more) if not is_pooled(line)]


def lingering(mark: str) -> list[str]:
    """The command lines of the workers that outlive a run for some seconds."""
    return [line for line in _children(mark) if is_pooled(line)]


def is_pooled(line: str) -> bool:
    """Whether a command line is that of a worker that outlives a run."""
    return any(f"-m docsfy_jupyter.{kind}.worker" in line for kind in ("site", "verification"))


def _children(mark: str, *more: str) -> list[str]:
    entries = {f"XDG_DOCSFY_MARK={mark}", *more}
    return [line for environ, line in _processes() if entries <= environ and any(e.startswith("DOCSFY_CHILD=") for e in environ)]


def variables(mark: str) -> set[str]:
    """The names of all variables that children with this mark have."""
    found = [environ for environ, _ in _processes() if f"XDG_DOCSFY_MARK={mark}" in environ]
    return {
        entry.partition("=")[0] for environ in found if any(e.startswith("DOCSFY_CHILD=") for e in environ) for entry in environ
    }


def _processes() -> Iterator[tuple[set[str], str]]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                environ = set(Path(f"/proc/{name}/environ").read_text("utf-8", "replace").split("\0"))
                yield environ, Path(f"/proc/{name}/cmdline").read_text("utf-8", "replace").replace("\0", " ")
            except OSError:
                continue
