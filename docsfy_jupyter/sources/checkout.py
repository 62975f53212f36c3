"""A shallow clone of one branch or tag, with the list of what git tracks in it."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from docsfy_jupyter.errors import BadRequest, ChildTimeout, SourceFailed
from docsfy_jupyter.generation.killing import off_loop, unbroken
from docsfy_jupyter.generation.process import ChildResult, Processes
from docsfy_jupyter.models import TrackedFile
from docsfy_jupyter.sources.git import Git, open_git
from docsfy_jupyter.sources.remote import Refs, read_moved_refs
from docsfy_jupyter.sources.rules import Source, SourcePolicy, validate_ref

_SHA = re.compile(r"^[0-9a-f]{40}([0-9a-f]{24})?\Z")
_LFS = b"version https://git-lfs.github.com/spec/"
_LFS_LARGEST = 1024  # a pointer has about 130 bytes
_LFS_LOOKED_AT = 5000
_SIZE_EVERY = 0.5
_FETCH_LIMIT = 120.0
_STATUS_LIMIT = 60.0


@dataclass(frozen=True)
class Checkout:
    """A clone.

    Parameters
    ----------
    path : Path
        Its folder.
    commit : str
        40 or 64 hexadecimal digits.
    ref : str
        The branch or tag.
    ref_kind : str
        ``branch`` or ``tag``.
    default_branch : str or None
        None when the repository has none (a detached HEAD).
    is_default_branch : bool
        Whether `ref` is it.
    files : tuple of TrackedFile
        Sorted by path; bytes that are not UTF-8 are surrogate-escaped.
    notes : tuple of str
        What a reader of the log should know: uncommitted changes, LFS pointers.
    """

    path: Path
    commit: str
    ref: str
    ref_kind: Literal["branch", "tag"]
    default_branch: str | None
    is_default_branch: bool
    files: tuple[TrackedFile, ...]
    notes: tuple[str, ...] = ()


async def checkout(
    source: Source, ref: str, into: Path, policy: SourcePolicy, processes: Processes, log: Callable[..., None]
) -> Checkout:
    """Clone one branch or tag, without history, hooks, submodules or symlinks.

    Parameters
    ----------
    source : Source
        From `parse_source`. A folder is only read.
    ref : str
        Branch or tag; a branch wins.
    into : Path
        A folder that does not exist yet; removed again when this fails or is cancelled.
    log : callable
        ``log(kind, text)`` for the notes.

    Raises
    ------
    SourceFailed, ChildNotStarted
        With a sentence for people and no secret in it.
    BadRequest
        `ref` cannot be the name of a branch or tag.
    """
    validate_ref(ref)
    began = time.monotonic()
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        given = await _open(source, policy, processes)
        git, refs, kind = await _find_ref(given, source, ref, policy)
        await _clone(git, ref, into, policy, policy.clone_timeout - (time.monotonic() - began))
        commit = await _commit_of(git, into)
        tree = await git.output("ls-tree", "-r", "-l", "-z", "HEAD", cwd=into)
        files = await off_loop(lambda: parse_tree(tree))  # a second for 100,000 files
        notes = [*_moved(given, git), *await _uncommitted(git, source), *await off_loop(lambda: _lfs_note(into, files))]
    except BaseException as error:
        _, cancelled = await unbroken(off_loop(lambda: shutil.rmtree(into, ignore_errors=True)))
        if cancelled:
            raise asyncio.CancelledError from error
        if isinstance(error, OSError):
            raise _no_room(error, into) from None
        raise
    for note in notes:
        log("source_note", note)
    return Checkout(into, commit, ref, kind, refs.head, ref == refs.head and kind == "branch", files, tuple(notes))


async def _open(source: Source, policy: SourcePolicy, processes: Processes) -> Git:
    """Open git; what is a bad request before a run is a failed source within one."""
    try:
        return await open_git(source, policy, processes)
    except BadRequest as error:
        raise SourceFailed(error.message) from None


async def _find_ref(given: Git, source: Source, ref: str, policy: SourcePolicy) -> tuple[Git, Refs, Literal["branch", "tag"]]:
    try:
        git, refs = await read_refs_within(given, policy.clone_timeout)
    except ChildTimeout:
        raise _too_slow(policy) from None
    if ref in refs.heads:
        return git, refs, "branch"
    if ref in refs.tags:
        return git, refs, "tag"
    if not refs.heads and not refs.tags:
        raise SourceFailed(f"{source.display} is empty: it has no commit yet. Push one, then start again.")
    raise SourceFailed(refs.without(ref, source), branches=sorted(refs.heads))


async def read_refs_within(git: Git, limit: float) -> tuple[Git, Refs]:
    """Read all refs; ChildTimeout when that takes too long."""
    try:
        async with asyncio.timeout(limit):
            return await read_moved_refs(git)
    except TimeoutError:
        raise ChildTimeout("git ls-remote timed out") from None


async def _clone(git: Git, ref: str, into: Path, policy: SourcePolicy, limit: float) -> None:
    """Clone while the folder's size is watched."""
    args = ["--depth", "1", "--single-branch", "--no-tags", "--no-recurse-submodules", "--no-local", "--template=", "--quiet"]
    clone = asyncio.ensure_future(git.run("clone", *args, "--branch", ref, "--", git.url, str(into), limit=max(limit, 0.1)))
    guard = asyncio.ensure_future(_watch_size(into, policy.max_clone_bytes))
    try:
        await asyncio.wait({clone, guard}, return_when=asyncio.FIRST_COMPLETED)
        if guard.done():
            raise guard.exception() or SourceFailed("The size of the clone could not be watched")
        _check_clone(git, await clone, into)
    except ChildTimeout:
        raise _too_slow(policy) from None
    finally:
        clone.cancel()
        guard.cancel()
        _, cancelled = await unbroken(_ended(clone, guard))
        if cancelled:
            raise asyncio.CancelledError


