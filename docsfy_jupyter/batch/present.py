"""Pure: what a server has of the variants that a batch wants, asked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from docsfy_jupyter.batch.parameters import BatchParameters
from docsfy_jupyter.batch.variants import Wanted, matching
from docsfy_jupyter.client import batches, verbs
from docsfy_jupyter.client.batches import Row, key_of
from docsfy_jupyter.client.steps import Steps
from docsfy_jupyter.models import VariantKey


@dataclass(frozen=True)
class Present:
    """What is there.

    Parameters
    ----------
    rows : sequence of Row or None
        For each variant that is wanted, in its order, the row that it means.
    fresh : mapping of VariantKey to Row
        What `batches.freshness` says of those that are ready and need not be written anew.
    """

    rows: Sequence[Row | None]
    fresh: Mapping[VariantKey, Row] = field(default_factory=dict)


def present(wanted: Sequence[Wanted], *, freshness: bool) -> Steps[Present]:
    """Ask for the rows and, with `freshness`, the repositories of these variants for their commits: no others.

    Raises
    ------
    ClientError
    """
    rows = (yield from verbs.listing(limit=10_000))["projects"]
    models = yield from verbs.models()
    user = (yield from verbs.health())["user"]
    found = [matching(one, rows, models, user) for one in wanted]
    pairs = zip(wanted, found, strict=True)
    names = {row["name"] for one, row in pairs if row and row["status"] == "ready" and not one.force}
    fresh: dict[VariantKey, Row] = {}
    for name in sorted(names) if freshness else ():
        fresh |= {key_of(state): state for state in (yield from batches.freshness(name=name, refresh=True))}
    return Present(found, fresh)


def left_out(wanted: Sequence[Wanted], parameters: BatchParameters, there: Present) -> list[tuple[int, Row, str]]:
    """Return which variants need no run by the filters, their rows, and why."""
    chosen: list[tuple[int, Row, str]] = []
    for number, (one, row) in enumerate(zip(wanted, there.rows, strict=True)):
        if row is None or one.force or row["status"] != "ready":
            continue
        if parameters.stale_only and there.fresh.get(key_of(row), {}).get("state") == "current":
            chosen.append((number, row, f"documents the branch's commit {str(row['last_commit_sha'])[:10]}"))
        elif parameters.retry_failed and not parameters.stale_only:
            chosen.append((number, row, "is ready"))
    return chosen
