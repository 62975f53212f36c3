"""A file that is written aside and renamed once it is whole."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from docsfy_jupyter.errors import BadRequest


def target_file(target: Path, name: str) -> Path:
    """Return the file for a target that may be a folder; ``name`` becomes a safe file name there."""
    if not target.is_dir():
        return target
    return target / ("".join(c if c.isalnum() or c in "._-" else "-" for c in name) + ".tar.gz")


@contextmanager
def saving(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file beside `path` that takes its place at the end, or disappears if anything goes wrong.

    Raises
    ------
    BadRequest
        There is no folder for it.
    """
    if not path.parent.is_dir():
        raise BadRequest(f"{path} cannot be written: {path.parent} is no folder.")
    part = path.with_name(f".{path.name[:40]}-{uuid.uuid4().hex[:8]}")  # an ordinary file: readable for whom the umask says
    try:
        with part.open("xb") as file:
            yield file
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
