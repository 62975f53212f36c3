"""Twenty generations of fifty pages at once: every one ready, every count exact."""

from __future__ import annotations

import asyncio
from pathlib import Path

from recording import check_counts, record, running, start
from servers import commit, git

from docsfy_jupyter.models import Status

RUNS, PAGES = 20, 50


def big_repo(folder: Path) -> Path:
    """A package with enough modules for fifty pages."""
    folder.mkdir()
    git(folder, "init", "-q")
    modules = {
        f"big/part_{n:02}.py": f'"""Part {n}."""\n\n\ndef call_{n}(x: int) -> int:\n    """Add {n}."""\n    return x + {n}\n'
        for n in range(PAGES)
    }
    commit(folder, {"README.md": "# Big\n\nMany parts.\n", "big/__init__.py": '"""Big."""\n', **modules})
    return folder


async def test_twenty_generations_of_fifty_pages_at_once_are_all_ready_with_exact_counts(tmp_path: Path) -> None:
    repo = big_repo(tmp_path / "big")
    async with running(tmp_path, max_concurrent_generations=RUNS) as manager:
        keys = await asyncio.gather(*[start(manager, repo, "static", "local", name=f"big-{n}") for n in range(RUNS)])
        recorded = await asyncio.gather(*[record(manager, key) for key in keys])
        for rows in recorded:
            check_counts(rows)
            last = rows[-1]
            plan = last.plan()
            assert (last.status, last.failed_pages) == (Status.READY, ())
            assert plan is not None
            slugs = {page.slug for page in plan.pages()}
            assert len(slugs) >= PAGES
            assert last.page_count == len(last.pages_done) == len(slugs)
            site = manager.folder(last.key).sites.current()
            assert site is not None
            assert slugs <= {page.stem for page in site.glob("*.html")}
        store = await manager.ready()
        stored = {row.key: row for row in await store.load_variants()}
        assert stored == {rows[-1].key: rows[-1] for rows in recorded}
        runs, total = await store.list_runs({"outcome": "ready"}, 100, 0)
        assert total == RUNS
        assert {run["pages_fresh"] for run in runs} == {recorded[0][-1].page_count}
