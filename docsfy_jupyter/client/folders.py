"""The folder that receives a site: its mark lists the files that are ours, and no other file is touched.

A folder that holds nothing but a site changes places with a new one beside it, at one instant: whoever reads has the whole of
the one or the whole of the other.

A folder that people publish from may hold more than the site: a ``CNAME``, a ``.git``, a download of their own. It stays what it
is, and so does one that is a mount, or whose place cannot be written: files are replaced one by one, by renaming, from a folder
within that has all of them. What pages load comes before them and what no page needs goes last, so that whoever reads meanwhile,
or after a process was killed in the middle, has every page whole: the one before or the new one.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from pathlib import Path, PurePosixPath

from docsfy_jupyter.client.exchange import exchange
from docsfy_jupyter.errors import BadRequest, ClientError
from docsfy_jupyter.locking import lock

_MARK = ".docsfy-site"
_STAGING = ".docsfy-site.new"  # one name for all: what a killed process left is found again and removed
_HEAD = "made by docsfy_jupyter; the files below are replaced and removed by it, all others are left alone"
_EARLY = "made by docsfy_jupyter"  # the head of marks that named no files
_VERSION = "; they are "
_BUSY = "Another process is writing a site to {} just now; try again once it is done."


def check_folder(target: Path, *, overwrite: bool = False, advice: str = "choose another folder") -> None:
    """Refuse a folder that holds something other than a site of ours, or that cannot be written.

    Parameters
    ----------
    target : Path
        It may be missing.
    overwrite : bool
        Others' files do not matter.
    advice : str
        What to do about a folder that others' files are in.

    Raises
    ------
    BadRequest
    """
    if ".git" in target.absolute().parts:
        raise BadRequest(f"{target} lies among the files of git itself, which nobody can publish from; choose another folder.")
    try:  # whether a folder can be written is known to those who try: modes say nothing of a read-only disk
        if target.exists() and not target.is_dir():
            raise BadRequest(f"{target} is a file; a site needs a folder.")
        there = next(folder for folder in (target.absolute(), *target.absolute().parents) if folder.exists())
        with tempfile.TemporaryDirectory(prefix=".docsfy-", dir=there):
            pass
        others = target.is_dir() and any(path.name != _STAGING for path in target.iterdir())
    except OSError as error:
        raise BadRequest(f"{target} cannot be written: {error.strerror or error}. Choose another folder.") from None
    if others and not (target / _MARK).is_file() and not overwrite:
        raise BadRequest(f"{target} is not empty and holds no site of docsfy; {advice}.")


def holds_version(target: Path, version: str) -> bool:
    """Whether a folder has the whole of a site that `unpack_site` was told the version of."""
    try:
        head, *_ = (target / _MARK).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return False
    _, known, held = head.partition(_VERSION)
    return bool(known) and held == version


def unpack_site(archive: Path, target: Path, *, overwrite: bool = False, version: str = "") -> list[str]:
    """Put a site into a folder in place of the one that was there.

    Parameters
    ----------
    archive : Path
        As a server sends it.
    target : Path
        The folder; it is made where it is not there.
    overwrite : bool
        Replace files of others that have the name of one of ours.
    version : str
        One line, which `holds_version` compares once all is there; a site of which a file was left out has none.

    Returns
    -------
    list of str
        Files of the site that were left out, since others' files have their names.

    Raises
    ------
    ClientError
        The archive is damaged, another process writes there, or the folder cannot be written any more; what it held is
        there still.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        target = target.resolve()  # a link stays one: what it leads to is written
        with _alone(target):
            shutil.rmtree(target / _STAGING, ignore_errors=True)
            beside = target.with_name(f".{target.name}{_STAGING}")
            _remove_left_over(beside)
            if _is_ours_alone(target) and _swapped(archive, target, beside, version):
                return []
            with _staging(target) as aside:
                return _put(_unpacked(archive, aside), target, overwrite=overwrite, version=version)
    except OSError as error:
        raise ClientError(f"The site could not be written to {target}: {error.strerror or error}.") from None


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Keep a second writer away; the lock goes with the process, however it ends."""
    handle = os.open(target, os.O_RDONLY)
    try:
        _lock(handle, target)
        if not os.path.samestat(os.fstat(handle), target.stat()):
            raise ClientError(_BUSY.format(target))  # it has been swapped since it was opened
        yield
    finally:
        os.close(handle)


def _lock(handle: int, target: Path) -> None:
    try:
        lock(handle)
    except BlockingIOError:
        raise ClientError(_BUSY.format(target)) from None


def _is_ours_alone(target: Path) -> bool:
    """Whether a folder holds the files of a site of ours, which its mark names, and nothing else."""
    ours = {_MARK, *_ours(target, ())}
    folders = {parent.as_posix() for name in ours for parent in PurePosixPath(name).parents}
    for place, below, files in os.walk(target):
        at = Path(place).relative_to(target)
        if any((at / name).as_posix() not in ours for name in files):
            return False
        if any((at / name).as_posix() not in folders or (Path(place) / name).is_symlink() for name in below):
            return False
    return True


def _swapped(archive: Path, target: Path, beside: Path, version: str) -> bool:
    """Put the site in the folder's place, at one instant; False where that cannot be, and all is as it was."""
    try:
        _make_like(beside, target)
    except OSError:
        return False
    try:
        with _staging(beside) as aside:
            site = _unpacked(archive, aside)
            names = [path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()]
            for path in site.iterdir():
                path.rename(beside / path.name)
            _write_mark(beside, names, version)
        try:
            exchange(beside, target)
        except OSError:  # a mount, a disk without that call
            return False
        return True
    finally:
        shutil.rmtree(beside, ignore_errors=True)  # the site before by now


