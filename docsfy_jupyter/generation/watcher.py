"""The watcher: a small process of its own that outlives a killed server just long enough to clean up after it.

It is run as a script (``python -I -S watcher.py INSTANCE``), uses the standard library only, and reads lines from the
pipe that the server holds: ``+PGID`` and ``-PGID`` add and remove a process group, ``t HEX`` and ``f HEX`` add and remove a
temporary folder (its path in hexadecimal, so that any name fits on a line). ``kill -9`` of the server closes the pipe;
then everything that is still known is killed and removed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator


def environments() -> Iterator[tuple[int, bytes]]:
    """Yield the processes that may be looked at, each with its environment; none where there is no ``/proc``."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb", buffering=0) as stream:
                environment = stream.read()
        except OSError:
            continue  # gone, or another user's
        yield int(name), b"\0" + environment


def marked_pids(marker: bytes) -> list[int]:
    """Return the processes whose environment holds the marker."""
    return [pid for pid, environment in environments() if marker in environment]


def clean_up(groups: set[int], folders: set[bytes], marker: bytes) -> None:
    """Kill what is left, then remove the folders; repeated because a process may fork while it is hunted."""
    for _ in range(20):
        pids = marked_pids(marker)
        for group in groups:
            try:
                os.killpg(group, signal.SIGKILL)
            except OSError:
                continue
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        if not pids:
            break
        time.sleep(0.02)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def read_orders(groups: set[int], folders: set[bytes]) -> None:
    """Follow the server's lines until it closes the pipe, for whatever reason."""
    for line in sys.stdin.buffer:
        order, value = line[:1], line[1:].strip()
        try:
            if order == b"+":
                groups.add(int(value))
            elif order == b"-":
                groups.discard(int(value))
            elif order == b"t":
                folders.add(bytes.fromhex(value.decode("ascii")))
            elif order == b"f":
                folders.discard(bytes.fromhex(value.decode("ascii")))
        except ValueError:
            continue  # half a line: the server died while it wrote


def main() -> None:
    """Wait for the server's end, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # whoever stops the server's whole control group must not stop the one that cleans up after it
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    folders: set[bytes] = set()
    read_orders(groups, folders)
    clean_up(groups, folders, b"\0DOCSFY_CHILD=" + os.fsencode(sys.argv[1]) + b":")


if __name__ == "__main__":
    main()
