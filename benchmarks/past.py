"""A data folder with a past: many variants that are ready, many runs, many events."""

from __future__ import annotations

import asyncio
from pathlib import Path

import duckdb

from docsfy_jupyter.models import Plan, PlanGroup, PlanPage, Status, Variant
from docsfy_jupyter.store import statements
from docsfy_jupyter.store.store import Store

_PAGES = 20
_TIME = "2026-01-02T03:04:05+00:00"


def make_past(data: Path, variants: int, runs: int, events: int) -> None:
    """Make a database; its variants are ``past-0``, ``past-1`` …, of provider ``local`` and model ``static``.

    Parameters
    ----------
    data : Path
        The data folder, which need not exist.
    variants, runs, events : int
        How many rows of each; a run has twenty pages.
    """
    asyncio.run(_made(data))
    with duckdb.connect(str(data / "docsfy.duckdb")) as connection:
        if variants:
            statements.put(connection, _variant())
            connection.execute(_VARIANTS.format(variants))
        connection.execute(_RUNS.format(runs))
        connection.execute(_EVENTS.format(runs, events))
        connection.execute(_PAGES_OF_RUNS.format(runs, _PAGES * runs, _PAGES))


async def _made(data: Path) -> None:
    await (await Store.open(data)).close()


def _variant() -> Variant:
    pages = [PlanPage(slug=f"page-{n}", title=f"What page {n} is about", description="A sentence on it.") for n in range(_PAGES)]
    plan = Plan(project_name="past", tagline="Ready.", navigation=[PlanGroup(group="All", pages=pages)])
    return Variant(
        name="past-0",
        branch="main",
        ai_provider="local",
        ai_model="static",
        owner="bench",
        repo_url="https://example.org/past.git",
        status=Status.READY,
        created_at=_TIME,
        updated_at=_TIME,
        started_at=_TIME,
        last_generated=_TIME,
        page_count=_PAGES,
        pages_done=tuple(page.slug for page in pages),
        plan_json=plan.to_json(),
        last_commit_sha="0123456789abcdef0123456789abcdef01234567",
        generation_id="run-0",
        stage_times={"cloning": _TIME, "planning": _TIME, "generating_pages": _TIME, "rendering": _TIME},
        total_cost_usd=0.0,
        run_cost_usd=0.0,
    )


_VARIANTS = """INSERT INTO projects
    SELECT projects.* REPLACE (
        'past-' || n AS name, 'run-' || n AS generation_id,
        json_merge_patch(state, json_object('name', 'past-' || n, 'generation_id', 'run-' || n)) AS state)
    FROM projects, range(1, {}) AS past(n) WHERE projects.name = 'past-0'"""
_RUNS = """INSERT INTO runs
    (generation_id, name, branch, ai_provider, ai_model, owner, started_at, ended_at, outcome, cost_usd, stage_times)
    SELECT 'run-' || n, 'past-' || n % 50, 'main', 'local', 'model-' || n % 3, 'bench', now() - to_hours(n::INT),
           now() - to_hours(n::INT) + INTERVAL 5 MINUTE, 'ready', n % 7 / 10,
           json_object('cloning', (now() - to_hours(n::INT))::VARCHAR, 'rendering', (now() - to_hours(n::INT))::VARCHAR)
    FROM range({}) AS past(n)"""
_EVENTS = """INSERT INTO events (generation_id, occurred_at, kind, text, details)
    SELECT 'run-' || n % {}, now() - to_seconds(n::INT), 'page', 'Generated page ' || n || ': A title', '{{"n": 1}}'
    FROM range({}) AS past(n)"""
_PAGES_OF_RUNS = """INSERT INTO pages (generation_id, slug, provider, model, seconds, outcome, occurred_at)
    SELECT 'run-' || n % {0}, 'page-' || n % {2}, 'local', 'static', n % 90 / 10, 'fresh', now()
    FROM range({1}) AS past(n)"""
