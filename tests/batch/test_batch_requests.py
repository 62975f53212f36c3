"""What a batch asks of a server, answer by answer: money, lists in parts, freshness, and whose runs they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from docsfy_jupyter import errors
from docsfy_jupyter.batch.forecast import as_lines, forecast
from docsfy_jupyter.batch.notebook import Batch
from docsfy_jupyter.batch.parameters import read_parameters
from docsfy_jupyter.batch.progress import ProgressFile, ProgressReader
from docsfy_jupyter.batch.result import BatchResult, from_row
from docsfy_jupyter.batch.steps import State, run
from docsfy_jupyter.batch.summary import as_text
from docsfy_jupyter.batch.variants import expand
from docsfy_jupyter.client import batches
from docsfy_jupyter.client.steps import Request, Steps

WHEN = "2026-11-25T03:00:00+00:00"


def row(name: str, run_id: str, **more: Any) -> dict[str, Any]:
    """Return a row as a listing draws it."""
    key = {"name": name, "branch": "main", "ai_provider": "local", "ai_model": "static", "owner": "me", "is_default_branch": True}
    common = {"status": "generating", "generation_id": run_id, "started_at": WHEN, "updated_at": WHEN, "last_commit_sha": "abc"}
    return {**key, **common, "page_count": 0, "total": 1, "error_message": None, "run_cost_usd": None, **more}


class Scripted:
    """A server that is a few answers; requests are kept."""

    def __init__(self, rows: list[dict[str, Any]], generate: Callable[[int, list[dict[str, Any]]], list[dict[str, Any]]] | None = None) -> None:
        self.rows = rows
        self.asked: list[Request] = []
        self._generate = generate or (lambda _, bodies: [{"generation_id": f"run-{body['name']}"} for body in bodies])

    def count(self, path: str) -> int:
        return sum(request.path == path for request in self.asked)

    def _answer(self, request: Request) -> Any:
        if request.path == "api/generate":
            assert isinstance(request.json, list)
            number = self.count("api/generate")
            return {"batch_id": f"batch-{number}", "items": self._generate(number, request.json)}
        if request.path == "api/freshness":
            states = [{**one, "state": "current"} for one in self.rows if request.params.get("name") in (None, one["name"])]
            offset = int(request.params["offset"])
            return {"variants": states[offset : offset + 1000], "total": len(states)}
        if request.path.endswith("/abort") or request.path == "api/abort":
            return {}
        known = {
            "api/projects": {"projects": self.rows, "rev": 1},
            "api/models": {"default_provider": "local", "default_model": "static"},
            "health": {"status": "ok"},
        }
        if request.path == "api/estimate":
            assert isinstance(request.json, dict)
            chosen = {"branch": None, "ai_provider": "local", "ai_model": "static"}
            obstacle = "no program" if request.json["name"] == "programless" else None
            return {**chosen, "name": request.json["name"], "seconds": 0.02, "cost_usd": 0.0, "free": True, "unavailable": obstacle}
        return known[request.path]

    def perform(self, steps: Steps[Any]) -> Any:
        """Answer what steps ask until they are done."""
        try:
            request = next(steps)
            while True:
                self.asked.append(request)
                try:
                    answer = httpx.Response(200, json=self._answer(request), headers={"docsfy-user": "me"})
                except errors.DocsfyError as error:
                    request = steps.throw(error)
                else:
                    request = steps.send(answer)
        except StopIteration as end:
            return end.value


def of(names: list[str], **more: Any) -> Batch:
    """Return a batch of repositories that nobody will clone."""
    return Batch(read_parameters({"variants": [{"repo": f"/r/{name}"} for name in names], **more}), client=object())  # type: ignore[arg-type]


def result_of(server: Scripted, batch: Batch, on_change: Callable[[State], None] | None = None) -> BatchResult:
    found = server.perform(run(batch.parameters, batch.wanted, on_change))
    assert isinstance(found, BatchResult)
    return found


def joins(*names: str) -> Callable[[int, list[dict[str, Any]]], list[dict[str, Any]]]:
    """Return a server's answer that says of some that they are in progress already."""
    busy = {"code": "generation_in_progress", "detail": "it is generating already"}
    return lambda _, bodies: [{"generation_id": f"run-{body['name']}", **(busy if body["name"] in names else {})} for body in bodies]


def test_a_run_that_was_joined_costs_this_batch_nothing() -> None:
    rows = [row("a", "run-a", status="ready", run_cost_usd=6.0), row("b", "run-b", status="ready", run_cost_usd=1.5)]
    result = result_of(Scripted(rows, joins("a")), of(["a", "b"], max_cost_usd=5.0))
    assert result.counts == {"ready": 2}
    assert [one.cost_usd for one in result.variants] == [6.0, 1.5]
    assert result.cost_usd == 1.5
    assert "$6.00 (of a run that was joined, not counted)" in as_text(result)


