"""What a command shows: a bar on a terminal, plain lines elsewhere, and the folder that receives a site."""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from docsfy_jupyter.errors import BadRequest
from docsfy_jupyter.models import Variant
from docsfy_jupyter.progress import LogEntry, describe

_SIGNS = {"done": "✓", "active": "…", "error": "✗", "pending": " "}
_MARK = ".docsfy-site"


class Watcher:
    """Prints what is new in a row: each finished line once, and a bar on a terminal.

    Parameters
    ----------
    quiet : bool
        Print nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._seen: set[tuple[str, str]] = set()
        self._bar: Any = (
            None if quiet or not sys.stderr.isatty() else tqdm(total=100, unit="%", bar_format="{desc} {bar} {n:.0f} %")
        )

    def show(self, row: Variant) -> None:
        """Show a row."""
        progress = describe(row)
        for entry in progress.log:
            self._line(entry)
        if self._bar is not None:
            self._bar.set_description_str(f"{progress.label} {progress.text}")
            self._bar.n = progress.percent or 0
            self._bar.refresh()

    def close(self) -> None:
        """Leave the terminal tidy."""
        if self._bar is not None:
            self._bar.close()

    def _line(self, entry: LogEntry) -> None:
        stage_begins = entry.kind == "active" and not entry.text.startswith("Generating page")
        if self._quiet or (entry.kind not in ("done", "error") and not stage_begins) or (entry.kind, entry.text) in self._seen:
            return
        self._seen.add((entry.kind, entry.text))
        line = f"{_SIGNS[entry.kind]} {entry.text}"
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)


def check_output(target: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something other than a site of ours.

    Raises
    ------
    BadRequest
    """
    if target.exists() and not target.is_dir():
        raise BadRequest(f"{target} is a file; --output needs a folder.")
    if target.is_dir() and any(target.iterdir()) and not (target / _MARK).exists() and not overwrite:
        raise BadRequest(f"{target} is not empty and holds no site of docsfy; choose another folder or pass --force-output.")


def unpack_site(archive: Path, target: Path) -> None:
    """Unpack a site beside its place and swap it in whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".docsfy-", dir=target.parent) as folder:
        aside = Path(folder)
        with tarfile.open(archive) as tar:
            tar.extractall(aside / "new", filter="data")
        (site,) = (aside / "new").iterdir()
        (site / _MARK).write_text("made by docsfy_jupyter\n", "utf-8")
        if target.exists():
            os.replace(target, aside / "old")
        os.replace(site, target)
        shutil.rmtree(aside / "old", ignore_errors=True)
