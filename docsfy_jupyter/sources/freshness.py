"""Whether what was documented is what a branch holds now, asked by ``git ls-remote``: nothing is cloned."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from docsfy_jupyter.errors import DocsfyError
from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.models import Variant, iso, utc_now
from docsfy_jupyter.screen import source
from docsfy_jupyter.sources.remote import remote_head
from docsfy_jupyter.sources.rules import SourcePolicy, parse_source

_AT_ONCE = 8  # children of git
_KEEP = 600.0  # seconds that an answer is good for
_KEEP_FAULT = 30.0
_LIMIT = 30.0  # seconds for one repository


@dataclass(frozen=True)
class Head:
    """What a branch points at.

    Parameters
    ----------
    commit : str or None
        None where the branch is not there or the repository could not be asked.
    error : str or None
        Why there is none.
    checked_at : str
        ISO 8601, UTC.
    asked : float
        Monotonic seconds.
    """

    commit: str | None
    error: str | None
    checked_at: str
    asked: float

    @property
    def good(self) -> bool:
        """Whether the answer is young enough to be given again."""
        return time.monotonic() - self.asked < (_KEEP if self.error is None else _KEEP_FAULT)


_Place = tuple[str, str, str | None]


class Freshness:
    """Asks the repositories of variants for their commits; answers are kept for ten minutes, faults for 30 s.

    Parameters
    ----------
    policy : SourcePolicy
        The rules of this server; what they no longer allow is not asked.
    processes : Processes
        Who starts git.
    """

    def __init__(self, policy: SourcePolicy, processes: Processes) -> None:
        self._policy = policy
        self._processes = processes
        self._heads: dict[_Place, Head] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def of(self, rows: Iterable[Variant], *, anew: bool = False) -> list[dict[str, str | None]]:
        """Return for each row the commit that is documented and the one there is now.

        Parameters
        ----------
        rows : iterable of Variant
            Those of one branch of one repository are one question.
        anew : bool
            Ask also where an answer is kept.

        Returns
        -------
        list of dict
            The variant's key, ``repo_url``, ``documented``, ``current`` (commits or None), ``state`` (``current``,
            ``behind``, or ``unknown`` with an ``error``) and ``checked_at``.
        """
        asked = list(rows)
        places = {_place(row): row for row in asked}
        self._heads = {place: head for place, head in self._heads.items() if head.good}
        # what is good now is this answer's, though it may be too old, and forgotten by another's, before the slow have answered
        heads = {} if anew else {place: self._heads[place] for place in places if place in self._heads}
        missing = [place for place in places if place not in heads]
        found = await asyncio.gather(*(self._ask(place, places[place]) for place in missing))
        heads |= dict(zip(missing, found, strict=True))
        return [_compared(row, heads[_place(row)]) for row in asked]

    async def _ask(self, place: _Place, row: Variant) -> Head:
        commit, error = None, None
        async with self._room:
            try:
                given = await asyncio.to_thread(
                    lambda: parse_source(
                        repo_url=source(row).get("repo_url"),
                        repo_path=source(row).get("repo_path"),
                        policy=self._policy,
                        credential_env=row.credential_env,
                    )
                )
                commit = await remote_head(given, row.branch, self._policy, self._processes, _LIMIT)
            except DocsfyError as problem:
                error = problem.message
            except OSError as problem:  # one repository's trouble is a line of the answer, never its end
                error = f"{row.repo_url} could not be asked: {problem}"
        head = Head(commit, error, iso(utc_now()) or "", time.monotonic())
        self._heads[place] = head
        return head


def _place(row: Variant) -> _Place:
    return row.repo_url, row.branch, row.credential_env


def _compared(row: Variant, head: Head) -> dict[str, str | None]:
    state = "unknown" if head.commit is None else "current" if head.commit == row.last_commit_sha else "behind"
    return {
        "name": row.name,
        "branch": row.branch,
        "ai_provider": row.ai_provider,
        "ai_model": row.ai_model,
        "owner": row.owner,
        "repo_url": row.repo_url,
        "documented": row.last_commit_sha,
        "current": head.commit,
        "state": state,
        "error": head.error,
        "checked_at": head.checked_at,
    }
