"""The folder that receives a site: its mark lists the files that are ours, and no other file is touched.

A folder that people publish from holds more than the site: a ``CNAME``, a ``.git``, a download of their own. So files are
replaced one by one, by renaming, from a folder beside them that has all of them; the folder itself, which may be a mount or
be served just now, stays what it is.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from docsfy_jupyter.errors import BadRequest, ClientError

_MARK = ".docsfy-site"
_HEAD = "made by docsfy_jupyter; the files below are replaced and removed by it, all others are left alone"


def check_output(target: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something other than a site of ours, or that cannot be written.

    Raises
    ------
    BadRequest
    """
    try:  # whether a folder can be written is known to those who try: modes say nothing of a read-only disk
        if target.is_file():
            raise BadRequest(f"{target} is a file; --output needs a folder.")
        there = next(folder for folder in (target.absolute(), *target.absolute().parents) if folder.exists())
        with tempfile.TemporaryDirectory(prefix=".docsfy-", dir=there):
            pass
        strange = target.is_dir() and any(target.iterdir()) and not (target / _MARK).is_file()
    except OSError as error:
        raise BadRequest(f"{target} cannot be written: {error.strerror or error}. Choose another folder for --output.") from None
    if strange and not overwrite:
        raise BadRequest(
            f"{target} is not empty and holds no site of docsfy; choose another folder, or pass --force-output to put the site "
            "between the files that are there (those of the same name are replaced)."
        )


def unpack_site(archive: Path, target: Path, *, overwrite: bool = False) -> list[str]:
    """Put a site into a folder in place of the one that was there.

    Parameters
    ----------
    archive : Path
        As a server sends it.
    target : Path
        The folder; it is made where it is not there.
    overwrite : bool
        Replace files of others that have the name of one of ours.

    Returns
    -------
    list of str
        Files of the site that were left out, since others' files have their names.

    Raises
    ------
    ClientError
        The folder cannot be written any more; what it held is there still.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".docsfy-", dir=target) as aside:
            with tarfile.open(archive) as tar:
                tar.extractall(aside, filter="data")
            (site,) = Path(aside).iterdir()
            return _put(site, target, overwrite=overwrite)
    except OSError as error:
        raise ClientError(f"The site could not be written to {target}: {error.strerror or error}.") from None


def _put(site: Path, target: Path, *, overwrite: bool) -> list[str]:
    new = sorted(path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file())
    ours = _ours(target, new)
    kept = [] if overwrite else [name for name in new if name not in ours and _foreign(target, name, ours)]
    coming = [name for name in new if name not in kept]
    _write_mark(target, ours | set(coming))  # an interruption leaves no file of ours that the mark does not name
    for name in sorted(ours - set(coming)):
        _remove(target, name)
    for name in sorted(coming, key=lambda name: (name.endswith(".html"), name)):  # pages come when what they load is there
        _clear(target, name)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(site / name, target / name)
    _write_mark(target, coming)
    return kept


def _ours(target: Path, new: Iterable[str]) -> set[str]:
    """Return the files that the mark names; one without names (of an early version) means those that the new site has."""
    try:
        _, *names = (target / _MARK).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return set()
    return {name for name in names or new if _is_inside(target, name)}


def _is_inside(target: Path, name: str) -> bool:
    """Whether a name leads to a file within the folder, by no link: a mark that was edited leads nowhere else."""
    parts = PurePosixPath(name).parts
    folders = [target.joinpath(*parts[:depth]) for depth in range(1, len(parts))]
    return bool(parts) and ".." not in parts and not name.startswith("/") and not any(map(Path.is_symlink, folders))


def _foreign(target: Path, name: str, ours: set[str]) -> bool:
    """Whether something of others stands where a file goes, or on the way there."""
    parts = PurePosixPath(name).parts
    for depth in range(1, len(parts)):
        way = target.joinpath(*parts[:depth])
        if way.is_symlink() or (way.exists() and not way.is_dir() and "/".join(parts[:depth]) not in ours):
            return True
    place = target / name
    if place.is_dir() and not place.is_symlink():
        return any(path.relative_to(target).as_posix() not in ours for path in place.rglob("*") if not path.is_dir())
    return place.is_symlink() or place.exists()


def _remove(target: Path, name: str) -> None:
    """Remove a file, and the folders that are empty without it."""
    path = target / name
    if path.is_dir() and not path.is_symlink():
        return  # somebody put a folder there
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == target or not folder.is_dir() or any(folder.iterdir()):
            return
        folder.rmdir()


def _clear(target: Path, name: str) -> None:
    """Make way for a file."""
    place = target / name
    for way in (target / part for part in PurePosixPath(name).parents if part.name):
        if way.is_symlink() or way.is_file():
            way.unlink()
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)


def _write_mark(target: Path, names: Iterable[str]) -> None:
    part = target / f"{_MARK}.part"
    part.write_text("\n".join([_HEAD, *sorted(names), ""]), "utf-8")
    os.replace(part, target / _MARK)
