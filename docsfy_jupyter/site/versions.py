"""Versions of one site: built aside, published by replacing one small file, so that the last good one is always whole."""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from pathlib import Path

_VERSION = re.compile(r"v-[0-9a-f]{32}\Z")


class SiteVersions:
    """The folder of one variant's site.

    Parameters
    ----------
    root : Path
        Holds a folder for each version and the file ``current`` that names the published one. No symlinks: they need rights
        on Windows.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._pointer = root / "current"

    def fresh(self) -> Path:
        """Return the path of a new version; the folder does not exist yet."""
        self.root.mkdir(parents=True, exist_ok=True)
        return self.root / f"v-{uuid.uuid4().hex}"

    def publish(self, version: Path) -> None:
        """Make a complete version the current one.

        Parameters
        ----------
        version : Path
            A path that `fresh` gave, complete by now.

        Raises
        ------
        ValueError
            The folder is not a version of this site, or has no ``index.html``.
        """
        if version.parent != self.root or not _VERSION.match(version.name) or not (version / "index.html").is_file():
            raise ValueError(f"{version.name} is not a complete version of this site")
        aside = self.root / f"current.{uuid.uuid4().hex}.part"
        with aside.open("w", encoding="ascii") as pointer:
            pointer.write(version.name + "\n")
            pointer.flush()
            os.fsync(pointer.fileno())
        aside.replace(self._pointer)

    def current(self) -> Path | None:
        """Return the folder of the published version, None when there is none."""
        try:
            name = self._pointer.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        version = self.root / name
        return version if _VERSION.match(name) and (version / "index.html").is_file() else None

    def remove_old(self, keep_seconds: float) -> None:
        """Remove versions that are not current, once the pointer has been away from them for `keep_seconds`.

        A browser that opened the old site a moment ago still gets its pages; a version that is being built is younger
        than the pointer and stays.
        """
        try:
            published = self._pointer.stat().st_mtime
        except OSError:
            return
        if time.time() - published >= keep_seconds:
            self._remove_folders(older_than=published)

    def discard_unfinished(self) -> None:
        """Remove everything but the current version: for when no rendering can be under way."""
        self._remove_folders(older_than=None)
        for path in self.root.glob("current.*.part"):
            path.unlink(missing_ok=True)

    def _remove_folders(self, older_than: float | None) -> None:
        current = self.current()
        for path in self.root.glob("v-*"):
            if path == current or not _VERSION.match(path.name):
                continue
            if older_than is None or path.stat().st_mtime <= older_than:
                shutil.rmtree(path, ignore_errors=True)