async def _ended(*tasks: asyncio.Future[ChildResult] | asyncio.Future[None]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


async def _commit_of(git: Git, clone: Path) -> str:
    """Return the commit that is checked out: from the files where git keeps it, of git where it keeps it otherwise."""
    head = _first_line(clone / ".git" / "HEAD")
    commit = _first_line(clone / ".git" / head.removeprefix("ref: ")) if head.startswith("ref: refs/heads/") else head
    return commit if _SHA.match(commit) else (await git.output("rev-parse", "HEAD^{commit}", cwd=clone)).decode().strip()


def _first_line(path: Path) -> str:
    try:
        return path.read_text("utf-8").partition("\n")[0]
    except (OSError, ValueError):
        return ""


def _check_clone(git: Git, result: ChildResult, into: Path) -> None:
    if result.returncode != 0:
        raise SourceFailed(git.sentence(result.stderr, into.parent))


async def _watch_size(folder: Path, limit: int) -> None:
    while True:
        await asyncio.sleep(_SIZE_EVERY)
        if await off_loop(lambda: size_of(folder)) > limit:
            raise SourceFailed(f"The clone is larger than {limit / 1024**2:,.0f} MiB, the limit of this server, and was stopped.")


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder that may be changing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_size
            except OSError:
                continue
    return total


def _too_slow(policy: SourcePolicy) -> SourceFailed:
    return SourceFailed(f"clone timed out after {policy.clone_timeout:g} s")


def _no_room(error: OSError, into: Path) -> SourceFailed:
    if error.errno == errno.ENOSPC:
        return SourceFailed(f"No space left on the device that holds {into.parent}. Free some, then start again.")
    return SourceFailed(f"The folder {into.parent} cannot be used for a clone: {error.strerror or error}")


def parse_tree(output: bytes) -> tuple[TrackedFile, ...]:
    """Read the records of ``git ls-tree -r -l -z``."""
    files: list[TrackedFile] = []
    for record in output.split(b"\0"):
        facts, tab, path = record.partition(b"\t")
        if not tab:
            continue
        mode, _, blob, size = facts.decode("ascii").split()
        files.append(TrackedFile(os.fsdecode(path), blob, mode, int(size) if size.isdigit() else 0))
    return tuple(sorted(files, key=lambda file: file.path))


def _moved(given: Git, found: Git) -> list[str]:
    return [] if given.url == found.url else [f"The repository has moved to {found.url}; use that address from now on."]


async def _uncommitted(git: Git, source: Source) -> list[str]:
    """Note what a folder's working tree has and the documentation will not; nothing is written there."""
    if source.kind != "path":
        return []
    args = ("--porcelain", "-z", "--ignore-submodules=all", "--no-renames")
    try:
        status = await git.run("status", *args, cwd=Path(source.location), limit=_STATUS_LIMIT)
    except ChildTimeout:  # a note is not worth a run
        return []
    count = len([entry for entry in status.stdout.split(b"\0") if entry])
    if status.returncode != 0 or count == 0:  # a bare repository has no working tree
        return []
    paths = f"{count} path" if count == 1 else f"{count} paths"
    return [f"{source.display} has uncommitted changes ({paths}); the last commit is documented, without them."]


def _lfs_note(folder: Path, files: tuple[TrackedFile, ...]) -> list[str]:
    small = [file for file in files if file.regular and 100 <= file.size <= _LFS_LARGEST][:_LFS_LOOKED_AT]
    pointers = [file.path for file in small if _begins_with(folder / file.path, _LFS)]
    if not pointers:
        return []
    return [f"{len(pointers)} files are Git LFS pointers; their content was not downloaded (for example {pointers[0]!r})."]


def _begins_with(path: Path, start: bytes) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(start)) == start
    except OSError:
        return False


async def changed_files(
    clone: Checkout, source: Source, old_sha: str, policy: SourcePolicy, processes: Processes
) -> frozenset[str] | None:
    """Return the paths that differ between an older commit and a clone; None when the older commit cannot be had any more."""
    if not _SHA.match(old_sha):
        return None
    if old_sha == clone.commit:
        return frozenset()
    try:
        git = await open_git(source, policy, processes)
        # the clone's own `origin` has the address without credentials
        args = ("--depth", "1", "--no-tags", "--no-recurse-submodules", "--quiet", "origin", old_sha)
        await git.output("fetch", *args, cwd=clone.path, limit=min(policy.clone_timeout, _FETCH_LIMIT))
        diff = await git.output(
            "diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", old_sha, clone.commit, cwd=clone.path
        )
    except (SourceFailed, BadRequest):
        return None
    return frozenset(os.fsdecode(path) for path in diff.split(b"\0") if path)
