"""Pure: the words for what a run would take and cost, the same on a terminal, in a panel and in an answer of the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FROM = {
    "variant": "by its own history",
    "model": "by what this server did with the same provider and model",
    "rough": "a rough guess",
}
_BASIS = {"notional": " as a subscription counts it", "computed": " by its price list", "billed": "", "free": "", None: ""}


def dollars(amount: float) -> str:
    """Write an amount: cents, and two figures of what is less than ten of them."""
    if amount == 0:
        return "nothing"
    return f"${amount:.2f}" if amount >= 0.1 else f"${amount:.2g}" if amount >= 0.0001 else "less than $0.0001"


def cost_text(cost: float | None, untold: int) -> str:
    """Say what a run has cost so far; empty where it is known to be nothing.

    Parameters
    ----------
    cost : float or None
        US dollars of the calls that told it.
    untold : int
        How many calls may have cost besides, and did not tell.
    """
    if cost:
        return f"at least {dollars(cost)}" if untold else dollars(cost)
    return "unknown" if untold else ""


def lasting(seconds: float) -> str:
    """Write how long something takes, for a person: ``40 s``, ``3 min``, ``2 h 5 min``."""
    if seconds < 100:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def figures(found: Mapping[str, Any]) -> dict[str, str]:
    """Return an estimate's figures in words, by what they are of; ``unknown`` where nobody knows.

    Parameters
    ----------
    found : mapping
        As ``POST api/estimate`` answers it.
    """
    most = "at most " if found["at_most"] else ""
    pages, calls, seconds, cost = found["pages"], found["calls"], found["seconds"], found["cost_usd"]
    price = f"{most}{dollars(cost)}{_BASIS[found['cost_basis']]}" if cost else "free" if found["free"] else "nothing"
    took = "unknown" if seconds is None else f"{most or 'about '}{lasting(seconds)}"
    return {
        "pages": "unknown" if pages is None else f"{most}{pages}",
        "calls": "unknown" if calls is None else f"{most}{calls}",
        "tokens": ("not counted" if found["free"] else "unknown")
        if found["tokens"] is None
        else f"{found['tokens']:,} ({found['tokens_in']:,} in, {found['tokens_out']:,} out)",
        "cost": "unknown" if cost is None else price,
        "time": "that of a clone" if pages == 0 else took,
        "known": "nothing is known yet" if found["basis"] is None else _FROM[found["basis"]],
    }


def estimate_text(found: Mapping[str, Any]) -> str:
    """Say an estimate in a sentence or two, for a panel: first what keeps it from starting."""
    words, parts = figures(found), []
    why = str(found["unavailable"] or "").rstrip(".")
    first = f"A run would not start now: {why}. If it could: " if why else ""
    if found["pages"] is not None:
        parts.append(f"{words['pages']} {'page' if found['pages'] == 1 else 'pages'}")
    if found["cost_usd"] is not None:
        parts.append("free" if found["free"] else words["cost"])
    else:
        page = found["page_cost_usd"]
        parts.append("cost unknown" if page is None else f"{dollars(page)} a page")
    if found["seconds"] is not None:
        parts.append(words["time"])
    text = ", ".join(parts)
    text = f"{first}{text}" if first else f"{text[0].upper()}{text[1:]}"
    return f"{text}; {words['known']}. {found['note']}".rstrip() if found["basis"] else f"{text}. {found['note']}".rstrip()


def compared(found: Mapping[str, Any], cost: str, seconds: float | None) -> str:
    """Say what was foreseen of a run beside what came of it; empty where nothing can be compared.

    Parameters
    ----------
    found : mapping
        Of its estimate ``cost_usd``, ``seconds`` and ``at_most``.
    cost : str
        What it cost, as `cost_text` says it.
    seconds : float or None
        From its planning to its last page, as the estimate's.
    """
    pairs = [(dollars(found["cost_usd"]), cost or "nothing")] if found["cost_usd"] and cost != "unknown" else []
    if found["seconds"] is not None and seconds is not None:
        pairs.append((lasting(found["seconds"]), lasting(seconds)))
    if not pairs:
        return ""
    foreseen, came = (" and ".join(words) for words in zip(*pairs, strict=True))
    return f"{'at most ' if found['at_most'] else ''}{foreseen}, took {came}"


def with_estimate(cost: str, foreseen: float | None, at_most: object) -> str:
    """Write what a run cost, and in brackets what it was to cost; without them where nobody could know, or it was nothing."""
    return f"{cost} (estimated {'at most ' if at_most else ''}{dollars(foreseen)})" if foreseen else cost


def force_question(found: Mapping[str, Any]) -> str:
    """Ask whether all pages shall be paid again, naming how many and what they cost last time.

    Parameters
    ----------
    found : mapping
        The estimate of the forced run.
    """
    pages, last = found["pages"], found["last_cost_usd"]
    many = "Write all pages" if pages is None else "Write the one page" if pages == 1 else f"Write all {pages} pages"
    if last is not None:
        price = f"The last time {found['last_pages']} cost {dollars(last)}."
    elif found["cost_usd"] is not None:
        price = f"That costs about {dollars(found['cost_usd'])}."
    else:
        price = "What that costs is not known."
    return f"{many} of {found['name']} anew with {found['ai_provider']}/{found['ai_model']}, and pay for them? {price}"
