"""Pure: a batch from its first request to its result, as steps that yield requests; nothing here knows how they are sent."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from docsfy_jupyter import errors
from docsfy_jupyter.batch.parameters import BatchParameters
from docsfy_jupyter.batch.present import left_out, present
from docsfy_jupyter.batch.result import BatchResult, VariantResult, from_row, without_row
from docsfy_jupyter.batch.variants import Wanted
from docsfy_jupyter.client import batches, verbs
from docsfy_jupyter.client.asking import NAMES
from docsfy_jupyter.client.batches import Row, key_of
from docsfy_jupyter.client.folders import check_folder, holds_version, unpack_site
from docsfy_jupyter.client.steps import Steps
from docsfy_jupyter.models import VariantKey, iso, utc_now

_AT_ONCE = 100  # runs asked for in one request: one that gets no answer leaves no more in doubt
_LAST_WORDS = 60.0  # seconds that aborted runs have to say so


@dataclass
class State:
    """How far a batch is: what everyone who shows it reads.

    Parameters
    ----------
    wanted : sequence of Wanted
        In the order of the file.
    runs : dict of int to str
        The run of each variant, by its place in `wanted`.
    rows : dict of str to Row
        The last known row of each run.
    settled : dict of int to VariantResult
        Variants that have no run to wait for.
    batch_ids : list of str
        Of the list requests.
    joined : set of int
        Variants whose run was in progress already.
    """

    wanted: Sequence[Wanted]
    runs: dict[int, str] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    settled: dict[int, VariantResult] = field(default_factory=dict)
    batch_ids: list[str] = field(default_factory=list)
    joined: set[int] = field(default_factory=set)
    started_at: str = ""

    def results(self, unfinished: str = "generating", reason: str | None = None) -> list[VariantResult]:
        """Return what is known of every variant; `unfinished` is the outcome of those that still run."""
        return [self._result(number, unfinished, reason) for number in range(len(self.wanted))]

    def _result(self, number: int, unfinished: str, reason: str | None) -> VariantResult:
        if number in self.settled:
            return self.settled[number]
        joined, run = number in self.joined, self.runs.get(number)
        row = self.rows.get(run or "")
        if row is None:
            return without_row(self.wanted[number], unfinished, reason or "not started yet", generation_id=run, joined=joined)
        if row["status"] != "generating":
            return from_row(self.wanted[number], row, joined=joined)
        now = f"{row.get('stage_text') or 'generating'}, {row.get('text', '')}"
        return from_row(self.wanted[number], row, unfinished, f"{reason}: {now}" if reason else now, joined=joined)


Listener = Callable[[State], None]


def run(parameters: BatchParameters, wanted: Sequence[Wanted], on_change: Listener | None = None) -> Steps[BatchResult]:
    """Bring variants up to date: list requests, one held poll for all, then their sites are published.

    A server that goes away after the first list request, and does not come back, makes a result whose variants are ``lost``, not
    an exception.

    Parameters
    ----------
    parameters : BatchParameters
        Limits and filters.
    wanted : sequence of Wanted
        What `expand` made of them.
    on_change : callable, optional
        Called with the `State` whenever it has changed.

    Raises
    ------
    BadRequest, TokenNotAccepted, ServerUnreachable, ClientError
        The first list request failed.
    """
    state = State(wanted, started_at=iso(utc_now()) or "")
    tell = on_change or _nobody
    yield from _leave_out(state, parameters)
    _refuse_unpublishable(state)
    yield from _start(state, parameters, tell)
    tell(state)
    lost = yield from _watch(state, parameters, tell)
    results = state.results(*lost) if lost else state.results()
    published = yield from _publish(state, results)
    return BatchResult(state.started_at, iso(utc_now()) or "", tuple(published), tuple(state.batch_ids))


def _nobody(_: State) -> None:
    """Tell nobody."""


def _leave_out(state: State, parameters: BatchParameters) -> Steps[None]:
    """Settle what the filters leave out."""
    if not parameters.stale_only and not parameters.retry_failed:
        return
    there = yield from present(state.wanted, freshness=parameters.stale_only)
    for number, row, reason in left_out(state.wanted, parameters, there):
        known = (row["name"], row["branch"], row["ai_provider"], row["ai_model"], state.wanted[number].repo)
        state.settled[number] = VariantResult(
            *known,
            outcome="skipped",
            reason=reason,
            pages_done=row["page_count"],
            pages_total=row["total"],
            commit=row["last_commit_sha"],
            generation_id=row["generation_id"],
            owner=row["owner"],
        )


def _refuse_unpublishable(state: State) -> None:
    """Settle what would be paid for and could then not be put where it is wanted."""
    for number, one in enumerate(state.wanted):
        if number not in state.settled and (reason := unpublishable(one)):
            _settle(state, [number], "refused", reason)


def unpublishable(wanted: Wanted) -> str | None:
    """Say why a variant's site could not be published; None where it could, as far as one can tell before."""
    try:
        if wanted.publish_dir is not None:
            check_folder(wanted.publish_dir)
    except errors.BadRequest as error:
        return f"it was not started, since its site could not be published: {error.message}"
    return None


