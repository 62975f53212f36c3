"""A large site is made by several processes, and is the same."""

from __future__ import annotations

import filecmp
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from docsfy_jupyter.models import Plan, PlanGroup, PlanPage
from docsfy_jupyter.site.jobs import SiteJob, job_to_data, report_from_data

RUN = "import os, sys, runpy\n{}\nrunpy.run_module('docsfy_jupyter.site.worker', run_name='__main__')"
ONE = "os.sched_getaffinity = lambda pid: {0}"
THREE = "os.sched_getaffinity = lambda pid: {0, 1, 2}"
DYING = f"{THREE}\nimport docsfy_jupyter.site.shares as shares\nshares._make = lambda *given: os._exit(9)"
# the second fork fails, as in a container that allows no more processes
FEW = f"""{THREE}
import errno
fork, forks = os.fork, []
def few():
    forks.append(1)
    if len(forks) > 1:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    return fork()
os.fork = few"""
SECTION = "## Part {0} of {1}\n\nText to [the next](page-{2}.md#part-{0}-of-{2}), [nowhere](gone.md), `code`.\n\n```python\nx = {0}\n```\n\n"
PAGES = 25

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one process makes the site")


@pytest.fixture
def job(tmp_path: Path) -> SiteJob:
    slugs = [f"page-{number}" for number in range(PAGES)]
    pages = {}
    for number, slug in enumerate(slugs):
        pages[slug] = tmp_path / f"{slug}.md"
        text = "".join(SECTION.format(part, number, (number + 1) % PAGES) for part in range(100))
        pages[slug].write_text(f"# {slug}\n\n{text}" if number % 3 else text, "utf-8")
    plan = Plan(navigation=[PlanGroup(pages=[PlanPage(slug=slug, title=f"Page {slug}") for slug in slugs])])
    return SiteJob(plan, pages, {}, tmp_path / "site", "demo", generated_at="2026-01-02T03:04:05+00:00", earlier=tmp_path / "earlier")


def render(job: SiteJob, first: str) -> subprocess.CompletedProcess[str]:
    request = json.dumps({"site": job_to_data(job)}) + "\n"
    return subprocess.run([sys.executable, "-c", RUN.format(first)], input=request, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("several", [THREE, FEW], ids=["three", "fewer than wanted"])
def test_several_processes_make_what_one_makes(job: SiteJob, tmp_path: Path, several: str) -> None:
    alone = replace(job, out=tmp_path / "alone", earlier=tmp_path / "kept-alone")
    one, three = render(alone, ONE), render(job, several)
    assert (one.returncode, three.returncode) == (0, 0)
    assert one.stdout == three.stdout
    assert [link.slug for link in report_from_data(json.loads(three.stdout)).dead_links] == [f"page-{number}" for number in range(PAGES)]
    for left, right in ((alone.out, job.out), (tmp_path / "kept-alone", tmp_path / "earlier")):
        names = sorted(str(path.relative_to(left)) for path in left.rglob("*") if path.is_file())
        assert names == sorted(str(path.relative_to(right)) for path in right.rglob("*") if path.is_file())
        assert filecmp.cmpfiles(left, right, names, shallow=False) == (names, [], [])


def test_a_process_that_dies_is_told(job: SiteJob) -> None:
    done = render(job, DYING)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "RuntimeError: A process that renders pages of the site died"
