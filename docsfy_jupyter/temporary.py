"""Temporary folders that a killed program leaves behind until the next one of its kind starts."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from docsfy_jupyter.locking import lock

_LOCK = "in-use.lock"


@contextmanager
def owned_folder(prefix: str) -> Iterator[tuple[Path, tuple[int, ...]]]:
    """Have a temporary folder for a while; those of the same prefix whose owners were killed are removed first.

    Parameters
    ----------
    prefix : str
        What its name begins with.

    Yields
    ------
    folder : Path
        Only this user may look into it.
    held : tuple of int
        File descriptors. Whoever holds them, by ``pass_fds`` a child too, keeps the folder from being removed. None on Windows,
        where a child cannot be given any and what is left behind stays.
    """
    if sys.platform != "win32":
        for other in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
            with suppress(OSError):  # somebody else's, or gone meanwhile
                _remove_abandoned(other)
    with tempfile.TemporaryDirectory(prefix=prefix) as made, _held(Path(made)) as held:
        yield Path(made), held


@contextmanager
def _held(folder: Path) -> Iterator[tuple[int, ...]]:
    if sys.platform == "win32":
        yield ()
        return
    handle = os.open(folder / f"{_LOCK}.new", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with suppress(OSError):  # a disk that cannot lock: the folder has no lock then, and is nobody's to remove
            lock(handle)
            os.rename(folder / f"{_LOCK}.new", folder / _LOCK)  # never there without being locked
        yield (handle,)
    finally:
        os.close(handle)


if sys.platform != "win32":

    def _remove_abandoned(folder: Path) -> None:
        """Remove a folder of this user's whose lock nobody holds; one without a lock is left alone."""
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            return
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
        try:
            lock(handle)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)
