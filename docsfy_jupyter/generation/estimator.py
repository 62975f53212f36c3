"""Gathers what an estimate needs: the known plan, the history of calls, a local repository's size. Clones nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from docsfy_jupyter.errors import PATH_SEARCHED, BadRequest, ChildError, DocsfyError, SourceFailed
from docsfy_jupyter.generation.choosing import check_not_taken, chosen_provider, default_name
from docsfy_jupyter.generation.estimate import Basis, Estimate, Work, estimate, pages_of, tokens_of
from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.generation.folders import VariantFolder
from docsfy_jupyter.generation.job import RunJob
from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.generation.settings import Settings
from docsfy_jupyter.models import Stage, TrackedFile, Variant, VariantKey
from docsfy_jupyter.money import estimate_text, force_question
from docsfy_jupyter.providers.base import Provider
from docsfy_jupyter.providers.registry import ProviderRegistry
from docsfy_jupyter.requests import GenerateRequest
from docsfy_jupyter.sources.checkout import parse_tree
from docsfy_jupyter.sources.git import open_git
from docsfy_jupyter.sources.remote import default_branch, remote_head
from docsfy_jupyter.sources.rules import Source, comparable, parse_source, validate_ref
from docsfy_jupyter.store.costs import CallAverages
from docsfy_jupyter.store.store import Store

_LIMIT = 10.0  # seconds for git in a local repository
_LATELY = 3600.0  # seconds in which a run is the one that was asked about
_REMEMBERED = 200  # estimates, and averages
_AVERAGES_LAST = 60.0  # seconds, for runs that begin one after the other and that nobody has asked about
_KEPT = ("pages", "calls", "tokens", "cost_usd", "seconds", "at_most", "basis")  # by the run; what came of it is in the history
_address = lru_cache(2**15)(comparable)  # of rows, which hold no credentials: taking ten thousand apart stops the loop for 25 ms
_Told = tuple[str, str, str, str, str | None, bool]  # owner, name, provider, model, branch, force


class Estimator:
    """Estimates runs; a repository that is not on this machine is not asked.

    Parameters
    ----------
    settings : Settings
        Defaults and rules.
    providers : ProviderRegistry
        Prices.
    feed : ChangeFeed
        The rows.
    processes : Processes
        Starts git.
    folder : callable
        Variant → its files.
    """

    def __init__(
        self,
        settings: Settings,
        providers: ProviderRegistry,
        feed: ChangeFeed,
        processes: Processes,
        folder: Callable[[VariantKey], VariantFolder],
    ) -> None:
        self._settings, self._providers, self._feed = settings, providers, feed
        self._processes, self._folder = processes, folder
        self._averages: dict[tuple[str, str], tuple[float, dict[str, CallAverages]]] = {}  # by provider and model, and when
        self._asking = asyncio.Lock()
        self._told: dict[_Told, tuple[float, dict[str, Any]]] = {}  # by variant and force: when, and what its row keeps

    async def of(self, store: Store, request: GenerateRequest, user: str) -> dict[str, Any]:
        """Estimate what a request would start.

        Returns
        -------
        dict
            The fields of `Estimate`, those of the variant's address (``branch`` None where only the repository knows it), and
            ``last_pages`` and ``last_cost_usd`` of its latest run that wrote pages; ``unavailable``, why the provider could not
            start with this model now and what to do, None where it could; all that in words as ``text``, and the ``question``
            to ask before a run that forgets its pages and may cost, None for every other.

        Raises
        ------
        BadRequest, SourceRefused, ProviderUnavailable, NameTaken
            As a start would, but for a provider that is there and could not start: its figures may be known all the same.
        """
        provider, model = chosen_provider(request, self._settings, self._providers)
        source = await asyncio.to_thread(
            lambda: parse_source(repo_url=request.repo_url, repo_path=request.repo_path, policy=self._settings.policy)
        )
        name, owner = request.name or default_name(source), request.owner or user
        check_not_taken(self._feed.named(name), name, owner, source)
        row = self._row(request, name, owner, provider.name, model)
        branch = await self._branch(request, source, row)
        local = await self._local(source, branch) if source.kind == "path" and branch else None
        work = await self._work(request.force, source, row, local)
        key = row.key if row else None
        found = await self._estimate(store, provider, model, key, work, tokens_of(local[1]) if local else None, 0.0)
        last = (await store.last_paid_run(key) if key else None) or {"pages": None, "cost_usd": None}
        answer = {
            "name": name,
            "branch": branch,
            "ai_provider": provider.name,
            "ai_model": model,
            "owner": owner,
            **found.to_json(),
            "last_pages": last["pages"],
            "last_cost_usd": last["cost_usd"],
            "unavailable": await asyncio.to_thread(self._obstacle, provider, model),
        }
        self._remember((owner, name, provider.name, model, branch, request.force), found)
        asks = request.force and not found.free
        short = (answer["unavailable"] or "").partition(PATH_SEARCHED)[0]
        text = estimate_text({**answer, "unavailable": short})
        return {**answer, "text": text, "question": force_question(answer) if asks else None}

    def _remember(self, told: _Told, found: Estimate) -> None:
        """Keep the latest; a form asks at every change of a field."""
        self._told.pop(told, None)
        self._told[told] = time.monotonic(), _kept(found, asked=True)
        _forget_old(self._told)

    def foreseen(self, key: VariantKey, request: GenerateRequest) -> dict[str, Any] | None:
        """Return what was lately estimated for the very run that a request starts; None where nobody asked.

        Parameters
        ----------
        key : VariantKey
            What the request was found to mean; an estimate of it may not have known the default branch.
        request : GenerateRequest
            As it came.
        """
        for branch in (key.branch, request.branch):
            told = self._told.pop((key.owner, key.name, key.ai_provider, key.ai_model, branch, request.force), None)
            if told is not None and time.monotonic() - told[0] < _LATELY:
                return told[1]
        return None

    async def unasked(self, store: Store, job: RunJob, before: Variant | None) -> dict[str, Any] | None:
        """Return what the row of a run keeps of an estimate that nobody has asked for; None where nothing is known.

        By history alone, so that no run waits for it: a local repository's files are not looked at.

        Parameters
        ----------
        job : RunJob
            The run, before it has begun to work.
        before : Variant or None
            The row before it.
        """
        key = job.key
        work = await self._work(job.force, job.source, before, None)
        if work.pages is None:
            return None
        known = key if before else None
        return _kept(await self._estimate(store, job.provider, key.ai_model, known, work, None, _AVERAGES_LAST), asked=False)

    async def _estimate(
        self, store: Store, provider: Provider, model: str, key: VariantKey | None, work: Work, size: int | None, age: float
    ) -> Estimate:
        """Estimate work by what the variant's pages took, else by what all of the provider and model did."""
        basis: Basis = "variant"
        history = await store.call_averages(provider.name, model, key) if key else {}
        if "page" not in history:
            basis, history = "model", await self._of_model(store, provider.name, model, age)
        lanes = provider.concurrent_pages or self._settings.max_concurrent_pages
        return _with_sources(estimate(provider, model, work, history, basis, lanes, size), basis, bool(history.get("page")))

    async def _of_model(self, store: Store, provider: str, model: str, age: float) -> dict[str, CallAverages]:
        """Return what the calls of a provider and model take, as it was `age` seconds ago at the most."""
        async with self._asking:  # of a hundred runs that begin at once, the first asks for all
            at, known = self._averages.get((provider, model), (float("-inf"), {}))
            if time.monotonic() - at > age or "page" not in known:
                known = await store.call_averages(provider, model)
                self._averages[provider, model] = time.monotonic(), known
                _forget_old(self._averages)
            return known

    def _obstacle(self, provider: Provider, model: str) -> str | None:
        """Say why a run could not start; a program may be looked for in folders of a network."""
        try:
            self._providers.check(provider, model)
        except DocsfyError as error:
            return error.message
        return None

    def _row(self, request: GenerateRequest, name: str, owner: str, provider: str, model: str) -> Variant | None:
        """Return the row that the run would continue; without a branch the default branch's, else the only one."""
        wanted = (owner, provider, model)
        rows = [row for row in self._feed.named(name) if (row.owner, row.ai_provider, row.ai_model) == wanted]
        if request.branch is not None:
            rows = [row for row in rows if row.branch == request.branch]
        rows = [row for row in rows if row.is_default_branch] or rows
        return rows[0] if len(rows) == 1 else None

    async def _branch(self, request: GenerateRequest, source: Source, row: Variant | None) -> str | None:
        if request.branch is not None:
            validate_ref(request.branch)
            return request.branch
        if source.kind == "path":
            return await default_branch(source, self._settings.policy, self._processes)
        return row.branch if row else None

    async def _local(self, source: Source, branch: str) -> tuple[str, tuple[TrackedFile, ...]]:
        """Return the commit of a branch of a local repository and its files.

        Raises
        ------
        BadRequest
            There is no such branch, or git cannot read the repository.
        """
        try:
            commit = await remote_head(source, branch, self._settings.policy, self._processes, _LIMIT)
            git = await open_git(source, self._settings.policy, self._processes)
            tree = await git.output("ls-tree", "-r", "-l", "-z", commit, cwd=Path(source.location), limit=_LIMIT)
        except (SourceFailed, ChildError) as error:
            raise BadRequest(error.message) from None
        return commit, await asyncio.to_thread(parse_tree, tree)

    async def _work(
        self, force: bool, source: Source, row: Variant | None, local: tuple[str, tuple[TrackedFile, ...]] | None
    ) -> Work:
        known = await asyncio.to_thread(self._folder(row.key).load_plan) if row else None
        if row is not None and known is not None:
            pages = len(known.plan.pages())
            if force:
                return Work(pages, note="All pages are written anew; the new plan may have more or fewer.")
            unmoved = None if local is None else local[0] == known.commit
            if Stage.GENERATING_PAGES.value not in row.stage_times and row.current_stage is not Stage.UP_TO_DATE:
                return _uncounted(pages, unmoved)
            return _continued(pages, max(pages - row.page_count, 0), unmoved)
        if (other := self._other_plan(source)) is not None:
            return Work(other[1], note=f"As many pages as {other[0]} has.")
        if local is not None:
            text = f"Guessed from the {len(local[1])} files of the repository, since nothing is known of it yet."
            return Work(pages_of(local[1]), guessed=True, note=text)
        return Work(None, note="How many pages it will have is not known before the repository has been cloned once.")

    def _other_plan(self, source: Source) -> tuple[str, int] | None:
        """Return a variant of the same repository that has a plan, and how many pages; the latest of them."""
        wanted = _address(source.display)
        rows = [row for row in self._feed.rows() if _address(row.repo_url) == wanted]
        for row in sorted(rows, key=lambda row: row.updated_at, reverse=True):
            plan = row.plan()
            if plan is not None and plan.pages():
                return row.address, len(plan.pages())
        return None