def _start(state: State, parameters: BatchParameters, tell: Listener) -> Steps[None]:
    """Ask for the runs, some at a time: what is asked for, and what was started, is told before more is asked for."""
    left = [number for number in range(len(state.wanted)) if number not in state.settled]
    for first in range(0, len(left), _AT_ONCE):
        numbers = left[first : first + _AT_ONCE]
        bodies = [state.wanted[number].body(parameters.max_cost_usd) for number in numbers]
        state.batch_ids.append(str(uuid.uuid4()))
        tell(state)  # so that they can be aborted by it, whether an answer comes or not
        try:
            answer = yield from batches.generate_all(bodies, state.batch_ids[-1])
        except errors.DocsfyError as error:
            if not first:
                raise
            _settle(state, numbers, "lost", f"nobody could say whether it was started: {error.message}")
            _settle(state, left[first + _AT_ONCE :], "refused", f"it was not started: {error.message}")
            return
        state.batch_ids[-1] = answer["batch_id"]  # a server of an earlier version chooses one of its own
        for number, item in zip(numbers, answer["items"], strict=True):
            _note(state, number, item)
        tell(state)


def _settle(state: State, numbers: Iterable[int], outcome: str, reason: str) -> None:
    state.settled |= {number: without_row(state.wanted[number], outcome, reason) for number in numbers}


def _note(state: State, number: int, item: Mapping[str, Any]) -> None:
    """Take the answer for one item: its run, the run in progress that it joins, or why there is none."""
    if "generation_id" in item:
        state.runs[number] = item["generation_id"]
        if "code" in item:
            state.joined.add(number)
    else:
        faults = item.get("faults")
        reason = errors.InvalidBody.of(faults).named(NAMES).message if faults else item["detail"]
        state.settled[number] = without_row(state.wanted[number], "refused", reason)


def _watch(state: State, parameters: BatchParameters, tell: Listener) -> Steps[tuple[str, str] | None]:
    """Watch to the end; returns outcome and reason for what is unfinished by then."""

    def changed(rows: Mapping[str, Row]) -> None:
        state.rows = dict(rows)
        tell(state)

    def enough(rows: Mapping[str, Row]) -> bool:
        return _stop_reason(state, parameters, rows) is not None

    try:
        rows = yield from batches.watch(state.runs.values(), timeout=parameters.timeout, on_change=changed, enough=enough)
        state.rows = dict(rows)
        _forget_deleted(state)
        if not _unfinished(state):
            return None
        stopped = _stop_reason(state, parameters, state.rows)
        reason = stopped or f"still in progress after {parameters.timeout:g} s"
        if stopped or parameters.abort_on_timeout:
            own = yield from _abort(state)
            state.rows |= yield from batches.watch(own, timeout=_LAST_WORDS)
            _explain(state, own, reason)
    except (errors.ServerUnreachable, errors.StoreUnavailable) as error:
        return "lost", f"the server restarted or went away: {error.message}"
    return ("lost", f"{stopped}; it goes on at the server") if stopped else ("timeout", reason)