def _make_like(beside: Path, target: Path) -> None:
    """Make a folder of the owner, the mode and the access list of another."""
    beside.mkdir(mode=0o700)
    try:
        like, made = target.stat(), beside.stat()
        if (like.st_uid, like.st_gid) != (made.st_uid, made.st_gid):
            os.chown(beside, like.st_uid, like.st_gid)
        shutil.copystat(target, beside)
    except OSError:
        beside.rmdir()
        raise


def _remove_left_over(beside: Path) -> None:
    """Remove what a process that was killed has left beside; another one that is at work there has it locked."""
    try:
        handle = os.open(beside, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError:  # there is none, as nearly always
        return
    try:
        _lock(handle, beside)
        shutil.rmtree(beside, ignore_errors=True)
    finally:
        os.close(handle)


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    aside = target / _STAGING
    aside.mkdir()
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _unpacked(archive: Path, aside: Path) -> Path:
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(aside, filter="data")
    except (tarfile.TarError, EOFError, zlib.error, BadGzipFile) as error:
        raise ClientError(f"The archive of the site is damaged ({error or 'it ends too early'}); get it once more.") from None
    made = list(aside.iterdir())
    if len(made) != 1 or not made[0].is_dir():
        raise ClientError("The archive of the site is damaged (it is not one folder); get it once more.")
    return made[0]


def _put(site: Path, target: Path, *, overwrite: bool, version: str) -> list[str]:
    new = sorted(path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file())
    ours = _ours(target, new)
    kept = [] if overwrite else [name for name in new if name not in ours and _foreign(target, name, ours)]
    coming = set(new) - set(kept)
    _write_mark(target, ours | coming)  # an interruption leaves no file of ours that the mark does not name
    for name in sorted(coming, key=lambda name: (name.endswith(".html"), name == "index.html", name)):
        _clear(target, name)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(site / name, target / name)
    for name in sorted(ours - coming):
        _remove(target, name)
    _write_mark(target, coming, "" if kept else version)
    return kept


def _ours(target: Path, new: Iterable[str]) -> set[str]:
    """Return the files that the mark names; one without names (of an early version) means those that the new site has."""
    try:
        head, *names = (target / _MARK).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return set()
    return {name for name in (new if head == _EARLY else names) if _is_inside(target, name)}


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
    if not path.is_symlink() and not path.is_file():
        return  # gone already, or somebody put a folder there
    path.unlink()
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


def _write_mark(target: Path, names: Iterable[str], version: str = "") -> None:
    head = f"{_HEAD}{_VERSION}{version}" if version else _HEAD
    part = target / _STAGING / _MARK
    part.write_text("\n".join([head, *sorted(names), ""]), "utf-8")
    os.replace(part, target / _MARK)
