"""What a provider is: something that plans documentation for a checkout and writes its pages.

A provider is a class that is registered under the entry-point group ``docsfy_jupyter.providers``. For every run the
pipeline opens a *session*; it asks the session for a plan (unless a known one is reused) and then for pages,
concurrently. A session may hold a child process or a connection; leaving it releases everything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.models import Plan, PlanPage, TrackedFile
from docsfy_jupyter.providers.prices import Price, Prices


@dataclass(frozen=True)
class RunContext:
    """What a session gets to know about its run.

    Parameters
    ----------
    generation_id : str
        The run.
    project_name : str
        The variant's name.
    model : str
        The model asked for.
    checkout : Path
        The run's own clone. Read it; write nothing into it. Files may be removed that a child process must not find.
    commit : str
        Its commit, 40 or 64 hexadecimal digits.
    repo_url : str
        Where it comes from, credentials removed; an absolute path for a local repository.
    files : tuple of TrackedFile
        Every tracked file, sorted by path.
    call_timeout : float
        Seconds that one call may take.
    processes : Processes
        The only way to start a child process: what it starts dies whole.
    log : callable
        ``log(kind, text, **details)`` appends to the run's events.
    """

    generation_id: str
    project_name: str
    model: str
    checkout: Path
    commit: str
    repo_url: str
    files: tuple[TrackedFile, ...]
    call_timeout: float
    processes: Processes
    log: Callable[..., None]


@dataclass(frozen=True)
class Usage:
    """What one call cost.

    Parameters
    ----------
    cost_usd : float or None
        US dollars; None when the provider does not tell. ``local`` costs 0.0, which is known.
    basis : str
        ``billed``: the provider tells it. ``computed``: tokens times the price of `Prices`. ``notional``: a subscription pays,
        and the cost is what it would have been. ``free``: known to be nothing. ``unknown``.
    tokens_in, tokens_out, tokens_cached : int or None
        As the provider reports them.
    prompts : int or None
        How many prompts they are of: some models ask more for long ones. None: nobody knows.
    final : bool
        Whether the cost is as well known as it can be: no price is looked up for it any more.
    """

    cost_usd: float | None = None
    basis: str = "unknown"
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    prompts: int | None = None
    final: bool = False

    def plus(self, other: Usage) -> Usage:
        """Return what two calls cost together; what one of them does not know is left out of the sum."""
        numbers = {name: _total(getattr(self, name), getattr(other, name)) for name in _SUMMED}
        basis = other.basis if other.cost_usd is not None else self.basis
        return Usage(basis=basis, final=self.final or other.final, **numbers)


_SUMMED = ("cost_usd", "tokens_in", "tokens_out", "tokens_cached", "prompts")


def _total(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else a + b


FREE = Usage(cost_usd=0.0, basis="free")


@dataclass(frozen=True)
class PlanRequest:
    """What a session is asked to plan.

    Parameters
    ----------
    previous : Plan or None
        The plan of the last run of the variant, for an incremental plan.
    changed : frozenset of str or None
        Paths that changed since that run; None when nobody knows, and then everything counts as changed.
    """

    previous: Plan | None = None
    changed: frozenset[str] | None = None


@dataclass(frozen=True)
class PlanAnswer:
    """A plan, not yet settled: slugs may still need repair."""

    plan: Plan
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class PageAnswer:
    """One page.

    Parameters
    ----------
    markdown : str
        Its text. A link to another page is written ``slug.md`` or ``slug.md#anchor``. An image of the repository is
        written ``repo-files/<its path, percent-encoded>`` and named in `files`.
    files : tuple of str
        Tracked paths of images that the page shows.
    """

    markdown: str
    files: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)


class ProviderSession(ABC):
    """One run's conversation with a provider. Calls may be made concurrently and are cancelled on abort.

    Parameters
    ----------
    context : RunContext
        Kept as ``self.context``.
    """

    def __init__(self, context: RunContext) -> None:
        self.context = context

    @abstractmethod
    async def plan(self, request: PlanRequest) -> PlanAnswer:
        """Plan the pages.

        Raises
        ------
        ProviderFailed, PlanInvalid, ChildError
            With a sentence for people.
        """

    @abstractmethod
    async def write_page(self, plan: Plan, page: PlanPage) -> PageAnswer:
        """Write one page of the settled plan.

        Raises
        ------
        ProviderFailed, ChildError
            ``ProviderFailed.transient`` asks for another try, ``fatal`` ends the run.
        """

    def prompt_hash(self, plan: Plan, page: PlanPage) -> str:
        """Return a hash over everything but the sources that makes the page's text what it is: prompt, settings."""
        return ""


