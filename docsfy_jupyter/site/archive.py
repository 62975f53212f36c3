"""A site as one ``.tar.gz``, byte for byte the same for the same content."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path


def write_archive(site: Path, target: Path, top: str) -> None:
    """Pack a site's files under one top folder.

    Parameters
    ----------
    site : Path
        The folder of the site.
    target : Path
        The archive to write; it appears only when it is complete.
    top : str
        Name of the folder that holds everything in the archive.
    """
    partial = target.with_name(target.name + ".part")
    files = sorted(path for path in site.rglob("*") if path.is_file() and not path.is_symlink())
    with (
        partial.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in files:
            _add(archive, path, f"{top}/{path.relative_to(site).as_posix()}")
    partial.replace(target)


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Add one file without anything that tells of this machine: no owner, no time, plain mode."""
    entry = tarfile.TarInfo(name)
    entry.size = path.stat().st_size
    entry.mode = 0o644
    with path.open("rb") as content:
        archive.addfile(entry, content)
