"""What changes a variant outside a run, and runs, keep out of each other's way."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from recording import finished, running, start

from docsfy_jupyter.errors import Conflict
from docsfy_jupyter.models import Status


async def test_no_run_begins_while_a_variant_is_deleted_or_rendered(demo_repo: Path, tmp_path: Path) -> None:
    async with running(tmp_path) as manager:
        key = await start(manager, demo_repo, "pages=1")
        await finished(manager, key)
        with manager._holding(key, "deleted", ""):
            for other in (start(manager, demo_repo, "pages=1"), manager.delete(key, "me"), manager.render(key)):
                with pytest.raises(Conflict, match="is being deleted; try again in a moment"):
                    await other
        deleted, refused = await asyncio.gather(manager.delete(key, "me"), manager.render(key), return_exceptions=True)
        assert deleted is None
        assert isinstance(refused, Conflict)
        row = await finished(manager, await start(manager, demo_repo, "pages=1"))
        assert (row.status, row.site) == (Status.READY, True)
