"""The texts of bar and log, row by row of docs/contract.md."""

from __future__ import annotations

import json

import pytest

from docsfy_jupyter.models import FailedPage, Stage, Status, Variant
from docsfy_jupyter.progress import describe, percentage, text_line

NOW = "2026-11-25T10:00:00+00:00"


def plan(*titles: str) -> str:
    return json.dumps({"navigation": [{"group": "g", "pages": [{"slug": t.lower(), "title": t} for t in titles]}]})


def variant(**changes: object) -> Variant:
    row = Variant("demo", "main", "local", "static", "me", "https://git.example/demo", Status.GENERATING, NOW, NOW)
    return row.changed(**changes)


def log(row: Variant) -> list[tuple[str, str]]:
    return [(entry.kind, entry.text) for entry in describe(row).log if entry.kind != "pending"]


@pytest.mark.case("F05")
@pytest.mark.parametrize(
    ("count", "total", "percent"),
    [(0, 0, None), (3, 0, None), (0, 3, 0), (1, 3, 33), (2, 3, 67), (3, 3, 99), (4, 3, 99), (1, 8, 13), (10, 12, 83)],
)
def test_the_percentage_is_half_up_and_below_100_while_generating(count: int, total: int, percent: int | None) -> None:
    assert percentage(count, total, Status.GENERATING) == percent


def test_ready_is_100_percent_even_without_a_plan() -> None:
    progress = describe(variant(status=Status.READY, page_count=3))
    assert (progress.percent, progress.label, progress.text) == (100, "Complete", "3 pages")


@pytest.mark.parametrize("text", ["", "{", '{"navigation": NaN}', "[]", '{"navigation": []}', "null"])
def test_a_malformed_plan_counts_as_no_plan(text: str) -> None:
    progress = describe(variant(plan_json=text, page_count=2, current_stage=Stage.GENERATING_PAGES))
    assert progress.percent is None
    assert progress.text == "2 pages"
    assert ("active", "Generating page 3 of ?: Page 3") in [(e.kind, e.text) for e in progress.log]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, [("active", "Starting generation...")]),
        ({"current_stage": Stage.QUEUED}, [("active", "Waiting for a free slot...")]),
        ({"current_stage": Stage.CLONING}, [("active", "Cloning repository...")]),
        ({"current_stage": Stage.PLANNING}, [("done", "Cloned repository"), ("active", "Planning documentation structure...")]),
        (
            {"current_stage": Stage.INCREMENTAL_PLANNING},
            [("done", "Cloned repository"), ("active", "Planning incremental update...")],
        ),
    ],
)
def test_the_log_before_the_pages(changes: dict[str, object], wanted: list[tuple[str, str]]) -> None:
    assert log(variant(**changes)) == wanted


@pytest.mark.case("F09")
def test_pages_that_finish_out_of_order_are_named_truly() -> None:
    row = variant(
        current_stage=Stage.GENERATING_PAGES,
        plan_json=plan("A", "B", "C"),
        page_count=1,
        pages_done=("c",),
        pages_active=("a", "b"),
    )
    assert log(row) == [
        ("done", "Cloned repository"),
        ("done", "Planned documentation structure (3 pages)"),
        ("done", "Generated page 1 of 3: C"),
        ("active", "Generating page 2 of 3: A"),
        ("active", "Generating page 3 of 3: B"),
    ]
    assert describe(row).percent == 33


def test_rendering_is_named_by_the_label() -> None:
    progress = describe(variant(current_stage=Stage.RENDERING, plan_json=plan("A"), page_count=1))
    assert (progress.label, progress.text, progress.percent) == ("Rendering…", "1 / 1 pages", 99)
    assert progress.log[-1].text == "Rendering HTML site..."


def test_the_log_of_a_ready_variant_is_all_done() -> None:
    row = variant(status=Status.READY, plan_json=plan("A", "B"), page_count=2)
    assert log(row) == [
        ("done", "Cloned repository"),
        ("done", "Planned documentation structure (2 pages)"),
        ("done", "Generated page 1 of 2: A"),
        ("done", "Generated page 2 of 2: B"),
        ("done", "Rendered documentation site"),
        ("done", "Documentation ready!"),
    ]


@pytest.mark.case("F11")
def test_an_unchanged_repository_has_one_line() -> None:
    row = variant(status=Status.READY, current_stage=Stage.UP_TO_DATE, plan_json=plan("A"), page_count=1)
    assert log(row) == [("done", "Repository unchanged, docs already up to date")]


@pytest.mark.case("F08")
def test_the_log_of_an_aborted_run_keeps_its_history() -> None:
    row = variant(status=Status.ABORTED, plan_json=plan("A", "B", "C", "D"), page_count=2)
    assert log(row) == [
        ("done", "Cloned repository"),
        ("done", "Planned documentation structure (4 pages)"),
        ("done", "Generated page 1 of 4: A"),
        ("done", "Generated page 2 of 4: B"),
        ("error", "Aborted generating page 3 of 4: C"),
        ("error", "Generation aborted"),
    ]
    assert not [entry for entry in describe(row).log if entry.kind == "pending"]


def test_a_run_that_failed_while_cloning_claims_no_clone() -> None:
    row = variant(status=Status.ERROR, failed_stage=Stage.CLONING)
    assert log(row) == [("error", "Failed cloning repository"), ("error", "Generation failed")]


def test_failed_pages_are_named() -> None:
    row = variant(
        status=Status.ERROR, failed_stage=Stage.GENERATING_PAGES, plan_json=plan("A", "B"), page_count=1, pages_done=("b",),
        failed_pages=(FailedPage("a", "exit code 1"),),
    )  # fmt: skip
    assert log(row)[2:] == [
        ("done", "Generated page 1 of 2: B"),
        ("error", "Failed generating page 2 of 2: A"),
        ("error", "Generation failed"),
    ]


def test_the_text_line_begins_and_ends_as_agreed() -> None:
    row = variant(plan_json=plan("A", "B"), page_count=1)
    assert text_line(row, "10:42") == "demo · local/static · generating · 1 / 2 pages · as of 10:42"