def _forget_deleted(state: State) -> None:
    """Settle the runs that nobody knows any more."""
    for number, run in list(state.runs.items()):
        if run not in state.rows:
            del state.runs[number]
            of = {"generation_id": run, "joined": number in state.joined}  # it may have cost
            state.settled[number] = without_row(state.wanted[number], "lost", "its variant was deleted meanwhile", **of)


def _unfinished(state: State) -> list[str]:
    return [run for run in state.runs.values() if state.rows.get(run, {}).get("status", "generating") == "generating"]


def _stop_reason(state: State, parameters: BatchParameters, rows: Mapping[str, Row]) -> str | None:
    """Say why the rest should not go on, None where nothing speaks against it."""
    failed = [row["name"] for row in rows.values() if row["status"] in ("error", "aborted")]
    failed += [one.name for one in state.settled.values() if not one.good]
    if parameters.stop_on_error and failed:
        return f"stopped, since {failed[0]} failed"
    own = {run for number, run in state.runs.items() if number not in state.joined}  # what others have started they pay for
    cost = sum(row.get("run_cost_usd") or 0.0 for run, row in rows.items() if run in own)
    if parameters.max_cost_usd is not None and cost >= parameters.max_cost_usd:
        return f"stopped, since the batch has cost {cost:.2f} US dollars"
    return None


def _abort(state: State) -> Steps[list[str]]:
    """Abort this batch's own runs, one by one, and return them: those that it has joined belong to somebody else."""
    unfinished = set(_unfinished(state))
    own = [run for number, run in state.runs.items() if run in unfinished and number not in state.joined]
    for run in own:
        try:
            yield from verbs.abort(key_of(state.rows[run]), generation_id=run)
        except (errors.Conflict, errors.NotFound):  # it has ended by itself, or takes its time
            continue
    return own


def _explain(state: State, runs: Sequence[str], reason: str) -> None:
    """Say of the runs that were aborted for this batch why."""
    for run in runs:
        row = state.rows[run]
        if row["status"] == "aborted":
            state.rows[run] = {**row, "error_message": f"{reason} ({row['error_message']})"}


def _publish(state: State, results: Sequence[VariantResult]) -> Steps[list[VariantResult]]:
    """Put the sites of good variants where they are wanted."""
    published: list[VariantResult] = []
    for wanted, result in zip(state.wanted, results, strict=True):
        if not result.good or wanted.publish_dir is None:
            published.append(result)
            continue
        try:
            left_out = yield from _publish_one(result, wanted.publish_dir)
        except (errors.DocsfyError, OSError) as error:
            reason = f"its site could not be published in {wanted.publish_dir}: {error}"
            published.append(replace(result, outcome="error", reason=reason))
            continue
        kept = f"others' files have these names, they were left as they are: {', '.join(left_out)}" if left_out else None
        why = "; ".join(filter(None, (result.reason, kept))) or None
        published.append(replace(result, published=str(wanted.publish_dir), reason=why))
    return published


def _publish_one(result: VariantResult, folder: Path) -> Steps[list[str]]:
    """Publish a site unless the folder has it already; returns the files of it that were left out."""
    parts = (result.name, result.branch, result.provider, result.model, result.owner)
    row = yield from verbs.get(VariantKey(*(part or "" for part in parts)))
    version = f"{row.address} {row.last_generated}"
    if holds_version(folder, version):
        return []
    check_folder(folder)
    with tempfile.TemporaryDirectory(prefix="docsfy-publish-") as aside:
        archive = yield from verbs.download(row, target=Path(aside) / "site.tar.gz")
        return unpack_site(archive, folder, version=version)
