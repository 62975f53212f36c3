"""A small repository, and what the local provider makes of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from docsfy_jupyter.models import Plan, TrackedFile
from docsfy_jupyter.providers.local.analysis import Analysis, analyse
from docsfy_jupyter.providers.local.planning import plan, write_page

COMMIT = "c" * 40


def tracked(root: Path) -> tuple[TrackedFile, ...]:
    """Return what git tracks."""
    out = subprocess.run(["git", "ls-files", "-s", "-z"], cwd=root, check=True, capture_output=True, text=True).stdout
    return tuple(_files(out))


def _files(out: str) -> Iterator[TrackedFile]:
    for line in filter(None, out.split("\0")):
        head, path = line.split("\t")
        mode, blob, _ = head.split()
        yield TrackedFile(path, blob, mode, 0)


class Written:
    """A repository as the provider sees it.

    Parameters
    ----------
    root : Path
        A git repository.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def analysis(self) -> Analysis:
        """Read it anew."""
        return analyse(self.root, tracked(self.root), self.root.name, f"https://github.com/o/{self.root.name}", COMMIT)

    def plan(self) -> Plan:
        """Plan it anew."""
        return plan(self.analysis())

    def pages(self) -> dict[str, str]:
        """Write every page, by slug."""
        analysis = self.analysis()
        planned = plan(analysis)
        return {p.slug: write_page(analysis, planned, p.slug)[0] for p in planned.pages()}


def write_repository(root: Path, files: Mapping[str, str | bytes]) -> Written:
    """Make a repository of texts by path."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode() if isinstance(text, str) else text)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run(["git", "add", "-f", "."], cwd=root, check=True)
    return Written(root)
