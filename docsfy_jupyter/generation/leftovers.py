"""What a server that was killed has left running although its watcher was to end it: the watcher was stopped, or killed too."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

from docsfy_jupyter.generation import watcher
from docsfy_jupyter.generation.killing import MARKER, WATCHER_MARKER

_INSTANCE = re.compile(r"[0-9a-f]{32}")


def end_leftovers(note: Path, instance: str) -> int:
    """End what is left of the server before this one, and note whose children the next one has to look for.

    Blocks for a moment; does nothing where there is no ``/proc``.

    Parameters
    ----------
    note : Path
        Beside the database, and written by nobody who does not hold the database's lock.
    instance : str
        First part of the mark of every child of this server.

    Returns
    -------
    int
        How many processes were ended.

    Raises
    ------
    OSError
        The note could not be written; everything is ended all the same.
    """
    ended: set[int] = set()
    for before in set(_INSTANCE.findall(_read(note))) - {instance}:
        ended |= _end(f"\0{MARKER}={before}:".encode())
        for pid in watcher.marked_pids(f"\0{WATCHER_MARKER}={before}\0".encode()):
            with suppress(OSError):
                os.kill(pid, signal.SIGCONT)  # it sees that its server is gone, removes the folders that it knows, and ends
    aside = note.with_suffix(".new")
    aside.write_text(f"{instance}\n", "ascii")
    aside.replace(note)
    return len(ended)


def _end(marker: bytes) -> set[int]:
    ended: set[int] = set()
    for _ in range(50):  # again while something is found: it may fork while it is hunted
        found = watcher.marked_pids(marker)
        if not found:
            break
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                ended.add(pid)
        time.sleep(0.02)
    return ended


def _read(note: Path) -> str:
    try:
        return note.read_text("ascii", "replace")
    except OSError:
        return ""
