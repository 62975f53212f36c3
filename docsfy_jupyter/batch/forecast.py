"""Pure: what a batch would do, without starting anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from docsfy_jupyter import errors
from docsfy_jupyter.batch.parameters import BatchParameters
from docsfy_jupyter.batch.present import left_out, present
from docsfy_jupyter.batch.steps import unpublishable
from docsfy_jupyter.batch.summary import paid
from docsfy_jupyter.batch.variants import Wanted, called
from docsfy_jupyter.client.asking import NAMES
from docsfy_jupyter.client.batches import Row, key_of
from docsfy_jupyter.client.steps import Request, Steps
from docsfy_jupyter.money import lasting

_WORK = ("new", "behind", "failed", "forced", "unknown")  # states in which a run has something to write


def forecast(parameters: BatchParameters, wanted: Sequence[Wanted]) -> Steps[dict[str, Any]]:
    """Say for each variant what a batch would do now; the repository of every one that is ready is asked for its commit.

    Returns
    -------
    dict
        ``variants`` with ``state`` (``up_to_date``, ``in_progress``, ``new``, ``behind``, ``failed``, ``forced``,
        ``refused`` or ``unknown``), ``runs`` (it has something to write), ``reason``, ``seconds`` and ``cost_usd``; and the
        sums ``seconds`` and ``cost_usd`` of what would run. What nobody can estimate is None, and then so is its sum.

    Raises
    ------
    ClientError
    """
    there = yield from present(wanted, freshness=True)
    skipped = {number for number, _, _ in left_out(wanted, parameters, there)}
    variants: list[dict[str, Any]] = []
    for number, (one, row) in enumerate(zip(wanted, there.rows, strict=True)):
        state, reason = _state(one, row, there.fresh.get(key_of(row)) if row else None)
        runs = number not in skipped and state in _WORK
        guess = (yield from _estimate(one)) if runs else {}
        refused = guess.get("refused") or (unpublishable(one) if number not in skipped else None)
        if refused:
            state, reason, runs = "refused", refused, False
        variants.append(
            {
                "variant": _name(one, row or guess),
                "repo": one.repo,
                "state": state,
                "runs": runs,
                "reason": reason,
                "seconds": guess.get("seconds") if runs else None,
                "cost_usd": guess.get("cost_usd") if runs else None,
            }
        )
    work = [one for one in variants if one["runs"]]
    return {"variants": variants, **{name: _sum(one[name] for one in work) for name in ("seconds", "cost_usd")}}


def _name(wanted: Wanted, known: Mapping[str, Any]) -> str:
    """Call a variant by what its row, or the server's estimate, knows of it."""
    if "ai_model" not in known:
        return wanted.label
    return called(known["name"], known["branch"], known["ai_provider"], known["ai_model"])


def _state(wanted: Wanted, row: Row | None, fresh: Mapping[str, Any] | None) -> tuple[str, str | None]:
    if row is None:
        return "new", None
    if row["status"] == "generating":
        return "in_progress", "the batch would join it"
    if wanted.force:
        return "forced", None
    if row["status"] != "ready":
        return "failed", row["error_message"]
    if fresh is None or fresh["state"] == "unknown":
        return "unknown", fresh["error"] if fresh else None
    if fresh["state"] == "behind":
        return "behind", f"{str(fresh['documented'])[:10]} is documented, {str(fresh['current'])[:10]} is there"
    return "up_to_date", None


def _estimate(wanted: Wanted) -> Steps[dict[str, Any]]:
    """Ask what a run would take and cost; empty where the server cannot tell."""
    try:
        found = dict((yield Request("POST", "api/estimate", json=wanted.body(None), timeout=120)).json())
        return {**found, "refused": found.get("unavailable")}
    except errors.InvalidBody as error:
        return {"refused": error.named(NAMES).message}
    except errors.BadRequest as error:
        return {"refused": error.message}
    except (errors.NotFound, errors.Conflict, errors.ClientError):
        return {}


def _sum(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def as_lines(found: Mapping[str, Any]) -> list[str]:
    """Return a forecast for a terminal."""
    lines = [_line(one) for one in found["variants"]]
    runs = sum(one["runs"] for one in found["variants"])
    if not runs:
        return [*lines, f"0 of {len(lines)} would run. Nothing was started."]
    took = f"in about {lasting(found['seconds'])}" if found["seconds"] is not None else "in a time that nobody knows yet"
    cost = found["cost_usd"]
    price = "at a cost that nobody knows yet" if cost is None else f"for about {paid(cost)}" if cost else "for free"
    return [*lines, f"{runs} of {len(lines)} would run, {took} and {price}. Nothing was started."]


def _line(one: Mapping[str, Any]) -> str:
    will = "run" if one["runs"] else "fail" if one["state"] == "refused" else "skip"
    took, cost = one["seconds"], one["cost_usd"]
    foreseen = [
        "time unknown" if took is None else f"about {lasting(took)}",
        "cost unknown" if cost is None else paid(cost),
    ]
    parts = [one["variant"], one["state"].replace("_", " "), *(foreseen if one["runs"] else []), one["reason"] or ""]
    return f"{will:<5}{' · '.join(filter(None, parts))}"