@dataclass(frozen=True)
class ProviderOptions:
    """What the administrator says for every provider.

    Parameters
    ----------
    env_passthrough : tuple of str
        Trait ``DocsfyApp.env_passthrough``: names of variables that child processes get besides the usual ones.
    max_concurrent_calls : int
        Trait ``DocsfyApp.max_concurrent_ai_calls``.
    prices : Prices
        What models cost, where their provider does not tell.
    """

    env_passthrough: tuple[str, ...] = ()
    max_concurrent_calls: int = 8
    prices: Prices = field(default_factory=Prices)


class Provider(ABC):
    """A writer of documentation.

    Attributes
    ----------
    options : ProviderOptions
        Set by the registry, before anything else is asked.
    name : str
        How requests and rows name it.
    default_model : str
        Used when a request names no model.
    version : str
        Raised when the same inputs give other pages: part of the page cache's address.
    concurrent_pages : int or None
        Pages of a run at once, where it is not the server's number.
    free : bool
        Whether every call is known to cost nothing, also one that failed.
    counts_tokens : bool
        Whether it tells the tokens of its calls, so that a price makes their cost known.
    """

    options: ProviderOptions = ProviderOptions()
    name: str
    default_model: str
    version: str = "1"
    concurrent_pages: int | None = None
    free: bool = False
    counts_tokens: bool = False

    def check(self, model: str) -> None:
        """Say whether a run could start now, without starting or asking anything.

        Raises
        ------
        ProviderUnavailable
            With the reason and what to do.
        """

    def not_reached(self) -> str | None:
        """Try what the provider talks to, for a few seconds at most; None where it answers or nothing has to.

        Called in a thread, where somebody wants to know (``POST api/models/refresh``, doctor), never before a run.
        """
        return None

    def knows_cost(self, model: str) -> bool:
        """Say whether the cost of a call will be known, so that a limit on it can be kept."""
        return self.costs_nothing(model) or (self.counts_tokens and self.price(model) is not None)

    def costs_nothing(self, model: str) -> bool:
        """Say whether calls of a model are known to cost nothing: by themselves, or since a price of 0 is configured."""
        price = self.price(model)
        return self.free or (price is not None and price.zero)

    def price(self, model: str) -> Price | None:
        """Return what a model costs: by the user's file, else by the package's table; None where neither has it."""
        return self.options.prices.find(self.name, model, self.name)

    def priced(self, model: str, usage: Usage) -> Usage:
        """Return a call's usage with its cost computed, where nobody told it and price and tokens are known."""
        price = self.price(model) if usage.cost_usd is None and not usage.final else None
        cost = price.of(usage.tokens_in, usage.tokens_out, usage.tokens_cached, usage.prompts) if price else None
        return usage if cost is None else replace(usage, cost_usd=cost, basis="computed")

    def tokens_shown(self, repository: int) -> int | None:
        """Guess how many tokens of a repository of so many one call reads, for a rough estimate; None where nobody can."""
        return None

    def models(self) -> list[dict[str, str]]:
        """Return the models to suggest, each ``{"id", "name"}``."""
        return [{"id": self.default_model, "name": self.default_model}]

    @abstractmethod
    def open(self, context: RunContext) -> AbstractAsyncContextManager[ProviderSession]:
        """Open a session for one run; ``nullcontext(MySession(context))`` where nothing has to be closed."""

    def describe(self) -> dict[str, Any]:
        """Return what `api/models` says of it beyond names, JSON-able."""
        return {}
