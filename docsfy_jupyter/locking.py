"""A lock on an open file: it holds until the file is closed, by whatever ends the process too."""

from __future__ import annotations

import os
import sys

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # a locked byte cannot be read by others, and they shall read whose lock it is

    def lock(handle: int) -> None:
        """Lock a file; see below."""
        os.lseek(handle, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(error.errno, error.strerror) from None
else:
    import fcntl

    def lock(handle: int) -> None:
        """Lock an open file, at once or not at all.

        Raises
        ------
        BlockingIOError
            Somebody else holds the lock.
        OSError
            Files cannot be locked there, as on some network disks.
        """
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
