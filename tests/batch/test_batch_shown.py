"""A result as text, Markdown, HTML and a chart; receipts; published sites."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from docsfy_jupyter.batch.chart import VEGA_LITE, stage_chart
from docsfy_jupyter.batch.receipts import add_note, read_result, reserve
from docsfy_jupyter.batch.result import BatchResult, VariantResult, stage_seconds, without_row
from docsfy_jupyter.batch.summary import as_html, as_markdown, as_text, headline, time_text, when
from docsfy_jupyter.batch.variants import Wanted

NOW = datetime(2026, 11, 25, 3, 0, 0, tzinfo=UTC)
GOOD = VariantResult("a", "main", "local", "static", "/r/a", "ready", None, 12.5, {"cloning": 0.5, "generating_pages": 12.0}, 3, 3, 0.5, "abc", "1")
BAD = VariantResult("b", "main", "p", "a/b", "/r/b", "error", "1 of 3 pages failed: <x> | `y`", 70.0, {"cloning": 70.0}, 2, 3, None, "abc", "2")
RESULT = BatchResult("2026-11-25T03:00:00+00:00", "2026-11-25T03:01:30+00:00", (GOOD, BAD), ("batch",))


def test_the_result_object_says_what_came_of_it_and_can_be_read_back() -> None:
    data = RESULT.to_json()
    assert (data["ok"], data["counts"], data["seconds"], data["cost_usd"]) == (False, {"ready": 1, "error": 1}, 90.0, 0.5)
    assert BatchResult.from_json(data) == RESULT
    assert replace(RESULT, variants=(GOOD, replace(BAD, outcome="up_to_date"))).ok
    assert replace(RESULT, variants=(BAD,)).cost_usd is None  # unknown, not 0


def test_the_summary_names_the_failed_first_and_nothing_leaves_its_cell() -> None:
    assert headline(RESULT) == "1 ready, 1 failed of 2 variants in 1 min 30 s, at least $0.50"
    assert as_text(RESULT).splitlines()[1:] == [
        "  b/main/p/a/b · failed · 2 / 3 pages · 1 min 10 s · cost unknown · 1 of 3 pages failed: <x> | `y`",
        "  a/main/local/static · ready · 3 / 3 pages · 12 s · $0.50",
    ]
    table = [line for line in as_markdown(RESULT).splitlines() if line.startswith("|")]
    assert [line.replace("\\|", "").count("|") for line in table] == [7] * 4
    assert "&lt;x&gt; \\| \\`y\\`" in table[2]
    assert "&lt;x&gt; | `y`" in as_html(RESULT)
    assert "<x>" not in as_html(RESULT) + as_markdown(RESULT)


@pytest.mark.parametrize(("seconds", "text"), [(None, ""), (0, "0 s"), (0.04, "under 0.1 s"), (0.06, "0.1 s"), (9.96, "10.0 s"), (59, "59 s"), (245, "4 min 5 s"), (7260, "2 h 1 min")])
def test_times_read_well(seconds: float | None, text: str) -> None:
    assert time_text(seconds) == text


def test_what_was_free_is_called_so_and_what_never_ran_cost_nothing_to_speak_of() -> None:
    free, running, refused = replace(GOOD, cost_usd=0.0), replace(BAD, outcome="generating"), replace(BAD, generation_id=None)
    assert headline(replace(RESULT, variants=(free,))) == "1 ready of 1 variant in 1 min 30 s, free"
    assert [line.split(" · ")[4:] for line in as_text(replace(RESULT, variants=(free, running, refused))).splitlines()[1:]] == [
        ["1 of 3 pages failed: <x> | `y`"],
        ["1 of 3 pages failed: <x> | `y`"],
        ["free"],
    ]
    cloning = replace(BAD, cost_usd=0.0, stages={"queued": 0.1, "cloning": 2.0})
    planning = replace(cloning, stages={**cloning.stages, "planning": 1.0})
    assert [line.split(" · ")[4:-1] for line in as_text(replace(RESULT, variants=(cloning, planning))).splitlines()[1:]] == [[], ["free"]]
    assert headline(replace(RESULT, variants=(cloning, cloning))) == "2 failed of 2 variants in 1 min 30 s"
    assert headline(replace(RESULT, variants=(cloning, replace(free, joined=True)))) == "1 ready, 1 failed of 2 variants in 1 min 30 s"
    assert headline(replace(RESULT, variants=(cloning, planning))) == "2 failed of 2 variants in 1 min 30 s, free"
    assert "<td style=\"text-align:left\">unknown</td>" in as_html(RESULT)


@pytest.mark.parametrize(
    ("costs", "price", "cost", "at_least"),
    [
        ([0.5, 0.25], ", $0.75", 0.75, False),
        ([0.5, None], ", at least $0.50", 0.5, True),
        ([0.0, None], ", cost unknown", None, True),
        ([None, None], ", cost unknown", None, True),
        ([0.0, 0.0], ", free", 0.0, False),
    ],
)
def test_a_sum_with_unknown_parts_is_at_least_so_much_or_unknown_and_never_free(
    costs: list[float | None], price: str, cost: float | None, at_least: bool
) -> None:
    own = tuple(replace(GOOD, generation_id=str(number), cost_usd=cost) for number, cost in enumerate(costs))
    joined, skipped = replace(GOOD, generation_id="j", cost_usd=None, joined=True), replace(GOOD, outcome="skipped", cost_usd=None)
    result = replace(RESULT, variants=own)
    assert headline(result) == f"2 ready of 2 variants in 1 min 30 s{price}"
    assert (result.to_json()["cost_usd"], result.to_json()["cost_at_least"]) == (cost, at_least)
    beside = replace(RESULT, variants=(*own, joined, skipped))  # of what it did not start, a batch pays nothing
    assert (beside.cost_usd, beside.cost_at_least) == (cost, at_least)


def test_calls_that_did_not_tell_and_runs_that_go_on_make_a_cost_at_least_so_much() -> None:
    cut, silent = replace(GOOD, untold_calls=1), replace(GOOD, cost_usd=0.0, untold_calls=1)
    late = replace(GOOD, outcome="timeout", generation_id="2")
    assert [line.split(" · ")[-1] for line in as_text(replace(RESULT, variants=(cut, silent, late))).splitlines()] [1:] == [
        "$0.50", "at least $0.50", "cost unknown"
    ]
    assert headline(replace(RESULT, variants=(cut,))).endswith(", at least $0.50")
    assert headline(replace(RESULT, variants=(silent,))).endswith(", cost unknown")
    assert headline(replace(RESULT, variants=(GOOD, late))).endswith(", at least $1.00")


def test_what_was_foreseen_is_beside_the_cost_and_in_the_object() -> None:
    foreseen = {"pages": 3, "cost_usd": 0.45, "seconds": 9.0, "at_most": True}
    told = replace(GOOD, estimate=foreseen)
    assert as_text(replace(RESULT, variants=(told,))).endswith(" · 12 s · $0.50 (estimated at most $0.45)")
    assert as_text(replace(RESULT, variants=(replace(told, estimate={**foreseen, "cost_usd": None}),))).endswith(" · $0.50")
    data = replace(RESULT, variants=(told,)).to_json()
    assert data["variants"][0]["estimate"] == foreseen
    assert BatchResult.from_json(data).variants == (told,)
    before = {name: value for name, value in data["variants"][0].items() if name != "estimate"}  # a receipt of an earlier version
    assert BatchResult.from_json({**data, "variants": [before]}).variants[0].estimate is None


@pytest.mark.parametrize(
    ("branch", "provider", "model", "name"),
    [
        (None, None, None, "alpha"),
        ("next", None, None, "alpha (branch next)"),
        (None, "claude", None, "alpha (claude)"),
        (None, "claude", "a/b", "alpha (claude/a/b)"),
        (None, None, "static", "alpha (model static)"),
        ("next", "claude", None, "alpha (branch next, claude)"),
        ("next", "claude", "a/b", "alpha/next/claude/a/b"),
    ],
)
def test_a_variant_is_called_by_what_is_known_of_it(branch: str | None, provider: str | None, model: str | None, name: str) -> None:
    wanted = Wanted("variant 1 of 1 (/r/alpha)", "/r/alpha", "alpha", branch, provider, model)
    assert (wanted.label, without_row(wanted, "refused", "why").address) == (name, name)


def test_a_stage_lasts_until_the_next_one_begins() -> None:
    times = {"rendering": "2026-11-25T03:00:10+00:00", "cloning": "2026-11-25T03:00:00+00:00", "planning": "2026-11-25T03:00:02+00:00", "odd": "x"}
    assert stage_seconds(times, "2026-11-25T03:00:11+00:00") == {"cloning": 2.0, "planning": 8.0, "rendering": 1.0}
    assert stage_seconds(times, None) == {"cloning": 2.0, "planning": 8.0}


def test_the_chart_has_every_stage_in_vega_svg_and_text() -> None:
    bundle = stage_chart(RESULT.variants)
    values = bundle[VEGA_LITE]["data"]["values"]
    assert {(value["variant"], value["stage"], value["seconds"]) for value in values} == {
        ("a/main local/static", "cloning", 0.5),
        ("a/main local/static", "generating pages", 12.0),
        ("b/main p/a/b", "cloning", 70.0),
    }
    picture = ElementTree.fromstring(bundle["image/svg+xml"])
    bars = [bar for bar in picture.iter("{http://www.w3.org/2000/svg}rect") if bar.find("{http://www.w3.org/2000/svg}title") is not None]
    widths = [float(bar.attrib["width"]) for bar in bars]
    assert widths == pytest.approx([520, 520 * 0.5 / 70, 520 * 12 / 70], abs=0.1)
    assert "generating pages 12 s" in bundle["text/plain"]
    assert set(stage_chart([replace(GOOD, stages={})])) == {"text/plain"}


@pytest.mark.case("P08")
def test_receipts_of_one_second_have_names_of_their_own(tmp_path: Path) -> None:
    names = [reserve(tmp_path / "runs", "my/odd batch", NOW).name for _ in range(3)]
    assert names == [f"20261125T030000Z-my-odd-batch{more}.ipynb" for more in ("", "-2", "-3")]


def test_a_receipt_that_was_cut_off_gets_a_note_that_programs_can_read(tmp_path: Path) -> None:
    receipt = reserve(tmp_path, "batch", NOW)
    assert read_result(receipt) is None
    result = replace(RESULT, note="This batch was cut off: the kernel died")
    add_note(receipt, as_markdown(result), result)
    assert read_result(receipt) == result
    assert "cut off" in receipt.read_text("utf-8")


def test_a_time_for_people_has_its_zone_and_the_day_once() -> None:
    short = BatchResult("2026-11-25T03:15:02.5+01:00", "2026-11-25T02:19:40+00:00", ())
    assert when(short) == "2026-11-25 02:15:02 to 02:19:40 UTC"
    assert when(BatchResult("2026-11-25T23:15:02+00:00", "2026-11-26T02:19:40+00:00", ())) == "2026-11-25 23:15:02 to 2026-11-26 02:19:40 UTC"
    assert "02:15:02 to 02:19:40 UTC" in as_html(short)
    assert "02:15:02 to 02:19:40 UTC" in as_markdown(short)
