"""What the calls of providers have cost and taken so far: questions to the table of calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from docsfy_jupyter.models import VariantKey

if TYPE_CHECKING:
    from docsfy_jupyter.store.database import Database

_AVERAGES = """
SELECT purpose, count(*) FILTER (outcome = 'ok') AS answers, count(*) AS calls,
    avg(tokens_in) FILTER (outcome = 'ok') AS tokens_in,
    avg(tokens_out) FILTER (outcome = 'ok') AS tokens_out,
    avg(coalesce(tokens_cached, 0)) FILTER (outcome = 'ok') AS tokens_cached,
    sum(cost_usd) / nullif(count(cost_usd) FILTER (outcome = 'ok'), 0) AS cost_usd,
    median(seconds) FILTER (outcome = 'ok') AS seconds,
    arg_max(basis, occurred_at) FILTER (outcome = 'ok') AS basis
FROM (SELECT ai_calls.* FROM ai_calls JOIN runs USING (generation_id)
    WHERE provider = ? AND model = ? AND (? OR (name = ? AND branch = ? AND owner = ?))
    ORDER BY occurred_at DESC LIMIT 500)
WHERE purpose IN ('plan', 'page') GROUP BY purpose HAVING answers > 0"""
_LAST_PAID = """
SELECT pages_fresh AS pages, cost_usd FROM runs
WHERE name = ? AND branch = ? AND ai_provider = ? AND ai_model = ? AND owner = ? AND pages_fresh > 0
ORDER BY started_at DESC LIMIT 1"""


@dataclass(frozen=True)
class CallAverages:
    """What one answer of a purpose has taken, by the latest 500 calls.

    Parameters
    ----------
    answers, calls : int
        How many answers there were, and the calls that they took, failed ones with them.
    tokens_in, tokens_out, tokens_cached : float or None
        Of one answer; None where none was told.
    cost_usd : float or None
        Of one answer, what failed calls cost with it; None where no cost is known.
    seconds : float or None
        Median of the calls that were answered.
    basis : str or None
        Of the latest.
    """

    answers: int
    calls: int
    tokens_in: float | None
    tokens_out: float | None
    tokens_cached: float | None
    cost_usd: float | None
    seconds: float | None
    basis: str | None


async def averages(database: Database, provider: str, model: str, key: VariantKey | None) -> dict[str, CallAverages]:
    """Return the averages by purpose (``plan``, ``page``): of one variant, or of all that a provider and model did."""
    named = (key.name, key.branch, key.owner) if key else ("", "", "")
    rows = await database.read(_AVERAGES, [provider, model, key is None, *named])
    return {row.pop("purpose"): CallAverages(**row) for row in rows}


async def last_paid_run(database: Database, key: VariantKey) -> dict[str, Any] | None:
    """Return ``pages`` and ``cost_usd`` of the latest run of a variant that wrote pages."""
    rows = await database.read(_LAST_PAID, [key.name, key.branch, key.ai_provider, key.ai_model, key.owner])
    return rows[0] if rows else None


async def spent_since(database: Database, time: datetime) -> float:
    """Return what all calls since a time have cost, US dollars, as far as it is known."""
    rows = await database.read("SELECT sum(cost_usd) AS spent FROM ai_calls WHERE occurred_at >= ?", [time])
    return float(rows[0]["spent"] or 0.0)
