"""Pure: what came of a batch; the object that programs read from the notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from docsfy_jupyter.batch.variants import Wanted, called

RESULT_TYPE = "application/vnd.docsfy.result+json"
GOOD = ("ready", "up_to_date", "skipped")
OUTCOMES = (*GOOD, "error", "aborted", "refused", "timeout", "lost")
_STAGES = ("queued", "cloning", "planning", "incremental_planning", "generating_pages", "rendering")


@dataclass(frozen=True)
class VariantResult:
    """What came of one variant.

    Parameters
    ----------
    name, branch, provider, model : str or None
        As the server has them; None is what it was never asked.
    repo : str
        A URL or an absolute path.
    outcome : str
        ``ready``, ``up_to_date`` (nothing had changed), ``skipped`` (not asked for), ``error``, ``aborted``, ``refused``
        (never started), ``timeout`` (still in progress when the time was up) or ``lost`` (nobody watched it to its end: the
        server went away, or the batch stopped before).
    reason : str or None
        Why, unless it is ``ready``.
    seconds : float or None
        From its start, queueing included, to its end.
    stages : mapping of str to float
        Seconds of each stage.
    pages_done, pages_total : int
        Pages of the plan.
    cost_usd : float or None
        Of the run, whoever started it; unknown is None.
    commit, generation_id : str or None
        Of the run.
    joined : bool
        The run was in progress already: what it costs is not this batch's.
    published : str or None
        The folder that has its site.
    owner : str or None
        Whose variant it is.
    estimate : mapping or None
        What the server foresaw of the run: ``pages``, ``calls``, ``tokens``, ``cost_usd`` and ``seconds`` (of planning and
        writing), each None where nobody could know; ``at_most`` where pages could turn out to be reusable; ``basis``.
    untold_calls : int
        How many calls may have cost beside `cost_usd`, and nobody knows how much.
    """

    name: str
    branch: str | None
    provider: str | None
    model: str | None
    repo: str
    outcome: str
    reason: str | None = None
    seconds: float | None = None
    stages: Mapping[str, float] = field(default_factory=dict)
    pages_done: int = 0
    pages_total: int = 0
    cost_usd: float | None = None
    commit: str | None = None
    generation_id: str | None = None
    joined: bool = False
    published: str | None = None
    owner: str | None = None
    estimate: Mapping[str, Any] | None = None
    untold_calls: int = 0

    @property
    def good(self) -> bool:
        """Whether its documentation is there as it was wanted."""
        return self.outcome in GOOD

    @property
    def cost_at_least(self) -> bool:
        """Whether its run cost, or will have cost, more than `cost_usd` says, or may have: nobody knows."""
        if not self.generation_id or self.outcome in ("skipped", "refused"):
            return False
        goes_on = self.outcome in ("timeout", "lost") and bool(self.cost_usd)
        return self.cost_usd is None or self.untold_calls > 0 or goes_on

    @property
    def address(self) -> str:
        """``name/branch/provider/model``; where they are not all known, the name and those that are."""
        return called(self.name, self.branch, self.provider, self.model)


@dataclass(frozen=True)
class BatchResult:
    """What came of a batch; its times are ISO 8601 in UTC, `batch_ids` are those of its list requests."""

    started_at: str
    ended_at: str
    variants: tuple[VariantResult, ...]
    batch_ids: tuple[str, ...] = ()
    note: str | None = None

    @property
    def ok(self) -> bool:
        """Whether every variant is good."""
        return all(variant.good for variant in self.variants)

    @property
    def failed(self) -> list[VariantResult]:
        """The variants that are not good."""
        return [variant for variant in self.variants if not variant.good]

    @property
    def counts(self) -> dict[str, int]:
        """How many variants had each outcome; those that none had are left out."""
        outcomes = [variant.outcome for variant in self.variants]
        return {name: outcomes.count(name) for name in OUTCOMES if name in outcomes}

    @property
    def cost_usd(self) -> float | None:
        """What is known of the cost of its own runs, each counted once; None for nothing, or nothing beside what is unknown."""
        own = [variant for variant in self.variants if not variant.joined and variant.cost_usd is not None]
        known = {variant.generation_id or variant.address: variant.cost_usd or 0.0 for variant in own}
        return sum(known.values()) if any(known.values()) or (known and not self.cost_at_least) else None

    @property
    def cost_at_least(self) -> bool:
        """Whether its own runs cost more than `cost_usd`, or may have: it is "at least" so much then."""
        return any(variant.cost_at_least for variant in self.variants if not variant.joined)

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``application/vnd.docsfy.result+json``."""
        return {
            "schema": 1,
            "ok": self.ok,
            "batch_id": next(iter(self.batch_ids), None),
            "batch_ids": list(self.batch_ids),
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "seconds": seconds_between(self.started_at, self.ended_at),
            "counts": self.counts,
            "cost_usd": self.cost_usd,
            "cost_at_least": self.cost_at_least,
            "note": self.note,
            "variants": [{**vars(variant), "stages": dict(variant.stages)} for variant in self.variants],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BatchResult:
        """Read what `to_json` wrote.

        Raises
        ------
        KeyError, TypeError
            It was not.
        """
        variants = tuple(VariantResult(**variant) for variant in data["variants"])
        return cls(data["started_at"], data["ended_at"], variants, _batch_ids(data), data["note"])


def _batch_ids(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Return them; receipts of before had one only."""
    return tuple(data.get("batch_ids") or filter(None, [data["batch_id"]]))


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Return the seconds between two ISO times, None where one is missing; never below 0."""
    if not start or not end:
        return None
    return max(0.0, round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 3))


def stage_seconds(times: Mapping[str, str], end: str | None) -> dict[str, float]:
    """Return how long each stage took: until the next one began, the last until the end."""
    began = sorted((at, stage) for stage, at in times.items() if stage in _STAGES)
    ends = [*(at for at, _ in began[1:]), end]
    lasted = ((stage, seconds_between(at, until)) for (at, stage), until in zip(began, ends, strict=False))
    return {stage: seconds for stage, seconds in lasted if seconds is not None}


def from_row(
    wanted: Wanted, row: Mapping[str, Any], outcome: str | None = None, reason: str | None = None, **more: Any
) -> VariantResult:
    """Return the result of a run by its last known row; `outcome` and `reason` overrule it."""
    status, stage = str(row["status"]), row.get("current_stage")
    own = "up_to_date" if status == "ready" and stage == "up_to_date" else status
    why = "the repository is unchanged" if own == "up_to_date" else row.get("error_message")
    ended = row["updated_at"] if status != "generating" else None
    return VariantResult(
        name=row["name"],
        branch=row["branch"],
        provider=row["ai_provider"],
        model=row["ai_model"],
        repo=wanted.repo,
        outcome=outcome or own,
        reason=reason or why,
        seconds=seconds_between(row.get("started_at"), ended),
        stages=stage_seconds(row.get("stage_times") or {}, ended),
        pages_done=row.get("page_count") or 0,
        pages_total=row.get("total") or 0,
        cost_usd=row.get("run_cost_usd"),
        commit=row.get("last_commit_sha"),
        generation_id=row["generation_id"],
        owner=row["owner"],
        estimate=row.get("foreseen"),
        untold_calls=row.get("untold_calls") or 0,
        **more,
    )


def without_row(wanted: Wanted, outcome: str, reason: str, **more: Any) -> VariantResult:
    """Return the result of a variant that has no row."""
    known = (wanted.name, wanted.branch, wanted.provider, wanted.model, wanted.repo)
    return VariantResult(*known, outcome=outcome, reason=reason, **more)


def worst_first(variants: Iterable[VariantResult]) -> list[VariantResult]:
    """Return the failed ones first; within both halves in the given order."""
    return sorted(variants, key=lambda variant: variant.good)
