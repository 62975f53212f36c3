"""A file that is written aside and renamed once it is whole."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from docsfy_jupyter.errors import BadRequest

_OTHER_ARCHIVES = frozenset((".zip", ".tar", ".bz2", ".tbz", ".tbz2", ".xz", ".txz", ".zst", ".7z", ".rar"))


def target_file(target: Path, name: str) -> Path:
    """Return the file for a target that may be a folder; ``name`` becomes a safe file name there."""
    if not target.is_dir():
        return target
    return target / ("".join(c if c.isalnum() or c in "._-" else "-" for c in name) + ".tar.gz")


def check_archive_name(path: Path) -> None:
    """Refuse a name that says that a file is another archive than the one that servers make.

    Raises
    ------
    BadRequest
    """
    if path.suffix.lower() in _OTHER_ARCHIVES and not path.is_dir():
        name = path.name.removesuffix(path.suffix).removesuffix(".tar")
        kind = "a site is saved as .tar.gz, as nothing else"
        raise BadRequest(f"{path} would not be what its name says: {kind}. Name it {name}.tar.gz.")


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse a file that cannot be made, or that is there and may not be replaced.

    Raises
    ------
    BadRequest
    """
    try:
        if not path.parent.is_dir():
            raise BadRequest(f"{path} cannot be written: {path.parent} is no folder.")
        if path.exists() and not overwrite:
            raise BadRequest(f"{path} exists already; name another file, or allow to replace it (overwrite=True).")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise BadRequest(f"{path} cannot be written: {error.strerror or error}.") from None


@contextmanager
def saving(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file beside `path` that takes its place at the end, or disappears if anything goes wrong.

    Raises
    ------
    OSError
        It cannot be written; it names `path`, never the file beside it.
    """
    part = path.with_name(f".{path.name[:40]}-{uuid.uuid4().hex[:8]}")  # an ordinary file: readable for whom the umask says
    try:
        with part.open("xb") as file:
            yield file
        os.replace(part, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        part.unlink(missing_ok=True)
