"""What a run would take, before it is started: pages, calls, tokens, cost and time, each null where nobody can know it.

Pure: `docsfy_jupyter.generation.estimator` gathers what these functions work on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from docsfy_jupyter.models import TrackedFile
from docsfy_jupyter.providers.base import Provider, Usage
from docsfy_jupyter.store.costs import CallAverages

Basis = Literal["variant", "model", "rough"]

BYTES_PER_TOKEN = 4  # of English text and code, as vendors say of their tokenizers
_FEWEST, _MOST = 3, 40  # pages that the prompt for a plan asks for
_PROMPT = 1500  # tokens of a prompt around what it shows of the repository
_WRITTEN = 2500  # tokens of a page of 1,500 to 2,000 words
_PLANNED = 2000  # tokens of a plan


@dataclass(frozen=True)
class Work:
    """What a run would have to do.

    Parameters
    ----------
    pages : int or None
        To be written; None where nobody knows.
    plan : bool
        Whether it plans first.
    at_most : bool
        Whether some of the pages may turn out to be reusable.
    guessed : bool
        Whether the number comes from the repository's size.
    note : str
        What the number assumes, a sentence.
    """

    pages: int | None
    plan: bool = True
    at_most: bool = False
    guessed: bool = False
    note: str = ""


@dataclass(frozen=True)
class Answered:
    """What one answer takes; None where nobody knows. ``cost_usd`` includes calls that failed on the way."""

    calls: float = 1.0
    tokens_in: float | None = None
    tokens_out: float | None = None
    cost_usd: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Estimate:
    """What a run would take.

    Parameters
    ----------
    pages, calls : int or None
        Pages to be written, and calls of the provider with those for the plan.
    at_most : bool
        Whether pages may turn out to be reusable, so that it costs less.
    tokens, tokens_in, tokens_out : int or None
        Of all calls.
    cost_usd, page_cost_usd : float or None
        US dollars of the run, and of one page.
    cost_basis : str or None
        As of a call: ``billed``, ``computed``, ``notional`` or ``free``.
    seconds : float or None
        From the start of planning to the last page; waiting, cloning and rendering come on top.
    basis : str or None
        Where the figures come from: ``variant`` (its own history), ``model`` (what this server did with the same provider and
        model), ``rough`` (the repository's size); the weakest of those that were needed. None where there are none.
    free : bool
        Whether it is known to cost nothing.
    note : str
        What is assumed, or what is missing, in a sentence or two.
    """

    pages: int | None
    calls: int | None
    at_most: bool
    tokens: int | None
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    page_cost_usd: float | None
    cost_basis: str | None
    seconds: float | None
    basis: Basis | None
    free: bool
    note: str

    def to_json(self) -> dict[str, Any]:
        """Return it, JSON-able."""
        return asdict(self)


def pages_of(files: Sequence[TrackedFile]) -> int:
    """Guess how many pages a repository needs: the more files the more pages, ever slower; four files make 5, a thousand 35."""
    return min(max(round(3 + math.sqrt(len(files))), _FEWEST), _MOST)


def tokens_of(files: Sequence[TrackedFile]) -> int:
    """Return how many tokens all files of a repository are, about."""
    return sum(file.size for file in files) // BYTES_PER_TOKEN


def answered(provider: Provider, model: str, history: CallAverages) -> Answered:
    """Return what an answer took; where its cost was not known then, it is computed with a price of today."""
    usage = Usage(history.cost_usd, tokens_in=_whole(history.tokens_in), tokens_out=_whole(history.tokens_out))
    priced = provider.priced(model, usage)
    calls = history.calls / history.answers
    return Answered(calls, history.tokens_in, history.tokens_out, priced.cost_usd, history.seconds)


def guessed(provider: Provider, model: str, purpose: str, repository: int | None) -> Answered:
    """Guess what an answer takes, from the tokens of the repository where those are known."""
    read = provider.tokens_shown(repository) if repository is not None else None
    if read is None:
        return Answered(cost_usd=provider.priced(model, Usage()).cost_usd)
    usage = Usage(tokens_in=read + _PROMPT, tokens_out=_PLANNED if purpose == "plan" else _WRITTEN)
    return Answered(1.0, usage.tokens_in, usage.tokens_out, provider.priced(model, usage).cost_usd)


def estimate(
    provider: Provider,
    model: str,
    work: Work,
    history: Mapping[str, CallAverages],
    basis: Basis | None,
    lanes: int,
    repository: int | None = None,
) -> Estimate:
    """Put an estimate together.

    Parameters
    ----------
    provider : Provider
        Who would write; tells prices.
    model : str
        Its model.
    work : Work
        What is to be done.
    history : mapping of str to CallAverages
        By purpose; empty where there is none.
    basis : str or None
        What `history` is of.
    lanes : int
        Pages that are written at once.
    repository : int or None
        Its size in tokens.
    """
    page = answered(provider, model, history["page"]) if "page" in history else guessed(provider, model, "page", repository)
    # a variant whose plan was dictated has none in its history, and will be dictated one again
    plan = answered(provider, model, history["plan"]) if "plan" in history else None
    if plan is None and "page" not in history:
        plan = guessed(provider, model, "plan", repository)
    known = history and not work.guessed and work.pages is not None
    found: Basis | None = basis if known else "rough" if work.pages is not None else None
    pages = work.pages
    parts = [] if pages is None else [(page, float(pages))] + ([(plan, 1.0)] if plan and work.plan else [])
    read, written = _sum(parts, "tokens_in"), _sum(parts, "tokens_out")
    free = provider.costs_nothing(model)
    cost = 0.0 if provider.free or pages == 0 else _sum(parts, "cost_usd")
    return Estimate(
        pages=pages,
        calls=_whole(_sum(parts, "calls")),
        at_most=work.at_most,
        tokens=None if read is None or written is None else round(read + written),
        tokens_in=_whole(read),
        tokens_out=_whole(written),
        cost_usd=cost,
        page_cost_usd=0.0 if provider.free else page.cost_usd,
        cost_basis=_basis(provider, model, history, cost),
        seconds=_seconds(page, plan if work.plan else None, pages, lanes),
        basis=found,
        free=free,
        note=work.note,
    )


def _basis(provider: Provider, model: str, history: Mapping[str, CallAverages], cost: float | None) -> str | None:
    """Return how the cost is known: as it was with the latest page, else as it will be."""
    if cost is None:
        return None
    if provider.free:
        return "free"
    told = history["page"].basis if "page" in history else None
    if told in (None, "unknown"):
        told = provider.priced(model, Usage(tokens_in=1, tokens_out=1)).basis
    return None if told == "unknown" else told


def _sum(parts: Sequence[tuple[Answered, float]], name: str) -> float | None:
    """Add a figure up over answers, so many of each; None where one of them is not known."""
    figures = [(getattr(one, name), times) for one, times in parts if times]
    if not parts or any(figure is None for figure, _ in figures):
        return None
    return float(sum(figure * times for figure, times in figures))


def _seconds(page: Answered, plan: Answered | None, pages: int | None, lanes: int) -> float | None:
    if not pages or page.seconds is None or (plan is not None and plan.seconds is None):
        return None
    # the last pages do not fill every lane, hence the rounding up
    return round((plan.seconds if plan and plan.seconds else 0.0) + page.seconds * math.ceil(pages / lanes), 1)


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)
