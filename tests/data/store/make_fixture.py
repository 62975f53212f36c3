"""Write ``schema-<version>.duckdb`` with the present code; run once for every new schema version, and keep the old files."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from docsfy_jupyter.models import Status, Variant, utc_now
from docsfy_jupyter.store.migrations import VERSION
from docsfy_jupyter.store.records import Ending, Event, RunEnd, RunStart
from docsfy_jupyter.store.store import Store

AT = "2026-11-25T08:00:00+00:00"


async def main() -> None:
    """Make one ready variant with its run and two events."""
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.open(Path(folder))
        row = Variant("demo", "main", "local", "static", "me", "https://h.example/demo", Status.GENERATING, AT, AT, generation_id="g1")
        await store.begin_run(row, RunStart("g1", row.key, row.repo_url, "me", utc_now()), Event("g1", utc_now(), "started", "x", "me"))
        end = RunEnd("g1", None, utc_now(), "ready", page_count=3, total_pages=3, pages_fresh=3, cost_usd=0.0)
        ready = row.changed(status=Status.READY, page_count=3, last_commit_sha="0" * 40)
        await store.end_run(Ending(ready, end, (Event("g1", utc_now(), "ready", "ready"),)))
        await store.close()
        shutil.copyfile(Path(folder) / "docsfy.duckdb", Path(__file__).with_name(f"schema-{VERSION}.duckdb"))


if __name__ == "__main__":
    asyncio.run(main())
