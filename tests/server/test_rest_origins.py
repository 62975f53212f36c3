"""Pages of another origin: those that ``ServerApp.allow_origin`` names may ask, others may not."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from servers import Server

FRONT = "https://front.example"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type, x-xsrftoken"}


def preflight(server: Server, origin: str) -> httpx.Response:
    """Ask as a browser does before the real request: without any login."""
    return httpx.options(f"{server.api}api/generate", headers={"Origin": origin, **ASKS}, trust_env=False)


def test_an_origin_that_is_allowed_passes_the_question_before_the_request_and_others_do_not(
    start_server: Callable[..., Server],
) -> None:
    server = start_server(f"--ServerApp.allow_origin={FRONT}")
    asked = preflight(server, FRONT)
    assert asked.status_code in (200, 204)
    assert asked.headers["access-control-allow-origin"] == FRONT
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "content-type" in asked.headers["access-control-allow-headers"]
    answer = server.call("GET", "api/projects", headers={"Origin": FRONT})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, FRONT)
    other = preflight(server, "https://evil.example")
    assert other.headers.get("access-control-allow-origin") != "https://evil.example"
    assert httpx.get(f"{server.api}api/projects", headers={"Origin": FRONT}, trust_env=False).status_code == 403, "no login"


def test_where_no_origin_is_allowed_the_question_allows_nothing(shared_server: Server) -> None:
    assert "access-control-allow-origin" not in preflight(shared_server, FRONT).headers
