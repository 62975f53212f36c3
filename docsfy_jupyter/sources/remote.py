"""What a repository says about itself before anything is cloned: its branches, tags and default branch."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib import import_module

from docsfy_jupyter.errors import BadRequest, ChildNotStarted, ChildTimeout, SourceFailed
from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.sources.git import Git, open_git
from docsfy_jupyter.sources.rules import Source, SourcePolicy

_NAMED_BRANCHES = 20


@dataclass(frozen=True)
class Refs:
    """The answer of ``git ls-remote``.

    Parameters
    ----------
    head : str or None
        The default branch; None when HEAD is detached, not told, or there is no commit.
    heads, tags : dict of str to str
        Commit by name; for an annotated tag the commit that it stands for.
    head_commit : str or None
        What HEAD points at.
    """

    head: str | None = None
    heads: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    head_commit: str | None = None

    def without(self, ref: str, source: Source) -> str:
        """Say that a branch or tag is not there, with the names that are near and the branches that there are."""
        near = get_close_matches(ref, [*self.heads, *self.tags], n=3)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        names = sorted(self.heads)
        more = f" and {len(names) - _NAMED_BRANCHES} more" if len(names) > _NAMED_BRANCHES else ""
        there = ", ".join(names[:_NAMED_BRANCHES]) + more
        return f"branch {ref} not found in {source.display}.{meant} Its branches: {there or 'none'}."


async def read_refs(git: Git, *patterns: str, limit: float | None = None) -> Refs:
    """Ask for refs; without patterns for HEAD and all branches and tags.

    Raises
    ------
    SourceFailed
        With git's sentence.
    """
    asked = patterns or ("HEAD", "refs/heads/*", "refs/tags/*")
    return parse_refs(await git.output("ls-remote", "--symref", "--", git.url, *asked, limit=limit))


async def read_moved_refs(git: Git, *patterns: str, limit: float | None = None) -> tuple[Git, Refs]:
    """Ask for refs, at the new address where the repository was renamed; returns the git that found them.

    Raises
    ------
    SourceFailed
        With git's sentence.
    """
    try:
        return git, await read_refs(git, *patterns, limit=limit)
    except SourceFailed as error:
        new = await _moved_to(git.url, git.addresses) if error.details.get("moved") else None
        if new is None:
            raise
    git = replace(git, url=new)
    return git, await read_refs(git, *patterns, limit=limit)


def parse_refs(output: bytes) -> Refs:
    """Read the lines of ``ls-remote --symref``."""
    head: str | None = None
    head_commit: str | None = None
    heads: dict[str, str] = {}
    tags: dict[str, str] = {}
    for line in os.fsdecode(output).split("\n"):
        value, _, name = line.partition("\t")
        if name == "HEAD" and value.startswith("ref: refs/heads/"):
            head = value.removeprefix("ref: refs/heads/")
        elif name == "HEAD":
            head_commit = value
        elif name.startswith("refs/heads/"):
            heads[name.removeprefix("refs/heads/")] = value
        elif name.startswith("refs/tags/"):
            tags[name.removeprefix("refs/tags/").removesuffix("^{}")] = value  # the peeled line comes second
    return Refs(head, heads, tags, head_commit)


async def default_branch(source: Source, policy: SourcePolicy, processes: Processes, timeout: float = 10) -> str:
    """Return the branch that a repository opens with; for a folder the branch that is checked out.

    Raises
    ------
    BadRequest
        It could not be found out: a detached HEAD (name a branch or tag then), no commit, no answer, no access.
    """
    try:
        async with asyncio.timeout(timeout):
            git = await open_git(source, policy, processes)
            _, refs = await read_moved_refs(git, "HEAD")
    except (TimeoutError, ChildTimeout):
        raise BadRequest(f"{source.display} did not answer within {timeout:g} s; name a branch, or try again later.") from None
    except (SourceFailed, ChildNotStarted) as error:
        raise BadRequest(error.message) from None
    if refs.head is not None:
        return refs.head
    if refs.head_commit is not None:
        raise BadRequest(f"{source.display} has no current branch (its HEAD is detached): name the branch or tag to document.")
    raise BadRequest(
        f"{source.display} has no commit on its default branch yet; name a branch that has one, or commit something."
    )


class DefaultBranches:
    """Default branches, each repository asked once, however many want to know.

    Parameters
    ----------
    policy : SourcePolicy
        Rules.
    processes : Processes
        Starts git.
    """

    def __init__(self, policy: SourcePolicy, processes: Processes) -> None:
        self._policy, self._processes = policy, processes
        self._asked: dict[Source, asyncio.Task[str]] = {}

    async def of(self, source: Source) -> str:
        """Do as `default_branch` does."""
        if source not in self._asked:
            self._asked[source] = asyncio.create_task(default_branch(source, self._policy, self._processes))
        return await asyncio.shield(self._asked[source])


async def remote_head(source: Source, ref: str, policy: SourcePolicy, processes: Processes, timeout: float = 30) -> str:
    """Return the commit that a branch or tag points at now.

    Raises
    ------
    SourceFailed, BadRequest
        The repository could not be asked, or has it no more.
    """
    git = await open_git(source, policy, processes)
    names = (f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/tags/{ref}^{{}}")
    git, refs = await read_moved_refs(git, *names, limit=timeout)
    commit = refs.heads.get(ref) or refs.tags.get(ref)
    if commit is None:
        there = await read_refs(git, limit=timeout)
        raise SourceFailed(there.without(ref, source), branches=sorted(there.heads))
    return commit


async def _moved_to(url: str, addresses: Sequence[str]) -> str | None:
    """Ask where a repository went; the module is loaded for that alone, its HTTP client would slow every start of Jupyter."""
    module = await asyncio.to_thread(import_module, "docsfy_jupyter.sources.moved")
    found: str | None = await module.moved_to(url, addresses)
    return found
