"""The kernel's half of the panel against a real server: who asks how often, what is said, and that nothing is left."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ipywidgets.widgets import widget as registry
from panels import poll_threads, until
from relay import Relay
from servers import Server, git, make_demo_repo
from walking import MODEL, Walk

from docsfy_jupyter import Conflict, DocsfyClient, GenerationAborted, GenerationFailed, NotFound, StatusPanel, connect
from docsfy_jupyter.errors import AlreadyGenerating, BadRequest
from docsfy_jupyter.models import Status, Variant
from docsfy_jupyter.widgets.kernel import kernel_panels

Show = Callable[..., StatusPanel]


def start(client: DocsfyClient, repo: Path, model: str, **more: Any) -> Variant:
    return client.generate(repo, provider="fake", model=model, **more)


@pytest.fixture
def long_run(panel_client: DocsfyClient, shared_repo: Path, request: pytest.FixtureRequest) -> Iterator[Variant]:
    """A run that goes on until the test ends."""
    row = start(panel_client, shared_repo, "pages=2,plansleep=60", name=f"long-{abs(hash(request.node.name)) % 10**8}")
    yield row
    if panel_client.get(row).status is Status.GENERATING:
        panel_client.abort(row)


def shown(show: Show, row: Variant, **options: Any) -> StatusPanel:
    return show(row.name, row.ai_model, **options)


def wait_until_known(panel: StatusPanel) -> None:
    until(lambda: panel.status == "generating", "it knows")


@pytest.mark.case("W04")
def test_twenty_panels_of_a_variant_share_one_thread_and_one_request_a_second(
    show: Show, panel_relay: Relay, long_run: Variant
) -> None:
    panels = [shown(show, long_run) for _ in range(20)]
    until(lambda: all(panel.status == "generating" for panel in panels), "all know")
    assert len(poll_threads()) == 1
    before = panel_relay.count()
    time.sleep(3)
    times = panel_relay.times()[before:]
    assert 1 <= len(times) <= 4, "one request a second, whatever the number of panels"
    for panel in panels[1:]:
        panel.close()
    until(lambda: panel_relay.count() > before + len(times), "the last panel goes on")
    panels[0].close()
    until(lambda: not poll_threads(), "the thread ends with the last panel")
    after = panel_relay.count()
    time.sleep(1.5)
    assert panel_relay.count() == after


@pytest.mark.case("W04")
def test_a_closed_panel_leaves_nothing_behind(panel_client: DocsfyClient, panel_relay: Relay, long_run: Variant) -> None:
    widgets = len(registry._instances)
    other = StatusPanel.of(long_run, client=panel_client, poll_interval=60)
    panel = StatusPanel.of(long_run, client=panel_client, poll_interval=60)
    wait_until_known(panel)
    known = weakref.ref(panel)
    panel.close()
    panel.close()
    del panel
    gc.collect()
    assert known() is None, "also while another panel keeps the poller alive"
    other.close()
    until(lambda: not poll_threads(), "the thread ends")
    assert len(registry._instances) == widgets


def test_the_thread_ends_with_the_run_and_a_refresh_finds_the_next_one(
    show: Show, panel_client: DocsfyClient, panel_relay: Relay, shared_repo: Path
) -> None:
    row = start(panel_client, shared_repo, "pages=1,sleep=0.1", name="ends")
    panel = shown(show, row)
    assert panel.wait(60).status is Status.READY
    assert (panel.status, panel.page_count, panel.total, panel.stage) == ("ready", 1, 1, None)
    until(lambda: not poll_threads(), "nobody polls a run that has ended")
    asked = panel_relay.count()
    time.sleep(1.2)
    assert panel_relay.count() == asked
    again = start(panel_client, shared_repo, "pages=1,sleep=0.1", name="ends", force=True)
    panel.refresh()
    assert panel.variant is not None
    assert panel.variant.generation_id == again.generation_id
    assert panel.wait(60).status is Status.READY


def test_waiting_after_somebody_began_a_new_run_waits_for_that_run(
    show: Show, panel_client: DocsfyClient, shared_repo: Path
) -> None:
    row = start(panel_client, shared_repo, "pages=1,sleep=0.5", name="again")
    panel = shown(show, row)
    first = panel.wait(60)
    with pytest.raises(BadRequest, match=r"^Nothing was started: Write the one page of again anew with fake/.* Pass pay=True"):
        panel.regenerate(force=True)
    assert panel.refresh().wait(60).generation_id == first.generation_id
    second = panel.regenerate(force=True, pay=True).wait(60)
    assert second.generation_id != first.generation_id
    third = start(panel_client, shared_repo, "pages=1,sleep=0.5", name="again", force=True)
    assert panel.wait(60).generation_id == third.generation_id


@pytest.mark.case("W08")
def test_an_unchanged_variant_costs_a_304_and_no_message(
    show: Show, panel_relay: Relay, panel_messages: list[tuple[str, Any]], long_run: Variant
) -> None:
    panel = shown(show, long_run)
    until(lambda: panel.stage == "planning", "the run is in its long step")
    time.sleep(1.1)
    quiet, asked = len(panel_messages), len(panel_relay.requests)
    until(lambda: len(panel_relay.requests) >= asked + 3, "three polls")
    assert panel_messages[quiet:] == []
    assert {status for _, verb, _, status in panel_relay.requests[asked + 1 :] if verb == "GET"} == {304}


@pytest.mark.case("W02")
def test_an_abort_meant_for_a_run_that_is_over_spares_the_next_one(
    show: Show, panel_client: DocsfyClient, long_run: Variant, shared_repo: Path
) -> None:
    panel = shown(show, long_run, poll_interval=600)
    until(lambda: panel.status == "generating", "it knows the first run")
    panel_client.abort(long_run)
    second = start(panel_client, shared_repo, long_run.ai_model, name=long_run.name)
    with pytest.raises(Conflict):
        panel.abort()
    assert panel_client.get(second).status is Status.GENERATING
    assert panel.refresh().abort().status is Status.ABORTED


def test_a_panel_deletes_what_it_shows_and_never_another_branchs_variant_in_its_place(
    show: Show, panel_client: DocsfyClient, tmp_path: Path
) -> None:
    repo = make_demo_repo(tmp_path)
    git(repo, "branch", "other")
    rows = [panel_client.wait(start(panel_client, repo, "pages=1", name="shown-and-gone", branch=name)) for name in ("other", "main")]
    panel = shown(show, rows[1])  # names no branch: the default one's
    until(lambda: panel.status == "ready", "it knows")
    panel.delete()
    assert (panel.variant, panel.status, str(panel).split(" · ")[-1]) == (None, None, "deleted")
    with pytest.raises(NotFound, match="shown-and-gone · fake/pages=1 · main is deleted"):
        panel.delete()
    assert [row.branch for row in panel_client.list() if row.name == "shown-and-gone"] == ["other"]


def test_a_panel_does_not_delete_what_is_generated(show: Show, panel_client: DocsfyClient, long_run: Variant) -> None:
    panel = shown(show, long_run)
    until(lambda: panel.status == "generating", "it knows")
    with pytest.raises(AlreadyGenerating):
        panel.delete()
    assert panel.status == "generating"
    assert panel_client.get(long_run).status is Status.GENERATING


def test_a_panel_moves_to_the_variant_that_it_regenerated(show: Show, walk: Walk) -> None:
    panel = show("walk", MODEL, branch="main")
    until(lambda: panel.status == "ready", "it knows")
    row = panel.regenerate(model="pages=1").wait(60)
    assert (row.name, row.branch, row.ai_model, row.status.value) == ("walk", "main", "pages=1", "ready")
    assert panel.key["model"] == "pages=1"


async def test_done_is_awaited_while_other_tasks_go_on(show: Show, panel_client: DocsfyClient, shared_repo: Path) -> None:
    row = start(panel_client, shared_repo, "pages=1,sleep=0.5", name="awaited")
    panel = shown(show, row)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.05)
            ticks += 1

    other = asyncio.create_task(tick())
    assert (await panel.done(60)).status is Status.READY
    other.cancel()
    assert ticks > 3


def test_waiting_raises_what_the_run_ended_in_or_returns_it(show: Show, panel_client: DocsfyClient, shared_repo: Path) -> None:
    row = start(panel_client, shared_repo, "pages=2,fail=page-2", name="failing")
    panel = shown(show, row)
    with pytest.raises(GenerationFailed, match="page-2") as failed:
        panel.wait(60)
    assert failed.value.details["variant"].failed_pages[0].slug == "page-2"
    assert panel.wait(60, on_error="return").status is Status.ERROR
    assert panel.error_message is not None
    assert "page-2" in panel.error_message


def test_waiting_for_what_lasts_or_does_not_exist_says_so(show: Show, long_run: Variant) -> None:
    panel = shown(show, long_run)
    wait_until_known(panel)
    with pytest.raises(TimeoutError, match=r"generating.* after 0\.2 s"):
        panel.wait(0.2)
    panel.abort()
    with pytest.raises(GenerationAborted, match="Generation aborted by user"):
        panel.wait(10)
    with pytest.raises(NotFound, match="not generated yet"):
        show("nothing-here", "pages=1").wait(30)


def test_a_panel_says_what_is_missing_and_takes_up_a_run_that_starts_elsewhere(
    show: Show, panel_client: DocsfyClient, shared_repo: Path, walk: Walk
) -> None:
    near = show("walk", "pages=22")
    until(lambda: near.state["notice"] and near.state["notice"]["kind"] == "missing", "missing")
    assert f"walk/main/fake/{MODEL}" in near.state["notice"]["candidates"]
    panel = show("elsewhere", "pages=1")
    until(lambda: panel.state["notice"] and panel.state["notice"]["kind"] == "missing", "missing")
    row = start(panel_client, shared_repo, "pages=1", name="elsewhere")
    until(lambda: panel.status == "ready", "it takes up the run")
    panel_client.delete(row)
    panel.refresh()
    assert panel.state["notice"] == {"kind": "deleted", "text": "This variant was deleted.", "candidates": []}
    assert (panel.status, panel.variant) == (None, None)


def test_a_branch_must_be_named_where_several_fit(show: Show, walk: Walk) -> None:
    panel = show("twins", MODEL)
    until(lambda: panel.state["notice"] and panel.state["notice"]["kind"] == "ambiguous", "ambiguous")
    assert "twins/v1/fake" in panel.state["notice"]["text"]
    until(lambda: not poll_threads(), "asking again would not help")


def test_a_token_that_is_not_accepted_stops_the_polling(show: Show, shared_server: Server) -> None:
    with connect(shared_server.url, "wrong") as stranger:
        panel = show("walk", MODEL, client=stranger)
        until(lambda: panel.state["notice"] and panel.state["notice"]["kind"] == "login", "login")
        assert "token is not accepted" in panel.state["notice"]["text"]
        until(lambda: not poll_threads(), "asking again would not help")


def test_three_failures_in_a_row_are_told_quietly_and_forgotten_at_the_next_answer(
    show: Show, panel_relay: Relay, long_run: Variant
) -> None:
    panel = shown(show, long_run)
    wait_until_known(panel)
    panel_relay.cut = True
    asked = panel_relay.count()
    until(lambda: panel_relay.count() == asked + 2, "two failures")
    assert panel.state["offline_since"] is None, "two failures are passed over"
    until(lambda: panel.state["offline_since"], "the third is told")
    assert panel.status == "generating", "the last state stays"
    panel_relay.cut = False
    until(lambda: panel.state["offline_since"] is None, "it recovers by itself")


@pytest.mark.case("W11")
def test_without_any_server_the_panel_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    for name in ("DOCSFY_JUPYTER_URL", "JUPYTERHUB_SERVICE_URL", "JUPYTERHUB_SERVICE_PREFIX", "JPY_PARENT_PID"):
        monkeypatch.delenv(name, raising=False)
    kernel_panels.cache_clear()
    panel = StatusPanel("demo", "local", "static")
    assert panel.state["notice"]["kind"] == "unreachable"
    assert "connect(url=" in panel.state["notice"]["text"]
    assert panel.refresh().status is None
    panel.close()
    assert capfd.readouterr() == ("", "")
    assert not poll_threads()


@pytest.mark.case("W10")
def test_a_thread_prints_nothing_and_the_log_tells_all(
    show: Show, panel_client: DocsfyClient, panel_relay: Relay, shared_repo: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    panel = shown(show, start(panel_client, shared_repo, "pages=3,sleep=0.2", name="silent"))
    panel_relay.cut = True
    time.sleep(1.2)
    panel_relay.cut = False
    until(lambda: panel.status == "ready", "the run ends")
    assert capfd.readouterr() == ("", "")
    assert panel.entries[-1]["text"] == "Documentation ready!"


def test_a_fault_of_one_observer_does_not_blind_the_other_panels(
    show: Show, panel_client: DocsfyClient, shared_repo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = start(panel_client, shared_repo, "pages=1,sleep=0.5", name="observed")
    first, second = shown(show, row), shown(show, row)
    told: list[str] = []

    def fail(change: Any) -> None:
        told.append(threading.current_thread().name)
        raise RuntimeError("an observer's own fault")

    first.observe(fail, "status")
    until(lambda: second.status == "ready", "the other goes on")
    assert told
    assert "an observer's own fault" in caplog.text
