"""What a real server's log says of requests for what is not there."""

from __future__ import annotations

import time

import pytest
from browsing import Seen
from servers import Server

from docsfy_jupyter.server.quiet import Asked


def lines(server: Server, *words: str) -> list[str]:
    """Return the log's lines with all of the words, once all that was answered is in it."""
    mark = f"asked-{time.monotonic_ns()}"
    server.call("GET", f"api/{mark}")
    end = time.monotonic() + 60
    while f"404 GET /docsfy/api/{mark}" not in (text := server.log.read_text("utf-8")):
        assert time.monotonic() < end
        time.sleep(0.02)
    return [line for line in text.splitlines() if all(word in line for word in words)]


@pytest.mark.parametrize("path", ["api/projects/later/local/static", "api/projects/later/next/local/static", "api/variant?name=later&provider=local&model=static"])
def test_who_waits_for_a_variant_that_is_not_there_is_logged_once(shared_server: Server, path: str) -> None:
    more = "&" if "?" in path else "?"
    for number in range(5):
        answer = shared_server.call("GET", f"{path}{more}view=progress&etag={number}", headers={"If-None-Match": f'"{number}"'})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert len(lines(shared_server, f"404 GET /docsfy/{path}{more}view=progress")) == 1
    assert len(lines(shared_server, f"docsfy_jupyter: GET /docsfy/{path.partition('?')[0]}: There is no variant later/")) == 1


def test_each_variant_that_is_missing_is_logged_and_every_other_refusal_each_time(shared_server: Server) -> None:
    for path in ("other/local/static", "other/local/dynamic", "other/local/static/events", "other/local/static/download"):
        for _ in range(3):
            assert shared_server.call("GET", f"api/projects/{path}").status_code == 404
    for _ in range(3):
        assert shared_server.call("POST", "api/projects/other/local/static/abort").status_code == 404
        assert shared_server.call("GET", "api/projects/other/local/static?view=nonsense").status_code == 400
    assert len(lines(shared_server, "404 GET /docsfy/api/projects/other/local/static (")) == 1
    assert len(lines(shared_server, "404 GET /docsfy/api/projects/other/local/dynamic (")) == 1
    for said in ("404 GET /docsfy/api/projects/other/local/static/events", "404 GET /docsfy/api/projects/other/local/static/download",
                 "404 POST /docsfy/api/projects/other/local/static/abort", "400 GET /docsfy/api/projects/other/local/static?view=nonsense"):  # fmt: skip
        assert len(lines(shared_server, said)) == 3, said


@pytest.mark.browser
def test_a_status_page_of_what_is_not_there_yet_fills_no_log(seen: Seen, shared_server: Server) -> None:
    seen.page.goto(f"{shared_server.api}status/tomorrow/local/static?token={shared_server.token}")
    end = time.monotonic() + 60
    while sum("api/" in address and "tomorrow" in address for address in seen.requests) < 3:
        assert time.monotonic() < end, seen.requests
        seen.page.wait_for_timeout(100)
    assert len(lines(shared_server, "404 GET", "tomorrow")) == 1
    assert len(lines(shared_server, "There is no variant tomorrow/local/static")) == 1


def test_the_latest_that_was_asked_for_is_remembered_alone() -> None:
    asked = Asked(most=2)
    assert [asked.again(what) for what in "aabacaba"] == [False, True, False, True, False, True, False, True]
