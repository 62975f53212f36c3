"""Rows and plans: what goes out comes back, nonsense never gets in, slugs never leave their folder."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docsfy_jupyter.errors import PlanInvalid
from docsfy_jupyter.models import (
    ROW_ONLY,
    FailedPage,
    Plan,
    PlanGroup,
    PlanPage,
    Stage,
    Status,
    Variant,
    money,
    parse_plan,
    whole_number,
)
from docsfy_jupyter.plans import MAX_SLUG, settle_plan

texts = st.text(max_size=40)


def plan_of(*slugs: str) -> Plan:
    return Plan(navigation=[PlanGroup(group="All", pages=[PlanPage(slug=slug, title=slug) for slug in slugs])])


@given(
    st.builds(
        Variant,
        name=st.text(min_size=1, max_size=10),
        branch=texts,
        ai_provider=texts,
        ai_model=texts,
        owner=texts,
        repo_url=texts,
        status=st.sampled_from(Status),
        created_at=texts,
        updated_at=texts,
        current_stage=st.none() | st.sampled_from(Stage),
        failed_stage=st.none() | st.sampled_from(Stage),
        page_count=st.integers(0, 1000),
        error_message=st.none() | texts,
        is_default_branch=st.none() | st.booleans(),
        pages_done=st.lists(texts).map(tuple),
        failed_pages=st.lists(st.builds(FailedPage, texts, texts), max_size=3).map(tuple),
        stage_times=st.dictionaries(texts, texts, max_size=3),
        run_cost_usd=st.none() | st.floats(0, 1e6),
        site=st.booleans(),
    )
)
def test_a_row_survives_the_wire(row: Variant) -> None:
    sent = json.loads(json.dumps(row.to_json()))
    assert Variant.from_json(sent) == row
    assert row.to_json(slim=True).keys() == row.to_json().keys() - set(ROW_ONLY)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, "3", None, True, [], 1e300])
def test_a_count_or_an_amount_from_outside_is_never_nonsense(value: object) -> None:
    assert whole_number(value) in (0, 1_000_000)
    assert money(value) is None or value == 1e300


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", "3", '{"navigation": 3}', '{"navigation": []}', '{"navigation": [{"pages": []}]}']
)
def test_a_stored_plan_that_is_none_counts_as_none(text: str | None) -> None:
    assert parse_plan(text) is None


@given(
    st.lists(st.text(max_size=150) | st.sampled_from(["a", "A", "../x", "index", "404", "con", "a.md"]), min_size=1, max_size=12)
)
def test_every_settled_slug_is_unique_and_stays_in_its_folder(slugs: list[str]) -> None:
    plan, _ = settle_plan(plan_of(*slugs), "demo")
    settled = [page.slug for page in plan.pages()]
    assert len(settled) == len(slugs) == len(set(settled))
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", slug) and len(slug) <= MAX_SLUG for slug in settled)
    assert not {"index", "404", "con", "search"} & set(settled)
    assert all(page.title for page in plan.pages())
    assert settle_plan(plan, "demo") == (plan, [])


def test_a_repair_is_told_and_links_between_pages_follow_it() -> None:
    plan = plan_of("Über uns", "usage", "usage")
    plan.navigation[0].pages[1].related = ["Über uns", "usage", "nowhere"]
    settled, notes = settle_plan(plan, "demo")
    assert [page.slug for page in settled.pages()] == ["ber-uns", "usage", "usage-2"]
    assert settled.pages()[1].related == ["ber-uns"]
    assert [note for note in notes if "'ber-uns'" in note]
    assert settled.project_name == "demo"


def test_a_plan_without_a_page_is_refused() -> None:
    for plan in (Plan(), Plan(navigation=[PlanGroup(group="Empty")])):
        with pytest.raises(PlanInvalid, match="no page"):
            settle_plan(plan, "demo")


def test_a_row_is_shown_in_a_line_whatever_its_plan() -> None:
    plan = plan_of(*(f"page-{number}" for number in range(200))).model_dump_json()
    row = Variant("click", "main", "local", "static", "ada", "/click", Status.READY, "", "", page_count=200, plan_json=plan)
    assert repr(row) == "<Variant click/main/local/static: ready, page_count=200>"
    failed = replace(row, status=Status.ERROR, page_count=0, error_message="no such branch")
    assert repr([failed]) == "[<Variant click/main/local/static: error, page_count=0, no such branch>]"
