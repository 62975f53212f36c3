"""After the pages: what they mention is looked up in the clone, in a child process with a time budget."""

from __future__ import annotations

import asyncio
import sys

from docsfy_jupyter.errors import ChildError
from docsfy_jupyter.generation.job import Emitter, RunJob
from docsfy_jupyter.generation.process import child_environment
from docsfy_jupyter.sources.checkout import Checkout
from docsfy_jupyter.verification.jobs import OUT_OF_TIME, CheckJob, Report

BUDGET = 15.0  # seconds; the site is rendered meanwhile
_KILLED_AFTER = 60.0


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
    wanted = await asyncio.to_thread(_job, job, clone, keys)
    argv = [sys.executable, "-P", "-m", "docsfy_jupyter.verification.worker"]
    try:
        stdin = wanted.to_json().encode("ascii")
        result = await job.processes.run(argv, stdin=stdin, env=child_environment(), timeout=_KILLED_AFTER)
        if result.returncode == 0:
            emit.checked(Report.from_json(result.stdout.decode("ascii")))
            return
        reason = f"not done within {BUDGET:g} s" if result.returncode == OUT_OF_TIME else result.stderr.strip()[-500:]
    except (ChildError, OSError) as error:
        reason = str(error)
    emit.log("verification_skipped", f"The pages were not checked against the repository: {reason}")


def _job(job: RunJob, clone: Checkout, keys: dict[str, str]) -> CheckJob:
    files = tuple(file.path for file in clone.files if file.regular)
    images = {path for key in keys.values() for path in job.folder.page_images(key)}
    pages = {slug: str(job.folder.page(key)) for slug, key in keys.items()}
    return CheckJob(str(clone.path), files, pages, tuple(sorted(images)), BUDGET)
