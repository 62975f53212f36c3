"""Whether a program could be started, found out by looking and without starting it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from docsfy_jupyter.errors import PATH_SEARCHED, ProviderUnavailable

_LONGEST_LINE = 256  # bytes; what the kernel reads of an interpreter line


def is_on_path(names: Sequence[str], path: str) -> bool:
    """Say whether a file of one of the names is there, whether or not it can be started."""
    return any(_candidates(name, path) for name in names)


def find_program(names: Sequence[str], path: str, hint: str = "") -> str:
    """Return the file of the first of some names that is on the PATH and can be started.

    Parameters
    ----------
    names : sequence of str
        Names of one program; one with a ``/`` is a path of its own.
    path : str
        The PATH that children get.
    hint : str
        How to get the program, for the message.

    Raises
    ------
    ProviderUnavailable
        It is nowhere, may not be executed, or its first line names an interpreter that is not there; the message says
        which, and the PATH that was searched.
    """
    refused = ""
    for name in names:
        for file in _candidates(name, path):
            if os.access(file, os.X_OK):
                _check_interpreter(file, path)
                return str(file)
            text = f"{file} may not be executed (permission denied); make it executable: chmod +x.{PATH_SEARCHED}{path}"
            refused = refused or text
    if refused:
        raise ProviderUnavailable(refused)
    text = f"{' or '.join(names)} not found on the server's PATH. {hint}".rstrip(". ")
    raise ProviderUnavailable(f"{text}.{PATH_SEARCHED}{path}")


def _candidates(name: str, path: str) -> list[Path]:
    places = [Path(name)] if "/" in name else [Path(folder or ".") / name for folder in path.split(os.pathsep)]
    return [place for place in places if place.is_file()]


def _check_interpreter(file: Path, path: str) -> None:
    try:
        with file.open("rb") as stream:
            line = stream.readline(_LONGEST_LINE)
    except OSError:
        return  # a program that may be run and not read
    if not line.startswith(b"#!"):
        return
    # a carriage return stays: the system takes it for a part of the interpreter's name
    words = [word for word in os.fsdecode(line[2:]).rstrip("\n").replace("\t", " ").split(" ") if word] or [""]
    needed = words[0]
    if Path(needed).name == "env" and Path(needed).is_file():
        needed = next((word for word in words[1:] if not word.startswith("-") and "=" not in word), "")
    if not any(os.access(place, os.X_OK) for place in _candidates(needed, path)):
        shown = os.fsdecode(line).rstrip("\n").replace("\r", "\\r")
        text = f"{file} cannot be started: its first line names an interpreter that is not there: {shown}."
        raise ProviderUnavailable(f"{text}{PATH_SEARCHED}{path}")
