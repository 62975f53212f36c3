"""What is left of runs that have ended: their rows, and of everything else nothing."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from pathlib import Path

from recording import finished, running, start

from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.models import Status
from docsfy_jupyter.server.batches import Batches

VARIANTS = 12


async def queued_and_aborted(manager: Manager, repo: Path, turn: int) -> None:
    """Ask for many runs at once, of which two may work, and abort all."""
    body = {"repo_path": str(repo), "provider": "fake", "branch": "main"}
    items = [{**body, "model": f"pages=2,plansleep=60,n={number}"} for number in range(VARIANTS)]
    answer = await Batches(manager).start(items, "me", f"batch-{turn}")
    assert [item["status"] for item in answer["items"]] == ["generating"] * VARIANTS
    keys = [row.key for row in manager.feed.rows() if row.status is Status.GENERATING]
    rows = await asyncio.gather(*(manager.abort(key, "me") for key in keys))
    assert [row.status for row in rows] == [Status.ABORTED] * VARIANTS
    for key in keys:
        await finished(manager, key)


def ours() -> Counter[str]:
    """Count the objects of our own classes, and the tasks."""
    gc.collect()
    kinds = (type(one) for one in gc.get_objects())
    return Counter(kind.__qualname__ for kind in kinds if str(kind.__module__).startswith("docsfy_jupyter.") or kind is asyncio.Task)


async def test_runs_that_were_aborted_and_runs_that_ended_leave_only_their_rows(demo_repo: Path, tmp_path: Path) -> None:
    async with running(tmp_path, max_concurrent_generations=2) as manager:
        counts = []
        for turn in range(2):
            await queued_and_aborted(manager, demo_repo, turn)
            ready = await finished(manager, await start(manager, demo_repo, "pages=1", force=True))
            assert ready.status is Status.READY
            counts.append(ours())
        assert counts[0]["Variant"] >= VARIANTS + 1, "what is counted is there"
        for _ in range(50):  # the last task of a run ends a moment after it
            if not (more := ours() - counts[0]):
                break
            await asyncio.sleep(0.1)
        assert more == Counter()