def test_others_money_stops_no_batch_and_its_own_does() -> None:
    rows = [row("a", "run-a", run_cost_usd=6.0), row("b", "run-b", run_cost_usd=1.0)]
    goes_on = result_of(Scripted(rows, joins("a")), of(["a", "b"], max_cost_usd=5.0, timeout=0.01))
    assert goes_on.counts == {"timeout": 2}
    server = Scripted(rows, joins("b"))
    stopped = result_of(server, of(["a", "b"], max_cost_usd=5.0, timeout=0.01), lambda state: server.rows.__setitem__(0, {**rows[0], "status": "aborted"}))
    assert [one.outcome for one in stopped.variants] == ["aborted", "lost"]
    assert str(stopped.variants[1].reason).startswith("stopped, since the batch has cost 6.00 US dollars; it goes on at the server")


def test_a_run_whose_variant_was_deleted_meanwhile_may_have_cost() -> None:
    rows = [row("a", "run-a", status="ready", run_cost_usd=0.0)]
    result = result_of(Scripted(rows), of(["a", "b"], timeout=0.01))
    assert result.counts == {"ready": 1, "lost": 1}
    assert str(result.variants[1].reason) == "its variant was deleted meanwhile"
    assert (result.cost_usd, result.cost_at_least) == (None, True)
    others = result_of(Scripted(rows, joins("b")), of(["a", "b"], timeout=0.01))
    assert (others.cost_usd, others.cost_at_least) == (0.0, False)


def test_a_run_that_is_listed_twice_is_paid_once() -> None:
    done = row("a", "run-a", status="ready", run_cost_usd=3.0)
    (one,) = of(["a"]).wanted
    twice = BatchResult(WHEN, WHEN, (from_row(one, done), from_row(one, done, joined=True), from_row(one, done)))
    assert twice.cost_usd == 3.0


def test_what_is_left_over_after_stop_on_error_is_no_timeout() -> None:
    rows = [row("a", "run-a"), row("b", "run-b", status="error", error_message="no")]
    batch = of(["a", "b"], stop_on_error=True)
    batch.result = result_of(Scripted(rows, joins("a")), batch)
    assert [one.outcome for one in batch.result.variants] == ["lost", "error"]
    assert str(batch.result.variants[0].reason).startswith("stopped, since b failed; it goes on at the server: ")
    with pytest.raises(errors.BatchFailed) as failed:
        batch.check()
    assert not isinstance(failed.value, errors.BatchTimeout)


