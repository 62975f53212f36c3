"""Children step back where processors are scarce: the server that started them has people waiting for its answers.

A niceness alone does nothing on most Linux desktops and servers: a child leads a session of its own, and the scheduler first
shares the processors among sessions (``sched(7)``, "The autogroup feature"), so that twenty children leave their server one
part in twenty-one. The session has a niceness of its own, in ``/proc/PID/autogroup``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

NICENESS = 10  # what nice(1) gives when nobody says how much
_AGAIN, _TRIES = 0.15, 20  # the kernel takes one such change in 0.1 s from a user without privileges


def step_back(pid: int, exited: Callable[[], bool]) -> None:
    """Lower the priority of a child and of all that it will start. Never raises, never waits.

    Parameters
    ----------
    pid : int
        The child, leader of its session.
    exited : callable
        Whether it was reaped: from then on the number may be somebody else's.
    """
    if hasattr(os, "setpriority"):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, NICENESS)
        _session_back(pid, exited, _TRIES)


def step_up(pid: int) -> None:
    """Take the step back again for a child that is to die, where that is allowed (to root): dying takes processor time too."""
    if hasattr(os, "setpriority"):
        with suppress(OSError):
            os.setpriority(os.PRIO_PGRP, pid, 0)
        with suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text("0")


def _session_back(pid: int, exited: Callable[[], bool], tries: int) -> None:
    if exited() or tries == 0:
        return
    try:
        handle = os.open(f"/proc/{pid}/autogroup", os.O_WRONLY)
    except OSError:  # not Linux, or a kernel without them
        return
    try:
        os.write(handle, str(NICENESS).encode())
    except BlockingIOError:
        asyncio.get_running_loop().call_later(_AGAIN, _session_back, pid, exited, tries - 1)
    except OSError:
        return
    finally:
        os.close(handle)
