"""A batch in this process, by both clients: limits, joining, a server that goes away; in a notebook's cell and awaited."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from batching import Bench
from panels import until

from docsfy_jupyter import connect_async
from docsfy_jupyter.batch.notebook import Batch
from docsfy_jupyter.batch.parameters import read_parameters
from docsfy_jupyter.batch.steps import State
from docsfy_jupyter.batch.steps import run as steps
from docsfy_jupyter.batch.summary import as_text
from docsfy_jupyter.batch.variants import expand
from docsfy_jupyter.client.steps import Request, Steps
from docsfy_jupyter.errors import BatchFailed, BatchTimeout
from docsfy_jupyter.models import SERVER_RESTARTED

HOLD = "pages=2,hold=page-2"


def batch(bench: Bench, repo: str, *models: str, **more: Any) -> Batch:
    """Return a batch of one repository with several models."""
    variants = [{"repo": str(bench.folder / repo), "provider": "fake", "model": model} for model in models]
    return Batch(read_parameters({"variants": variants, **more}), bench.connect())


def test_stop_on_error_aborts_the_rest_and_says_for_whom(bench: Bench) -> None:
    bench.repo("zeta")
    bench.gate.touch()
    result = batch(bench, "zeta", HOLD, "pages=1,fail=page-1", stop_on_error=True).run().result
    bench.gate.unlink()
    assert result is not None
    assert result.counts == {"error": 1, "aborted": 1}
    assert str(result.variants[0].reason).startswith("stopped, since zeta failed (Generation aborted by user")


def test_a_batch_that_came_to_no_page_says_what_happened_and_no_price(bench: Bench) -> None:
    bench.repo("omega")
    lost = [{"repo": str(bench.folder / "omega"), "branch": name, "provider": "local"} for name in ("gone", "lost")]
    result = Batch(read_parameters({"variants": lost}), bench.connect()).run().result
    assert result is not None
    assert [one.cost_usd for one in result.variants] == [0.0, 0.0]
    head, *lines = as_text(result).splitlines()
    assert re.fullmatch(r"2 failed of 2 variants in (under )?[\d.]+ s", head)
    assert [line.split(" · ")[-1].partition(".")[0] for line in lines] == [
        f"branch {name} not found in {bench.folder / 'omega'}" for name in ("gone", "lost")
    ]


def test_a_batch_whose_cost_nobody_knows_says_so_beside_what_was_free(bench: Bench) -> None:
    bench.repo("price")
    repo = str(bench.folder / "price")
    entries = [{"repo": repo, "provider": "local"}, {"repo": repo, "provider": "fake", "model": "pages=1"}]
    result = Batch(read_parameters({"variants": entries}), bench.connect()).run().result
    assert result is not None
    assert [(one.cost_usd, one.untold_calls) for one in result.variants] == [(0.0, 0), (None, 2)]  # the plan and a page
    assert result.to_json()["cost_usd"] is None
    assert as_text(result).splitlines()[0].endswith(", cost unknown")


def listened(steps: Steps[Any], heard: list[Request]) -> Steps[Any]:
    """Note what steps ask."""
    request = next(steps)
    while True:
        heard.append(request)
        try:
            request = steps.send((yield request))
        except StopIteration as end:
            return end.value


def test_where_nothing_has_changed_a_batch_asks_and_runs_little(bench: Bench, tmp_path: Path) -> None:
    bench.repo("still")
    models = [f"pages={number}" for number in range(1, 7)]
    quiet = batch(bench, "still", *models)
    wanted = [replace(one, publish_dir=tmp_path / str(number)) for number, one in enumerate(quiet.wanted)]
    client = bench.connect()
    assert client.perform(steps(quiet.parameters, wanted)).counts == {"ready": 6}
    calls, heard = len(bench.git_calls), list[Request]()
    result = client.perform(listened(steps(quiet.parameters, wanted), heard))
    assert result.counts == {"up_to_date": 6}
    assert {stage for one in result.variants for stage in one.stages} <= {"queued", "cloning", "up_to_date"}
    asked = [request.path.split("/")[-1] for request in heard]
    polls = [request for request in heard if request.path == "api/projects"]
    assert asked.count("generate") == 1
    assert len(heard) - len(polls) == 1 + len(wanted)  # and each row once, for the version of its site: none is fetched
    assert "download" not in asked
    assert all(request.params.get("wait") for request in polls[1:])  # each is held until something changes
    ran = bench.git_calls[calls:]
    assert sum(line.endswith("/still HEAD") for line in ran) == 1  # its default branch, for all of them
    assert len(ran) <= 1 + 5 * len(wanted)


@pytest.mark.case("P06")
def test_a_time_limit_tells_the_last_status_and_aborts_where_asked(bench: Bench) -> None:
    bench.repo("eta")
    bench.gate.touch()
    with pytest.raises(BatchTimeout, match=r"eta/main/fake/.*: timeout, still in progress after 3 s: Generating pages, 1 / 2 pages"):
        batch(bench, "eta", HOLD, timeout=3.0).run().check()
    assert issubclass(BatchTimeout, TimeoutError)
    assert [row["status"] for row in bench.rows("eta")] == ["generating"]
    joined = batch(bench, "eta", HOLD, timeout=1.5, abort_on_timeout=True).run().result
    assert joined is not None
    assert (joined.counts, joined.variants[0].joined) == ({"timeout": 1}, True)  # what another has started it does not abort
    bench.server.call("POST", "api/projects/eta/abort")
    aborted = batch(bench, "eta", HOLD, timeout=3.0, abort_on_timeout=True).run()
    assert aborted.result is not None
    assert aborted.result.counts == {"aborted": 1}
    assert [row["status"] for row in bench.rows("eta")] == ["aborted"]
    bench.gate.unlink()
    with pytest.raises(BatchFailed, match="aborted, still in progress after 3 s"):
        aborted.check()


@pytest.mark.case("P07")
async def test_it_runs_in_a_cell_whose_loop_runs_and_awaited_beside_other_tasks(bench: Bench) -> None:
    bench.repo("theta")
    one = batch(bench, "theta", "pages=1").run().result  # in a running loop, as in every notebook's cell
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    other = asyncio.create_task(tick())
    async with connect_async(bench.server.url, bench.server.token) as client:
        awaited = await batch(bench, "theta", "pages=1,sleep=0.5").run_async(client)
    other.cancel()
    assert one is not None
    assert awaited.result is not None
    assert (one.counts, awaited.result.counts) == ({"ready": 1}, {"ready": 1})
    assert ticks > 20


@pytest.mark.case("O02")
async def test_a_server_that_is_restarted_meanwhile_is_told_and_the_next_batch_finishes_the_rest(
    bench: Bench, restart: Callable[[], None]
) -> None:
    bench.repo("iota")
    bench.gate.touch()
    waiting = batch(bench, "iota", "pages=1", HOLD)
    seen: list[State] = []
    client = bench.connect()
    running = asyncio.create_task(asyncio.to_thread(client.perform, steps(waiting.parameters, waiting.wanted, seen.append)))
    await asyncio.to_thread(bench.held, "iota", 1)
    await asyncio.to_thread(until, lambda: any(row["status"] == "ready" for row in seen[-1].rows.values()), "one is ready")
    await asyncio.to_thread(restart)
    result = await running
    assert result.counts == {"ready": 1, "error": 1}
    assert result.variants[1].reason == SERVER_RESTARTED
    assert [row["status"] for row in bench.rows("iota") if row["status"] == "generating"] == []
    bench.gate.unlink()
    again = batch(bench, "iota", "pages=1", HOLD).run().result
    assert again is not None
    assert again.counts == {"ready": 1, "up_to_date": 1}


def test_what_a_batch_costs_is_limited_only_where_the_cost_is_known(bench: Bench) -> None:
    bench.repo("kappa")
    result = batch(bench, "kappa", "pages=1", max_cost_usd=1.0).run().result
    assert result is not None
    assert result.counts == {"refused": 1}
    assert "max_cost_usd cannot be kept" in str(result.variants[0].reason)


@pytest.mark.case("O02")
def test_a_server_that_does_not_come_back_makes_a_result_not_an_endless_wait(
    bench: Bench, restart: Callable[[], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bench.repo("mu")
    bench.gate.touch()
    monkeypatch.setattr("docsfy_jupyter.client.batches._PATIENCE", 2.0)
    waiting = batch(bench, "mu", HOLD)

    def pull_the_plug(state: State) -> None:
        if not state.runs:  # it is told before anything is asked for, too
            return
        bench.server.process.kill()
        bench.server.process.wait()

    client = bench.connect()
    (wanted,) = expand(waiting.parameters)
    result = client.perform(steps(waiting.parameters, [wanted], pull_the_plug))
    assert result.counts == {"lost": 1}
    assert "the server restarted or went away" in str(result.variants[0].reason)
    bench.gate.unlink()
    restart()
    assert [row["status"] for row in bench.rows("mu")] == ["error"]
