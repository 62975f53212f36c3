"""After the pages: what they mention is looked up in the clone, in a child process with a time budget."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from docsfy_jupyter.generation.job import Emitter, RunJob
from docsfy_jupyter.sources.checkout import Checkout
from docsfy_jupyter.verification.jobs import CheckJob, Report

BUDGET = 10.0  # seconds of the processor: 196 pages against 424 files take 3; the site is rendered meanwhile
PATIENCE = 25.0  # seconds, for a busy machine; the run waits no longer


async def verify(job: RunJob, emit: Emitter, clone: Checkout, keys: dict[str, str]) -> None:
    """Check the pages; a check that fails is an event and stops no run.

    Parameters
    ----------
    job : RunJob
        The run.
    emit : Emitter
        Told of the report.
    clone : Checkout
        Where things are looked up.
    keys : dict
        Slug to cache key, in the order of the plan.
    """
    try:
        reason = await _checked(job, emit, clone, keys)
    except Exception as error:  # noqa: BLE001  the pages are written and paid for: whatever it is, it is no end of the run
        reason = str(error)[-500:] or type(error).__name__
    if reason:
        emit.log("verification_skipped", f"The pages were not checked against the repository: {reason}")


async def _checked(job: RunJob, emit: Emitter, clone: Checkout, keys: dict[str, str]) -> str:
    """Check and tell; return why nothing could be told."""
    wanted = await asyncio.to_thread(_job, job, clone, keys)
    try:
        async with asyncio.timeout(PATIENCE):  # others' checks that come first count too
            answer = await job.workers.checkers.request({"check": asdict(wanted)}, PATIENCE)
    except TimeoutError:
        return f"not done within {PATIENCE:g} s"
    if "out_of_time" in answer:
        return f"not done within {BUDGET:g} s of the processor"
    emit.checked(Report.from_data(answer))
    return ""


def _job(job: RunJob, clone: Checkout, keys: dict[str, str]) -> CheckJob:
    files = tuple(file.path for file in clone.files if file.regular)
    images = {path for key in keys.values() for path in job.folder.page_images(key)}
    pages = {slug: str(job.folder.page(key)) for slug, key in keys.items()}
    return CheckJob(str(clone.path), files, pages, tuple(sorted(images)), BUDGET)
