"""Two folders that change places at one instant, where the system and the disk can do that."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

_HERE = -100 if sys.platform == "linux" else -2  # AT_FDCWD: paths start from the working folder
_SWAP = 2  # Linux: RENAME_EXCHANGE, macOS: RENAME_SWAP
_NAME = "renameat2" if sys.platform == "linux" else "renameatx_np"


def exchange(one: Path, other: Path) -> None:
    """Give each of two folders the other's name: no moment has one of them missing.

    Raises
    ------
    OSError
        This system, or the disk that they are on, has no such call, or they may not be renamed; both are as they were.
    """
    call = getattr(ctypes.CDLL(None, use_errno=True), _NAME, None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(other))
    call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    if call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _SWAP):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))
