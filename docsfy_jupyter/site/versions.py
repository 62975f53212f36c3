"""Versions of one site: built aside, published by replacing one small file, so that the last good one is always whole."""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VERSION = re.compile(r"v-[0-9a-f]{32}\Z")


class SiteVersions:
    """The folder of one variant's site.

    Parameters
    ----------
    root : Path
        Holds a folder for each version and the file ``current`` that names the published one. No symlinks: they need rights
        on Windows. Beside a version stand a file ``….retired``, as old as its retirement, and one ``….reader-…`` for everyone
        in the middle of it.
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
        before = self.current()
        retired = self._beside(before, "retired") if before is not None and before != version else None
        aside = self.root / f"current.{uuid.uuid4().hex}.part"
        try:
            if retired is not None:
                retired.touch()  # it counts once the version is not the current one; from then on nothing may fail
            with aside.open("w", encoding="ascii") as pointer:
                pointer.write(version.name + "\n")
                pointer.flush()
                os.fsync(pointer.fileno())
            aside.replace(self._pointer)
        except BaseException:  # no room for it
            aside.unlink(missing_ok=True)
            if retired is not None:
                retired.unlink(missing_ok=True)
            raise

    def current(self) -> Path | None:
        """Return the folder of the published version, None when there is none."""
        name, seen = self._named(), None
        while name != seen:  # else it was replaced and removed between the look at the pointer and the one at the folder
            version = self.root / name
            if _VERSION.match(name) and (version / "index.html").is_file():
                return version
            name, seen = self._named(), name
        return None

    def _named(self) -> str:
        """Return what the pointer says, nothing where there is none."""
        try:
            return self._pointer.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    @contextmanager
    def reading(self) -> Iterator[Path | None]:
        """Yield the published version, None when there is none; it is not removed meanwhile, whatever is published."""
        version = self.current()
        while version is not None:
            reader = self._beside(version, f"reader-{uuid.uuid4().hex}")
            reader.touch()
            try:
                if self.current() == version:  # still: whoever replaces it from now on sees that it is read, before removing it
                    yield version
                    return
            finally:
                reader.unlink(missing_ok=True)
            version = self.current()
        yield None

    def remove_old(self, keep_seconds: float) -> None:
        """Remove versions that nobody can be in any more.

        Parameters
        ----------
        keep_seconds : float
            How long a version outlives its retirement, for who has just looked up where the site is. One with a `reading`
            stays longer.
        """
        current = self.current()
        for version in self._versions():
            if version != current and self._spare(version, keep_seconds) and not any(self.root.glob(f"{version.name}.reader-*")):
                self._remove(version)

    def _spare(self, version: Path, keep_seconds: float) -> bool:
        """Whether a version has been retired for long enough; one that never was is being built."""
        try:
            return time.time() - self._beside(version, "retired").stat().st_mtime >= keep_seconds
        except FileNotFoundError:
            return False

    def discard_unpublished(self) -> None:
        """Remove versions that were never published: for when no rendering can be under way. Readers are in others."""
        current = self.current()
        for version in self._versions():
            if version != current and not self._beside(version, "retired").exists():
                self._remove(version)

    def discard_unfinished(self) -> None:
        """Remove everything but the current version: for when no rendering and no reading can be under way."""
        current = self.current()
        for version in self._versions():
            if version != current:
                self._remove(version)
        for pattern in ("current.*.part", "v-*.reader-*", "v-*.retired"):
            for path in self.root.glob(pattern):
                path.unlink(missing_ok=True)

    def _versions(self) -> list[Path]:
        return [path for path in self.root.glob("v-*") if _VERSION.match(path.name)]

    def _beside(self, version: Path, what: str) -> Path:
        return version.with_name(f"{version.name}.{what}")

    def _remove(self, version: Path) -> None:
        shutil.rmtree(version, ignore_errors=True)
        if not version.exists():
            self._beside(version, "retired").unlink(missing_ok=True)