def test_a_long_list_is_asked_for_in_parts_and_each_part_is_told_at_once() -> None:
    names = [f"n{number}" for number in range(250)]

    def generate(number: int, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if number > 1:
            raise errors.ServerUnreachable("no answer in 120 s")
        return joins()(number, bodies)

    told: list[set[str]] = []
    server = Scripted([row(name, f"run-{name}", status="ready") for name in names], generate)
    result = result_of(server, of(names), lambda state: told.append(set(state.runs.values())))
    assert (told[0], told[1]) == (set(), {f"run-n{number}" for number in range(100)})
    assert result.counts == {"ready": 100, "refused": 50, "lost": 100}
    assert result.variants[100].reason == "nobody could say whether it was started: no answer in 120 s"
    assert [request.delay for request in server.asked if request.path == "api/generate"] == [0, 0, 1, 4]
    whole = result_of(Scripted(server.rows), of(names))
    assert (whole.counts, whole.batch_ids) == ({"ready": 250}, ("batch-1", "batch-2", "batch-3"))
    assert BatchResult.from_json(json.loads(json.dumps(whole.to_json()))).batch_ids == whole.batch_ids
    with pytest.raises(errors.ServerUnreachable):
        result_of(Scripted([], lambda *_: generate(2, [])), of(names))


def test_a_list_whose_answer_is_lost_is_sent_again_by_the_name_that_was_told_before() -> None:
    names = [f"n{number}" for number in range(101)]
    told: list[list[str]] = []

    def generate(number: int, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        assert server.asked[-1].params["batch_id"] == told[-1][-1]
        if number in (1, 2, 4):
            raise errors.ServerUnreachable("the answer was lost")
        return joins()(number, bodies)

    server = Scripted([row(name, f"run-{name}", status="ready") for name in names], generate)
    assert result_of(server, of(names), lambda state: told.append([*state.batch_ids])).counts == {"ready": 101}
    sent = [(request.params["batch_id"], len(request.json or ())) for request in server.asked if request.path == "api/generate"]
    assert sent == [sent[0]] * 3 + [sent[3]] * 2
    assert ([size for _, size in sent], len({name for name, _ in sent})) == ([100, 100, 100, 1, 1], 2)


def test_only_the_batchs_own_repositories_are_asked_and_once() -> None:
    rows = [row(name, f"run-{name}", status="ready") for name in ("a", "b", "other")]
    server = Scripted([*rows, row("c", "run-c", owner="somebody", status="ready")])
    batch = of(["a", "b", "c"], stale_only=True)
    found = server.perform(forecast(batch.parameters, batch.wanted))
    assert [(one["state"], one["runs"]) for one in found["variants"]] == [("up_to_date", False), ("up_to_date", False), ("new", True)]
    assert [request.params["name"] for request in server.asked if request.path == "api/freshness"] == ["a", "b"]
    assert [request.params["refresh"] for request in server.asked if request.path == "api/freshness"] == ["1", "1"]
    assert server.count("api/projects") == 1


def test_a_folder_that_no_site_can_be_put_in_is_told_before_anything_is_paid(tmp_path: Path) -> None:
    for name in ("file", "other"):
        (tmp_path / name).write_text("")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("")
    folders = {"a": tmp_path / "file", "b": tmp_path / "other" / "below", "c": tmp_path / "mine", "d": tmp_path / ".git" / "site", "e": tmp_path / "new"}
    variants = [{"repo": f"/r/{name}", "publish_dir": str(folder)} for name, folder in folders.items()]
    batch = Batch(read_parameters({"variants": variants, "timeout": 0.01}), client=object())  # type: ignore[arg-type]
    server = Scripted([row("e", "run-e")])
    result = result_of(server, batch)
    assert [one.outcome for one in result.variants] == ["refused"] * 4 + ["timeout"]
    for one, says in zip(result.variants, ("is a file", "cannot be written", "is not empty", "files of git itself"), strict=False):
        assert str(one.reason).startswith("it was not started, since its site could not be published: ")
        assert says in str(one.reason)
    (asked,) = [request.json for request in server.asked if request.path == "api/generate"]
    assert [body["name"] for body in asked] == ["e"]  # type: ignore[union-attr,index]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine", "other"]

    found = Scripted([]).perform(forecast(batch.parameters, batch.wanted))
    assert [(one["state"], one["runs"]) for one in found["variants"]] == [("refused", False)] * 4 + [("new", True)]
    assert (found["seconds"], found["cost_usd"]) == (0.02, 0.0)
    lines = as_lines(found)
    assert [line.split()[0] for line in lines] == ["fail"] * 4 + ["run", "1"]
    assert lines[0].startswith("fail a (local/static) · refused · ")
    assert lines[4:] == ["run  e (local/static) · new · about 1 s · free", "1 of 5 would run, in about 1 s and for free. Nothing was started."]


def test_a_dry_run_says_that_a_provider_could_not_start() -> None:
    batch = of(["a", "programless"])
    assert as_lines(Scripted([]).perform(forecast(batch.parameters, batch.wanted))) == [
        "run  a (local/static) · new · about 1 s · free",
        "fail programless (local/static) · refused · no program",
        "1 of 2 would run, in about 1 s and for free. Nothing was started.",
    ]


def test_another_owners_documentation_leaves_nothing_out() -> None:
    server = Scripted([row("a", "theirs", owner="somebody", status="ready")])
    result_of(server, of(["a"], stale_only=True, timeout=0.01))
    assert server.count("api/generate") == 1


def test_freshness_reads_every_page() -> None:
    server = Scripted([row(f"n{number}", f"{number}") for number in range(2500)])
    found = server.perform(batches.freshness())
    assert len({one["name"] for one in found}) == len(found) == 2500
    assert server.count("api/freshness") == 3
    assert Scripted([]).perform(batches.freshness()) == []


def test_progress_grows_with_what_changes_and_is_read_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    path.write_text("")
    names = [f"n{number}" for number in range(200)]
    state = State(expand(of(names).parameters), started_at=WHEN)
    state.runs = {number: f"run-{name}" for number, name in enumerate(names)}
    file, reader = ProgressFile(path), ProgressReader(path)
    file.write(state)
    (first,) = reader.news()
    assert len(first["variants"]) == 200
    whole = path.stat().st_size
    seen: list[Mapping[str, Any]] = []
    for number in range(20):
        state.rows = {**state.rows, f"run-n{number}": row(f"n{number}", f"run-n{number}", status="ready")}
        file.write(state)
        file.write(state)
        seen += reader.news()
    assert len(seen) == 20
    assert [one["outcome"] for one in seen[9]["variants"]] == ["ready"] * 10 + ["generating"] * 190
    assert seen[-1]["variants"] == [json.loads(json.dumps(vars(one))) for one in state.results()]
    assert path.stat().st_size - whole < whole
    state.batch_ids.append("batch-1")
    file.write(state)
    assert [one["batch_ids"] for one in reader.news()] == [["batch-1"]]
