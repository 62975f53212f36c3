"""The lock file beside the database: one server a folder, and its process id for the one that comes second."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from docsfy_jupyter.errors import StoreUnavailable
from docsfy_jupyter.locking import lock

_CANNOT_LOCK = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}


def held_by(holder: str, folder: Path) -> StoreUnavailable:
    """Return the error that says who uses the database."""
    return StoreUnavailable(
        f"The docsfy database is in use by PID {holder} ({folder}). This server serves everything else and takes over when it "
        'is freed. For a database of its own set c.DocsfyApp.data_dir = "/another/folder".',
        holder=holder,
    )


def cannot_lock(folder: Path, reason: str) -> StoreUnavailable:
    """Return the error for a folder without locks (a network home)."""
    return StoreUnavailable(
        f"The folder {folder} cannot lock files ({reason}); it may be on a network disk. Put this line into "
        'jupyter_server_config.py and restart Jupyter: c.DocsfyApp.data_dir = "/a/local/folder"'
    )


def take_lock(folder: Path) -> int:
    """Lock ``docsfy.lock`` for this process.

    Returns
    -------
    int
        A file descriptor, which no child inherits; closing it frees the lock.

    Raises
    ------
    StoreUnavailable
    """
    handle = os.open(folder / "docsfy.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        lock(handle)
    except OSError as error:
        os.lseek(handle, 0, os.SEEK_SET)
        lines = os.read(handle, 500).decode("utf-8", "replace").splitlines()
        holder = lines[0] if lines and lines[0] else "unknown"
        os.close(handle)
        if error.errno in _CANNOT_LOCK:
            raise cannot_lock(folder, error.strerror or str(error)) from None
        raise held_by(holder, folder) from None
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n{socket.gethostname()}\n".encode())
    except OSError as error:  # a full disk: the lock holds all the same, but nobody can read whose it is
        if error.errno != errno.ENOSPC:
            os.close(handle)
            raise
    return handle
