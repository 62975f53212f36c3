"""What the panel says to its views and asks through them, without a server: bounded, and never twice the same."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from panels import poll_threads, until

from docsfy_jupyter import NotGenerating, StatusPanel
from docsfy_jupyter.client.waiting import Polled
from docsfy_jupyter.models import Stage, Status, Variant, VariantKey

NOW = "2026-11-25T10:00:00+00:00"
PAGES = [{"slug": f"page-{i}", "title": f"Page {i}: " + "long words " * 3} for i in range(210)]
PLANS = {size: json.dumps({"navigation": [{"group": "All", "pages": PAGES[:size]}]}) for size in (4, 210)}


class Canned:
    """Stands for a client: answers what it is given, and notes what is asked."""

    url = "http://nowhere.invalid/docsfy/"

    def __init__(self, row: Variant) -> None:
        self.row = row
        self.actions: list[tuple[Any, ...]] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def poll(self, variant: VariantKey, etag: str = "") -> Polled:
        return Polled(self.row, "", "server")

    def abort(self, variant: VariantKey, generation_id: str | None = None) -> Variant:
        self.actions.append(("abort", generation_id))
        self.go_on.wait(10)
        raise NotGenerating("It is ready.")

    def generate(self, **body: Any) -> Variant:
        self.actions.append(("generate", body))
        return self.row

    def delete(self, variant: Variant) -> None:
        self.actions.append(("delete", variant.key))

    def estimate(self, **body: Any) -> dict[str, Any]:
        return {"text": f"About {body['ai_model']}."}

    def models(self) -> dict[str, Any]:
        return {"providers": ["fake"]}


def running(count: int, changes: int = 0, size: int = 210) -> Variant:
    done = tuple(page["slug"] for page in PAGES[:count])
    row = Variant("demo", "main", "fake", "m", "me", "/demo", Status.GENERATING, NOW, f"{NOW}{changes}")
    stage = {"current_stage": Stage.GENERATING_PAGES, "generation_id": "run-1"}
    return row.changed(plan_json=PLANS[size], page_count=count, pages_done=done, **stage)


@pytest.fixture
def canned() -> Canned:
    return Canned(running(0))


@pytest.fixture
def panel(canned: Canned, panel_messages: list[tuple[str, Any]]) -> Iterator[StatusPanel]:
    made = StatusPanel("demo", "fake", "m", client=canned, poll_interval=3600)  # type: ignore[arg-type]
    until(lambda: made.status == "generating", "it knows")
    yield made
    made.close()


@pytest.mark.case("W08")
def test_five_thousand_changes_keep_messages_and_memory_bounded(
    panel: StatusPanel, canned: Canned, panel_messages: list[tuple[str, Any]]
) -> None:
    sizes: list[int] = []
    before = 0
    panel_messages.clear()  # the first, which brings the view's module, is as long as that
    for number in range(1, 5001):
        canned.row = running(number * 210 // 1000, number) if number <= 1000 else running(number % 4, number, 4)
        panel.refresh()
        sizes += [len(json.dumps(data)) for _, data in panel_messages]
        panel_messages.clear()
        if number == 1000:
            assert len(panel.entries) == 200
            assert panel.entries[0]["text"].startswith("… ")
            before = psutil.Process().memory_info().rss
    assert len(sizes) >= 5000
    assert max(sizes) < 60_000, "200 lines of a log, however long the plan and the run"
    assert sum(size > 10_000 for size in sizes) <= 220, "the log is sent when it has changed, not with every state"
    assert psutil.Process().memory_info().rss - before < 20e6


@pytest.mark.case("W08")
def test_an_equal_state_says_nothing(panel: StatusPanel, canned: Canned, panel_messages: list[tuple[str, Any]]) -> None:
    panel_messages.clear()
    for _ in range(10):
        canned.row = running(0)
        panel.refresh()
    assert panel_messages == []


def replies(messages: list[tuple[str, Any]]) -> dict[str, dict[str, Any]]:
    custom = [data["content"] for kind, data in messages if kind == "comm_msg" and data["method"] == "custom"]
    return {content["reply"]: content for content in custom}


def say(panel: StatusPanel, **content: Any) -> None:
    assert panel.comm is not None
    panel.comm.handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})


@pytest.mark.parametrize("kind", ["ping", "refresh"])
def test_a_view_that_asks_whether_the_kernel_lives_is_answered(
    panel: StatusPanel, panel_messages: list[tuple[str, Any]], kind: str
) -> None:
    say(panel, type=kind, id="1")
    assert replies(panel_messages) == {"1": {"reply": "1"}}


@pytest.mark.case("W10")
def test_an_action_by_a_message_runs_off_the_kernels_thread_and_its_error_goes_to_the_view(
    panel: StatusPanel, canned: Canned, panel_messages: list[tuple[str, Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    canned.go_on.clear()
    say(panel, type="abort", id="2", generation_id="run-1")
    say(panel, type="ping", id="3")
    assert "2" not in replies(panel_messages), "the request is under way"
    assert "3" in replies(panel_messages), "and the kernel is free"
    canned.go_on.set()
    until(lambda: replies(panel_messages).get("2"), "the answer")
    assert replies(panel_messages)["2"]["error"] == "It is ready."
    assert canned.actions == [("abort", "run-1")]
    assert capfd.readouterr() == ("", "")


def test_a_view_generates_with_the_fields_of_its_form_only(
    panel: StatusPanel, canned: Canned, panel_messages: list[tuple[str, Any]]
) -> None:
    say(panel, type="generate", id="4", body={"repo_path": "/demo", "ai_model": "m", "max_cost_usd": 2, "ai_cli_timeout": 9})
    until(lambda: replies(panel_messages).get("4"), "the answer")
    assert canned.actions == [("generate", {"repo_path": "/demo", "ai_model": "m", "max_cost_usd": 2})]


def test_a_view_deletes_the_very_variant_that_the_panel_shows(
    panel: StatusPanel, canned: Canned, panel_messages: list[tuple[str, Any]]
) -> None:
    say(panel, type="delete", id="6")
    until(lambda: replies(panel_messages).get("6"), "the answer")
    assert replies(panel_messages)["6"] == {"reply": "6", "data": None}
    assert canned.actions == [("delete", VariantKey("demo", "main", "fake", "m", "me"))]


def test_a_view_asks_the_kernel_what_a_run_would_take(panel: StatusPanel, panel_messages: list[tuple[str, Any]]) -> None:
    say(panel, type="estimate", id="5", body={"repo_path": "/demo", "ai_model": "m"})
    until(lambda: replies(panel_messages).get("5"), "the answer")
    assert replies(panel_messages)["5"]["data"] == {"text": "About m."}


@pytest.mark.parametrize("content", [None, [], {"type": "nonsense"}, {"type": "move", "key": 3}, {"type": ["abort"]}])
def test_messages_that_mean_nothing_are_passed_over(
    panel: StatusPanel, canned: Canned, panel_messages: list[tuple[str, Any]], content: Any
) -> None:
    panel_messages.clear()
    assert panel.comm is not None
    panel.comm.handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})
    assert (panel_messages, canned.actions, panel.key["model"]) == ([], [], "m")


@pytest.mark.parametrize("interval", [0, 0.99, -1, float("nan")])
def test_an_interval_below_a_second_is_refused(interval: float) -> None:
    with pytest.raises(ValueError, match="below the minimum of 1 second"):
        StatusPanel("demo", "fake", "m", poll_interval=interval)


def test_views_that_leave_let_the_thread_rest_and_a_new_one_wakes_it(panel: StatusPanel) -> None:
    panel.set_state({"_view_count": 1})
    assert poll_threads() == ["docsfy demo"]
    panel.set_state({"_view_count": 0})
    until(lambda: not poll_threads(), "nobody looks")
    panel.set_state({"_view_count": 1})
    assert poll_threads() == ["docsfy demo"]
