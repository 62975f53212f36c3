"""``POST api/estimate``: the body of generate, answered with what it would take; nothing is started."""

from __future__ import annotations

from typing import Any

import pytest
from walking import MODEL, Walk

from docsfy_jupyter.server.answers import Estimate


def asked(walk: Walk, status: int = 200, **body: Any) -> dict[str, Any]:
    given = {"repo_path": str(walk.repo), "provider": "fake", "model": MODEL, "name": "walk", **body}
    answer = walk.post("api/estimate", json={name: value for name, value in given.items() if value is not None})
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    if status == 200:
        Estimate.model_validate(found)
    return found


def test_a_variant_with_a_history_is_estimated_by_it(walk: Walk) -> None:
    before = walk.get("api/projects?q=walk").json()["total"]
    found = asked(walk, force=True)
    assert (found["basis"], found["pages"], found["calls"], found["branch"]) == ("variant", 2, 3, "main")
    assert (found["cost_usd"], found["tokens"], found["free"], found["last_pages"]) == (None, None, False, 2)
    assert found["seconds"] > 0
    assert asked(walk)["pages"] == 0
    assert walk.get("api/projects?q=walk").json()["total"] == before


def test_a_local_repository_is_measured_and_a_remote_one_is_not_asked(walk: Walk) -> None:
    assert asked(walk, name="new", provider="local", model="static")["cost_usd"] == 0.0
    # the .invalid of RFC 2606: a look at the network would be an error
    far = asked(walk, repo_path=None, repo_url="https://host.invalid/a/far", name=None)
    assert (far["name"], far["pages"], far["cost_usd"], far["basis"]) == ("far", None, None, None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"repo_path": None}, "invalid"),
        ({"max_cost_usd": -1}, "invalid"),
        ({"provider": "none"}, "provider_unavailable"),
        ({"branch": "none"}, "bad_request"),
        ({"repo_path": None, "repo_url": "file:///etc"}, "source_refused"),
        ({"repo_path": "/nowhere/at/all"}, "bad_request"),
    ],
)
def test_what_a_start_refuses_is_refused(walk: Walk, body: dict[str, Any], code: str) -> None:
    assert asked(walk, 400, **body)["code"] == code
