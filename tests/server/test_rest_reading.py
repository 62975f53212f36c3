"""The REST contract, row by row: what only reads."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from servers import await_health, end, launch
from walking import MODEL, Walk, make_walk, path_of

MAIN = path_of("walk", "main", "fake", MODEL)
QUERY = {"name": "walk", "provider": "fake", "model": MODEL}
NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """A server of its own: here every variant, run and total is counted."""
    home = tmp_path_factory.mktemp("walk-server")
    server = launch(home)
    await_health(server)
    yield make_walk(server, home)
    end(server)


def addresses(rows: list[dict[str, Any]]) -> list[str]:
    return [f"{row['name']}/{row['branch']}" for row in rows]


def walked(walk: Walk, **query: Any) -> dict[str, Any]:
    answer = walk.get("api/projects", params={"q": "walk/", **query})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_health_is_ok_once_the_store_is_open(walk: Walk) -> None:
    assert walk.get("health").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["api/projects", "api/status"])
def test_the_listing_has_slim_rows_newest_first(walk: Walk, path: str) -> None:
    listing = walk.get(path, params={"q": "WALK/"}).json()
    assert sorted(addresses(listing["projects"])) == ["walk/feature/x", "walk/main", "walk/v1"]
    times = [row["updated_at"] for row in listing["projects"]]
    assert times == sorted(times, reverse=True)
    assert listing["total"] == 3
    assert all("plan_json" not in row and row["page_count"] == 2 for row in listing["projects"])
    assert {"feature/x", "main", "v1"} <= set(listing["known_branches"]["walk"])
    assert MODEL in listing["known_models"]["fake"]


def test_the_listing_is_paged_and_filtered(walk: Walk) -> None:
    whole = addresses(walked(walk)["projects"])
    page = walked(walk, limit=1, offset=1)
    assert (addresses(page["projects"]), page["total"]) == ([whole[1]], 3)
    assert walked(walk, limit=0)["projects"] == []
    assert walked(walk, status="ready")["total"] == 3
    assert walked(walk, status="aborted")["total"] == 0
    assert walked(walk, provider="local")["total"] == 0
    assert walked(walk, provider="fake")["total"] == 3
    assert "plan_json" in walked(walk, full=1)["projects"][0]
    assert "plan_json" not in walked(walk, full=0)["projects"][0]


def test_the_listing_tells_what_changed_since_a_revision(walk: Walk) -> None:
    before = walked(walk)["rev"]
    assert walked(walk, since=before)["projects"] == []
    walk.generate(name="later-read", model="pages=1")
    walk.server.ended(path_of("later-read", "main", "fake", "pages=1"))
    changed = walk.get("api/projects", params={"since": before}).json()
    assert "later-read/main" in addresses(changed["projects"])
    assert not [row for row in changed["projects"] if row["name"] == "walk"]


def test_a_poll_of_what_is_unchanged_is_short_and_keeps_no_login_for_a_program(walk: Walk) -> None:
    tag = walk.get(MAIN).headers["etag"]
    poll = walk.get(MAIN, headers={"If-None-Match": tag})
    assert (poll.status_code, poll.content) == (304, b"")
    assert sum(len(name) + len(value) + len(": \r\n") for name, value in poll.headers.raw) < 500
    assert "set-cookie" not in poll.headers
    opened = httpx.get(walk.server.api + "api/projects", params={"token": walk.server.token}, trust_env=False)
    assert "set-cookie" in opened.headers  # a link with a token logs a browser in


def test_an_unchanged_listing_is_304(walk: Walk) -> None:
    for _ in range(20):  # another test's run may move the listing between the two requests
        tag = walk.get("api/projects").headers["etag"]
        if walk.get("api/projects", headers={"If-None-Match": f'"other", W/{tag}'}).status_code == 304:
            return
    pytest.fail("the listing never stood still")


def test_a_project_lists_its_variants(walk: Walk) -> None:
    answer = walk.get("api/projects/walk")
    assert answer.json()["name"] == "walk"
    assert sorted(addresses(answer.json()["variants"])) == ["walk/feature/x", "walk/main", "walk/v1"]
    assert walk.get("api/projects/walk", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert walk.get("api/projects/no-such").status_code == 404


def test_all_forms_of_a_variants_address_lead_to_one_row(walk: Walk) -> None:
    row = walk.get(MAIN).json()
    assert (row["branch"], row["is_default_branch"], row["ref_kind"]) == ("main", True, "branch")
    assert walk.get(path_of("walk", "fake", MODEL)).json() == row
    assert walk.get("api/variant", params=QUERY).json() == row
    assert walk.get("api/variant", params={**QUERY, "branch": "main", "owner": row["owner"]}).json() == row
    assert walk.get(MAIN, params={"owner": row["owner"]}).json() == row
    assert walk.get(f"api/projects/by-id/{row['generation_id']}").json() == row
    assert walk.get(MAIN, params={"owner": "somebody-else"}).status_code == 404
    assert walk.get(path_of("walk", "v1", "fake", MODEL)).json()["ref_kind"] == "tag"


def test_a_run_id_that_is_none_is_400_and_an_unknown_one_404(walk: Walk) -> None:
    assert walk.get("api/projects/by-id/not-a-uuid").status_code == 400
    assert walk.get(f"api/projects/by-id/{NOWHERE}").status_code == 404


@pytest.mark.case("F17")
def test_a_branch_with_a_slash_is_one_segment(walk: Walk) -> None:
    row = walk.get(path_of("walk", "feature/x", "fake", MODEL)).json()
    assert row["branch"] == "feature/x"
    assert walk.get("api/variant", params={**QUERY, "branch": "feature/x"}).json() == row
    assert walk.get(f"docs/walk/feature%2Fx/fake/{MODEL}/".replace("=", "%3D")).status_code == 200
    abort = walk.post(path_of("walk", "feature/x", "fake", MODEL) + "/abort")
    assert (abort.status_code, abort.json()["code"]) == (409, "not_generating")
    raw = walk.post(f"api/projects/walk/feature/x/fake/{MODEL}/abort")
    assert (raw.status_code, raw.json()["code"]) == (404, "not_found")


def test_a_read_without_a_branch_that_could_mean_several_names_them(walk: Walk) -> None:
    answer = walk.get(path_of("twins", "fake", MODEL))
    assert (answer.status_code, answer.json()["code"]) == (409, "ambiguous")
    assert answer.json()["candidates"] == [f"twins/feature/x/fake/{MODEL}", f"twins/v1/fake/{MODEL}"]
    assert walk.get("api/variant", params={**QUERY, "name": "twins"}).status_code == 409


def test_the_progress_view_is_what_a_client_draws(walk: Walk) -> None:
    view = walk.get(MAIN, params={"view": "progress"}).json()
    assert (view["status"], view["label"], view["percent"], view["text"]) == ("ready", "Complete", 100, "2 / 2 pages")
    assert {"kind": "done", "text": "Documentation ready!"}.items() <= view["log"][-1].items()
    assert "plan_json" not in view
    refused = walk.get(MAIN, params={"view": "nonsense"})
    assert (refused.status_code, refused.json()["faults"][0]["path"]) == (400, "view")


@pytest.mark.parametrize("view", [{}, {"view": "progress"}])
def test_a_held_poll_of_an_unchanged_row_ends_in_304(walk: Walk, view: dict[str, str]) -> None:
    tag = walk.get(MAIN, params=view).headers["etag"]
    assert walk.get(MAIN, params={**view, "wait": "0.2", "etag": tag}).status_code == 304
    assert walk.get(MAIN, params={**view, "wait": "0.2", "etag": tag.strip('"')}).status_code == 304
    assert walk.get(MAIN, params={**view, "wait": "0"}, headers={"If-None-Match": tag}).status_code == 304


def test_a_held_poll_of_a_row_that_changed_before_answers_at_once(walk: Walk) -> None:
    answer = walk.get(MAIN, params={"wait": "25", "etag": "an-older-one"})
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() < 20


def test_a_held_poll_answers_when_the_row_changes(walk: Walk) -> None:
    walk.generate(name="held", model="pages=1")
    path = path_of("held", "main", "fake", "pages=1")
    row = walk.server.ended(path)
    tag = walk.get(path).headers["etag"]
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(walk.get, path, params={"wait": "25", "etag": tag})
        assert walk.generate(name="held", model="pages=1", force=True).status_code == 202
        answer: httpx.Response = poll.result()
    assert answer.status_code == 200
    assert answer.json()["generation_id"] != row["generation_id"]
    walk.server.ended(path)


@pytest.mark.parametrize(("path", "query"), [(MAIN, {}), ("api/variant", QUERY)])
def test_events_have_real_times_and_pages(walk: Walk, path: str, query: dict[str, str]) -> None:
    answer = walk.get(f"{path}/events", params=query).json()
    events = answer["events"]
    assert answer["generation_id"] == walk.get(MAIN).json()["generation_id"]
    assert (events[0]["kind"], events[-1]["kind"]) == ("started", "ready")
    assert events[0]["user_name"]
    assert [event["occurred_at"] for event in events] == sorted(event["occurred_at"] for event in events)
    first = walk.get(f"{path}/events", params={**query, "limit": 1}).json()["events"]
    rest = walk.get(f"{path}/events", params={**query, "after": first[0]["seq"]}).json()["events"]
    assert first + rest == events


@pytest.mark.parametrize(
    ("path", "query", "top"),
    [(MAIN, {}, "walk-main-fake-pages-2"), ("api/variant", QUERY, "walk-main-fake-pages-2"), ("api/projects/walk", {}, "walk")],
)
def test_a_site_is_downloaded_in_one_top_folder(walk: Walk, path: str, query: dict[str, str], top: str) -> None:
    answer = walk.get(f"{path}/download", params=query)
    assert answer.headers["content-type"] == "application/gzip"
    assert f"{top}.tar.gz" in answer.headers["content-disposition"]
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        names = archive.getnames()
    assert f"{top}/index.html" in names
    assert {name.split("/")[0] for name in names} == {top}


def test_a_site_is_served_under_both_forms(walk: Walk) -> None:
    model = MODEL.replace("=", "%3D")
    home = walk.get(f"docs/walk/main/fake/{model}/")
    assert home.headers["content-type"].startswith("text/html")
    assert walk.get(f"docs/walk/fake/{model}/").text == home.text
    assert walk.get(f"docs/walk/fake/{model}/page-1.md").headers["content-type"].startswith("text/plain")
    moved = walk.get(f"docs/walk/main/fake/{model}")
    assert (moved.status_code, moved.headers["location"]) == (302, f"/docsfy/docs/walk/main/fake/{model}/")
    for path in (f"docs/walk/fake/{model}/nothing.html", "docs/walk/fake/other/", f"docs/walk/fake/{model}/%2E%2E/x"):
        missing = walk.get(path)
        assert missing.json()["detail"], path
        assert missing.status_code in (400, 404)


def test_models_name_providers_and_whether_they_are_available(walk: Walk) -> None:
    models = walk.get("api/models").json()
    assert set(models["providers"]) >= {"local", "fake"}
    assert (models["default_provider"], models["default_model"]) == ("local", "static")
    assert {"id": "static", "name": "static"}.items() <= models["available_models"]["local"][0].items()
    assert models["provider_status"]["local"]["available"] is True
    assert walk.post("api/models/refresh").json() == models


def test_runs_are_paged_and_filtered(walk: Walk) -> None:
    whole = walk.get("api/runs", params={"name": "walk", "outcome": "ready"}).json()
    assert whole["total"] >= 3
    assert [run["started_at"] for run in whole["runs"]] == sorted((run["started_at"] for run in whole["runs"]), reverse=True)
    page = walk.get("api/runs", params={"name": "walk", "outcome": "ready", "limit": 1, "offset": 1}).json()
    assert (page["runs"], page["total"]) == (whole["runs"][1:2], whole["total"])
    assert walk.get("api/runs", params={"name": "walk", "branch": "v1", "provider": "fake"}).json()["total"] == 1
    assert walk.get("api/runs", params={"since": "2999-01-01T00:00:00+00:00"}).json() == {"runs": [], "total": 0}
    assert walk.get("api/runs", params={"since": "yesterday"}).status_code == 400
    assert walk.get("api/runs", params={"outcome": "nonsense"}).status_code == 400
