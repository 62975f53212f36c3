"""Temporary git repositories of installed packages, and the site that the local provider makes of one."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from docsfy_jupyter.models import Plan, TrackedFile
from docsfy_jupyter.providers.local.analysis import analyse
from docsfy_jupyter.providers.local.planning import plan, write_page
from docsfy_jupyter.site.render import SiteJob, render_site


def copy_package(name: str, target: Path, *without: str) -> Path:
    """Copy an installed package's Python files, without its tests, into a new git repository below `target`."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise LookupError(f"{name} is not installed")
    root = target / name
    ignored = shutil.ignore_patterns("__pycache__", "test", "tests", "*.so", *without)
    shutil.copytree(Path(spec.origin).parent, root / name, ignore=ignored)
    return commit(root)


def commit(root: Path) -> Path:
    """Make a folder a git repository with one commit."""
    for command in (
        ["init", "-q"],
        ["add", "-f", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", "all"],
    ):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


def tracked(root: Path) -> list[TrackedFile]:
    """Return what git tracks."""
    listed = subprocess.run(["git", "ls-files", "-s", "-z"], cwd=root, check=True, capture_output=True, text=True).stdout
    return list(_parsed(listed))


def _parsed(listed: str) -> Iterator[TrackedFile]:
    for line in filter(None, listed.split("\0")):
        head, path = line.split("\t")
        mode, blob, _ = head.split()
        yield TrackedFile(path, blob, mode, 0)


def head(root: Path) -> str:
    """Return the commit."""
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def make_site(root: Path, out: Path, repo_url: str = "") -> Plan:
    """Analyse a repository with the local provider and render its site."""
    analysis = analyse(root, tracked(root), root.name, repo_url or str(root), head(root))
    planned = plan(analysis)
    texts = out.parent / f"{out.name}-pages"
    texts.mkdir(parents=True)
    images: dict[str, Path] = {}
    pages = {}
    for page in planned.pages():
        markdown, files = write_page(analysis, planned, page.slug)
        pages[page.slug] = texts / f"{page.slug}.md"
        pages[page.slug].write_text(markdown, encoding="utf-8", errors="replace")
        images.update({name: root / name for name in files})
    job = SiteJob(plan=planned, pages=pages, images=images, out=out, project_name=root.name, repo_url=repo_url)
    report = render_site(job)
    if report.dead_links:
        print(f"{root.name}: {len(report.dead_links)} dead links, first {report.dead_links[:3]}")
    return planned
