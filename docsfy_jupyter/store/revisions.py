"""Whether the database still knows every change that was acknowledged.

Every transaction raises a number in the database, and after its commit the same number goes into a small file beside it.
DuckDB drops the rest of a log whose bytes went bad, often without a word; then the file knows a higher number.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

FILE = "docsfy.revision"
_DIGITS = 20


class RevisionFile:
    """The file; written without fsync, since it may lag behind the database but must never be ahead of it.

    Parameters
    ----------
    folder : Path
        Of the database.
    """

    def __init__(self, folder: Path) -> None:
        self._handle: int | None = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o600)

    def read(self) -> int:
        """Return the number, 0 where there is none."""
        if self._handle is None:
            return 0
        os.lseek(self._handle, 0, os.SEEK_SET)
        text = os.read(self._handle, _DIGITS)
        return int(text) if text.isdigit() and len(text) == _DIGITS else 0

    def write(self, number: int) -> None:
        """Note an acknowledged transaction. On a disk that refuses, detection is off; nothing else is."""
        if self._handle is not None:
            with suppress(OSError):
                os.lseek(self._handle, 0, os.SEEK_SET)
                os.write(self._handle, f"{number:0{_DIGITS}d}".encode())

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)
