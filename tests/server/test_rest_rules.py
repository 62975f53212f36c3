"""The REST contract's rules for every route: addresses, logins, bodies, errors."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from servers import Server
from walking import MODEL, Walk, path_of

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def raw(server: Server, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, Any]]:
    """Send a path exactly as it stands; client libraries tidy it."""
    host = urlsplit(server.url)
    connection = http.client.HTTPConnection(host.hostname or "", host.port or 0, timeout=30)
    given = {"Authorization": f"token {server.token}", **headers}
    connection.request(method, f"/docsfy/{path}", body or None, given)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text)


@pytest.mark.parametrize("part", ["%2E", "%2E%2E", "..", "x%00y", "x%0Ay", "x%7Fy", "%ff", "x" * 201, "%C3%A4" * 201])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_part_that_can_name_nothing_is_400(shared_server: Server, part: str, place: int) -> None:
    parts = ["name", "branch", "provider", "model"]
    parts[place] = part
    status, answer = raw(shared_server, "GET", "api/projects/" + "/".join(parts))
    assert status == 400, answer
    assert answer["detail"]
    assert raw(shared_server, "POST", f"api/projects/{'/'.join(parts)}/abort")[0] == 400
    query = "&".join(f"{name}={part}" for name, part in zip(("name", "branch", "provider", "model"), parts, strict=True))
    assert raw(shared_server, "GET", f"api/variant?{query}")[0] == 400


@pytest.mark.parametrize("part", ["x" * 200, "%C3%A4" * 200, "%2E%2E%2F", "a%2Fb", "opus[1m]", "100%25", "%252F", "..."])
def test_every_other_part_is_looked_up(shared_server: Server, part: str) -> None:
    status, answer = raw(shared_server, "GET", f"api/projects/name/branch/provider/{part}")
    assert (status, answer["code"]) == (404, "not_found")


@pytest.mark.parametrize("word", ["abort", "events", "download"])
def test_a_model_that_is_called_like_a_verb_is_reached(walk: Walk, word: str) -> None:
    assert walk.generate(name="words", model=word).status_code == 202
    row = walk.server.ended(path_of("words", "main", "fake", word))
    assert (row["ai_model"], row["status"]) == (word, "ready")
    query = {"name": "words", "provider": "fake", "model": word}
    assert walk.get("api/variant", params=query).json() == row
    assert walk.get(path_of("words", "main", "fake", word) + "/events").json()["events"]


def test_a_near_miss_is_named(walk: Walk) -> None:
    answer = walk.get(path_of("walk", "mian", "fake", MODEL))
    assert answer.status_code == 404
    assert f"walk/main/fake/{MODEL}" in answer.json()["candidates"]


@pytest.mark.parametrize("path", ["api/nothing", "nothing", "api", "api/", "api/projects/a/b", "api/projects/a/b/c/d/e/f"])
@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_path_is_404_as_json_whatever_the_method(shared_server: Server, method: str, path: str) -> None:
    status, answer = raw(shared_server, method, path)
    assert (status, answer["code"]) == (404, "not_found")
    assert answer["detail"] == answer["message"]


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"", "application/json", "not JSON"),
        (b"{", "application/json", "not JSON"),
        (b"\xff\xfe", "application/json", "not JSON"),
        (b"[" * 100_000, "application/json", "not JSON"),
        (b"{}", "text/plain", "Content-Type"),
        (b"repo_url=x", "application/x-www-form-urlencoded", "Content-Type"),
        (b"{}", "multipart/form-data", ""),
        (b"null", "application/json", ""),
        (b"3", "application/json", ""),
        (b'"text"', "application/json", ""),
        (b"[]", "application/json", "at least 1 item"),
    ],
)
def test_a_body_that_is_no_json_object_is_400(shared_server: Server, body: bytes, kind: str, words: str) -> None:
    status, answer = raw(shared_server, "POST", "api/generate", body, **{"Content-Type": kind})
    assert status == 400
    assert answer["detail"] == answer["message"]
    assert words in answer["detail"]


def test_every_answer_names_the_server_errors_too(shared_server: Server) -> None:
    named = shared_server.call("GET", "health").headers["docsfy-server"]
    assert len(named) == 16
    answers = {
        shared_server.call("POST", "api/generate", json={}): 400,
        httpx.get(f"{shared_server.api}api/projects", trust_env=False): 403,
        shared_server.call("GET", "api/nothing"): 404,
        shared_server.call("PUT", "api/projects"): 405,
        shared_server.call("POST", "api/generate", json={"repo_url": "x" * (1 << 21)}): 413,
    }
    assert [answer.status_code for answer in answers] == list(answers.values())
    assert {answer.headers.get("docsfy-server") for answer in answers} == {named}


def test_a_body_of_megabytes_is_413(shared_server: Server) -> None:
    answer = shared_server.call("POST", "api/generate", json={"repo_url": "x" * (1 << 21)})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_all_faults_of_a_body_are_listed(shared_server: Server) -> None:
    body = {"repo_url": "", "name": "-x", "branch": "a\nb", "model": "..", "force": "yes", "ai_cli_timeout": -1, "frobnicate": 1}
    answer = shared_server.call("POST", "api/generate", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    faults = answer.json()["faults"]
    assert {fault["path"] for fault in faults} == {
        "repo_url", "name", "branch", "model", "force", "ai_cli_timeout", "frobnicate",
    }  # fmt: skip
    assert all(fault["reason"] in answer.json()["detail"] for fault in faults)
    both = shared_server.call("POST", "api/generate", json={"repo_url": "https://h.example/x", "repo_path": "/x"})
    assert "exactly one" in both.json()["detail"]


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "NaN"])
def test_odd_text_in_a_body_is_answered(shared_server: Server, text: str) -> None:
    body = json.dumps({"repo_url": f"https://h.example/{text}", "branch": text, "name": text, "model": text}).encode()
    status, answer = raw(shared_server, "POST", "api/generate", body, **{"Content-Type": "application/json"})
    assert status == 400, answer


def test_faults_of_a_query_are_listed(shared_server: Server) -> None:
    answer = shared_server.call("GET", "api/projects", params={"limit": "-1", "offset": "x", "status": "done"})
    assert {fault["path"] for fault in answer.json()["faults"]} == {"limit", "offset", "status"}
    assert raw(shared_server, "GET", "api/projects?q=%ff")[0] == 400
    missing = shared_server.call("GET", "api/variant", params={"name": "x"})
    assert {fault["path"] for fault in missing.json()["faults"]} == {"provider", "model"}


@pytest.mark.case("J03")
def test_a_token_needs_no_xsrf_header_and_a_cookie_does(shared_server: Server) -> None:
    start, body = shared_server.api + "api/generate", {"repo_path": "relative"}
    for headers in ({"Authorization": "token test-token"}, {"Authorization": "Bearer test-token"}):
        assert httpx.post(start, json=body, headers=headers, trust_env=False).status_code == 400
    assert httpx.post(f"{start}?token=test-token", json=body, trust_env=False).status_code == 400
    with httpx.Client(base_url=shared_server.url, trust_env=False, follow_redirects=True) as browser:
        browser.get("/api/status", params={"token": "test-token"})
        assert browser.get("/docsfy/api/projects").status_code == 200
        refused = browser.post(start, json=body)
        assert (refused.status_code, "_xsrf" in refused.json()["detail"]) == (403, True)
        assert browser.delete("/docsfy/api/projects/x").status_code == 403
        browser.get("/login")
        accepted = browser.post(start, json=body, headers={"X-XSRFToken": browser.cookies["_xsrf"]})
        assert accepted.status_code == 400, accepted.text


@pytest.mark.case("J03")
@pytest.mark.parametrize("headers", [{}, {"Authorization": "token wrong"}, {"Authorization": "Basic dGVzdA=="}])
def test_a_wrong_token_is_403_in_json_and_never_a_redirect(shared_server: Server, headers: dict[str, str]) -> None:
    for method in METHODS:
        answer = httpx.request(method, shared_server.api + "api/generate", headers=headers, trust_env=False, verify=False)
        assert answer.status_code == 403
        assert answer.json()["detail"] == answer.json()["message"]
        assert answer.json()["code"] == "forbidden"


def test_no_answer_carries_a_traceback_or_html(shared_server: Server) -> None:
    for path in ("api/projects/a/b/c", "docs/a/b/c/", "status/x", "assets/none", "api/variant", "api/projects/by-id/x"):
        answer = shared_server.call("GET", path)
        assert answer.headers["content-type"].startswith("application/json"), path
        assert "Traceback" not in answer.text
        assert {"detail", "message", "code"} <= answer.json().keys()


@pytest.mark.parametrize("path", ["", "status/demo/main/fake/m?owner=me", "docs/demo/main/fake/m/index.html"])
def test_a_browser_that_opens_a_page_without_a_login_is_sent_to_log_in_and_comes_back(shared_server: Server, path: str) -> None:
    address = f"{shared_server.api}{path}"
    answer = httpx.get(address, headers={"Accept": "text/html,*/*"}, trust_env=False)
    assert answer.status_code == 302
    where = urlsplit(answer.headers["location"])
    (back,) = parse_qs(where.query)["next"]
    assert (where.path, back) == ("/login", f"/docsfy/{path}")
    assert httpx.get(address, trust_env=False).status_code == 403, "a program is told so"
    api = httpx.get(f"{shared_server.api}api/projects", headers={"Accept": "text/html"}, trust_env=False)
    assert (api.status_code, api.json()["code"]) == (403, "forbidden")