def _forget_old(known: dict[Any, Any]) -> None:
    for old in list(known)[:-_REMEMBERED]:
        del known[old]


def _kept(found: Estimate, *, asked: bool) -> dict[str, Any]:
    return {name: getattr(found, name) for name in _KEPT} | {"asked": asked}


def _uncounted(pages: int, unmoved: bool | None) -> Work:
    """Return what is left where the latest run ended before it looked which pages there are."""
    return Work(pages, plan=not unmoved, at_most=True, note="The last run did not come to its pages; those that there are stay.")


def _continued(pages: int, missing: int, unmoved: bool | None) -> Work:
    """Return what is left to do for a variant with a plan; `unmoved` None: nobody knows whether its branch has moved."""
    if unmoved and not missing:
        return Work(0, plan=False, note="Nothing has changed since its last run: nothing would be written.")
    if unmoved:
        return Work(missing, plan=False, note=f"{missing} of {pages} pages are missing; the others are kept.")
    if unmoved is False:
        return Work(pages, at_most=True, note="Pages whose sources have not changed are kept.")
    if missing:
        text = f"{missing} of {pages} pages are missing, if the branch has not moved; the others are kept."
        return Work(missing, plan=False, note=text)
    return Work(pages, at_most=True, note="Less where sources have not changed; nothing where the branch has not moved.")


def _with_sources(found: Estimate, basis: Basis, history: bool) -> Estimate:
    """Say what an answer's figures come from, where the estimate's basis does not."""
    if not history or found.basis == basis:
        return found
    return replace(found, note=f"{found.note} What a page takes is known from this server's own calls.")
