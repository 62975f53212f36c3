"""What comes of the check of a run's pages: findings that do not flap, and no end of the run when it fails."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from recording import finished, running, start

from docsfy_jupyter.errors import ChildError, ChildTimeout
from docsfy_jupyter.generation import pipeline
from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.generation.job import Emitter, RunJob
from docsfy_jupyter.generation.metrics import Metrics, RunMeter
from docsfy_jupyter.generation.open_store import OpenStore
from docsfy_jupyter.generation.progress_writer import ProgressWriter
from docsfy_jupyter.generation.run import Run, starting_row
from docsfy_jupyter.generation.settings import Settings
from docsfy_jupyter.generation.verifying import verify
from docsfy_jupyter.models import MOST_FINDINGS, Finding, Stage, Status, VariantKey
from docsfy_jupyter.progress import describe
from docsfy_jupyter.screen import stage_text
from docsfy_jupyter.sources.checkout import Checkout
from docsfy_jupyter.sources.rules import Source
from docsfy_jupyter.verification.jobs import Missing, Report


@pytest.fixture
def run(tmp_path: Path) -> Run:
    url, feed, log = "https://h.example/demo", ChangeFeed(), logging.getLogger("test")
    row = starting_row(VariantKey("demo", "main", "local", "static", "me"), Source("url", url, url, "demo"), "me", None)
    feed.put(row)
    writer = ProgressWriter(OpenStore(Settings(tmp_path), feed, log, "test"), log)
    return Run(row, None, feed, writer, RunMeter(Metrics(CollectorRegistry()), "local"))


async def told(run: Run, report: list[Missing]) -> dict[str, list[str]]:
    run.checked(Report(report))
    told: dict[str, list[str]] = {}
    for event in (await run.take())[0]:
        told.setdefault(event.kind, []).append(event.details["name"])
    return told


async def test_at_the_limit_a_finding_is_told_once_and_settled_when_it_is_gone(run: Run) -> None:
    old = [Missing("b", "name", f"old_{number}") for number in range(MOST_FINDINGS)]
    new = [Missing("a", "name", f"new_{number}") for number in range(5)]
    assert await told(run, old) == {"finding": [one.name for one in old]}
    assert await told(run, new + old) == {}
    assert run.row.findings == MOST_FINDINGS + 5
    assert run.row.finding_list == tuple(Finding(one.slug, one.kind, one.name) for one in old)
    assert await told(run, new + old[3:]) == {"finding_settled": ["old_0", "old_1", "old_2"], "finding": ["new_0", "new_1", "new_2"]}
    assert run.row.finding_list[:4] == (
        *(Finding("a", "name", f"new_{number}") for number in range(3)),
        Finding("b", "name", "old_3"),
    )
    assert await told(run, old[3:]) == {"finding_settled": ["new_0", "new_1", "new_2"]}
    assert await told(run, []) == {"finding_settled": [one.name for one in old[3:]]}


class Checkers:
    """Stands for the checking processes: what one answers, or what goes wrong."""

    def __init__(self, outcome: dict[str, Any] | Exception) -> None:
        self.outcome = outcome

    async def request(self, *_: Any) -> dict[str, Any]:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Told:
    """Takes what the check says."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.events: list[str] = []

    def checked(self, report: Report) -> None:
        self.reports.append(report)

    def log(self, kind: str, text: str) -> None:
        self.events.append(f"{kind}: {text}")


async def verified(outcome: dict[str, Any] | Exception, *, images: Any = ()) -> Told:
    def page_images(_key: str) -> Any:
        if isinstance(images, Exception):
            raise images
        return images

    folder = SimpleNamespace(page=lambda key: Path(f"{key}.md"), page_images=page_images)
    job = SimpleNamespace(folder=folder, workers=SimpleNamespace(checkers=Checkers(outcome)))
    clone = SimpleNamespace(path=Path("clone"), files=())
    told = Told()
    await verify(cast("RunJob", job), cast("Emitter", told), cast("Checkout", clone), {"a": "key"})
    return told


REPORT = Report([Missing("a", "name", "gone_thing")], ["left_out"], 1)


async def test_a_run_that_waits_for_its_check_says_so(demo_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said, rows = asyncio.Event(), []
    log = Run.log

    async def slow(*_: Any) -> None:
        await said.wait()

    def heard(run: Run, kind: str, text: str, **details: Any) -> None:
        log(run, kind, text, **details)
        if kind == "verifying":
            rows.append(run.row)
            said.set()

    monkeypatch.setattr(pipeline, "verify", slow)
    monkeypatch.setattr(Run, "log", heard)
    async with running(tmp_path) as manager:
        row = await finished(manager, await start(manager, demo_repo, "static", "local"))
        events = await (await manager.ready()).list_events(row.generation_id, 0, 500)
    assert row.status is Status.READY
    assert [event["text"] for event in events if event["kind"] == "verifying"] == [
        "The site is rendered; its pages are being checked, 25 s at the most"
    ]
    (waiting,) = rows
    assert (waiting.status, waiting.current_stage, stage_text(waiting)) == (
        Status.GENERATING,
        Stage.RENDERING,
        "Checking pages against the repository",
    )
    assert [(entry.kind, entry.text) for entry in describe(waiting).log[-2:]] == [
        ("done", "Rendered documentation site"),
        ("active", "Checking pages against the repository..."),
    ]
    assert (row.checking_since, starting_row(row.key, Source("path", row.repo_url, row.repo_url, "demo"), "me", row).checking_since) == (
        waiting.checking_since,
        None,
    )


async def test_a_report_is_told() -> None:
    assert (await verified(asdict(REPORT))).reports == [REPORT]


@pytest.mark.parametrize(
    ("outcome", "images"),
    [
        ({}, ()),
        ({"missing": [{"what": 1}]}, ()),
        ({"out_of_time": True}, ()),
        (ChildError("python ended with exit code 1: Traceback: it broke"), ()),
        (ChildTimeout("python did not answer in 25 s"), ()),
        (TimeoutError(), ()),
        (RuntimeError("no child"), ()),
        (asdict(REPORT), ValueError("a cache file of another time")),
    ],
)
async def test_whatever_fails_in_the_check_is_one_event_and_no_end_of_the_run(
    outcome: dict[str, Any] | Exception, images: Any
) -> None:
    told = await verified(outcome, images=images)
    assert told.reports == []
    (event,) = told.events
    assert event.startswith("verification_skipped: The pages were not checked against the repository: ")
    assert not event.endswith(": ")
