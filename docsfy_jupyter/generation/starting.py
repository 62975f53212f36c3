"""Why a program could not be started, in a sentence of its own for each reason."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from docsfy_jupyter.errors import ChildNotStarted


def not_started(error: Exception, argv: Sequence[str], cwd: Path | None, env: Mapping[str, str]) -> ChildNotStarted:
    """Turn what the operating system said into an error for people.

    Parameters
    ----------
    error : Exception
        What starting raised.
    argv : sequence of str
        Program and arguments.
    cwd : Path or None
        The working directory asked for.
    env : mapping
        The child's environment; its ``PATH`` was searched.
    """
    program = argv[0] if argv else ""
    if isinstance(error, NotImplementedError):
        return ChildNotStarted(
            f"{program} could not be started: the server's event loop cannot start programs. On Windows this is so with the "
            "selector event loop, which Jupyter Server uses there; run the server on Linux, macOS or in WSL."
        )
    number = getattr(error, "errno", None)
    if cwd is not None and not cwd.is_dir():
        return ChildNotStarted(f"{program} could not be started: its working directory {cwd} does not exist.")
    if number == errno.E2BIG:
        length = sum(len(os.fsencode(part)) for part in argv)
        return ChildNotStarted(
            f"{program} could not be started: its arguments are too long for the system ({length} bytes). "
            "Long input belongs on stdin."
        )
    found = shutil.which(program, path=env.get("PATH"))
    if number == errno.ENOENT and found is not None:
        line = _first_line(found)
        return ChildNotStarted(f"{found} could not be started: its first line names an interpreter that is not there: {line}")
    if number == errno.ENOENT:
        return ChildNotStarted(f"The program {program!r} was not found. PATH of the server: {env.get('PATH', '')}")
    if number in (errno.EACCES, errno.EPERM):
        return ChildNotStarted(f"{program} could not be started: permission denied. Is it a file that may be executed?")
    if number == errno.ENOEXEC:
        return ChildNotStarted(f"{program} could not be started: it is neither a program for this machine nor has it a #! line.")
    return ChildNotStarted(f"{program} could not be started: {error or type(error).__name__}")


def _first_line(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            return stream.readline(200).decode("utf-8", "replace").strip()
    except OSError:
        return "(unreadable)"
