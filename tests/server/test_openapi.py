"""The published description: valid, complete, and nothing but the truth."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from servers import Server

from docsfy_jupyter.server.base import DocsfyHandler
from docsfy_jupyter.server.routes import ROUTES, rules

METHODS = ("get", "post", "delete", "put", "patch")
SAMPLES = {"generation_id": "00000000-0000-4000-8000-000000000000", "path": "index.html", "asset": "panel.css"}


@pytest.fixture(scope="module")
def description(shared_server: Server) -> dict[str, Any]:
    answer = shared_server.call("GET", "api/openapi.json")
    assert answer.status_code == 200
    return dict(answer.json())


def test_the_description_is_valid_openapi(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(description).validate()


def test_the_description_is_unchanged_for_whom_has_it(shared_server: Server) -> None:
    tag = shared_server.call("GET", "api/openapi.json").headers["etag"]
    assert shared_server.call("GET", "api/openapi.json", headers={"If-None-Match": tag}).status_code == 304


def test_every_registered_route_is_named_and_none_extra(description: dict[str, Any]) -> None:
    registered = {"/docsfy" + path for path in description["paths"]}
    for path in registered:
        fits = [
            pattern for pattern, handler, _ in rules() if re.fullmatch(pattern, path) and handler.__name__ != "UnknownHandler"
        ]
        assert fits, f"{path} is described but not registered"
    known = [re.sub(r"\{\w+\}", "x", path) for path in registered]
    for pattern, handler, _ in rules():
        assert handler.__name__ == "UnknownHandler" or any(re.fullmatch(pattern, path) for path in known), pattern


def test_a_handler_is_registered_by_the_table_only() -> None:
    def leaves(kind: type[DocsfyHandler]) -> set[str]:
        return set().union(*(leaves(sub) for sub in kind.__subclasses__())) or {kind.__name__}

    assert leaves(DocsfyHandler) - {"UnknownHandler"} <= {route.handler.__name__ for route in ROUTES}


def test_a_method_answers_405_exactly_where_the_description_lacks_it(shared_server: Server, description: dict[str, Any]) -> None:
    wrong = []
    for path, operations in description["paths"].items():
        concrete = re.sub(r"\{(\w+)\}", lambda found: SAMPLES.get(found[1], f"no-{found[1]}"), path).lstrip("/")
        for method in METHODS:
            answer = shared_server.call(method.upper(), concrete)
            assert answer.status_code < 500, (method, path, answer.text)
            if (answer.status_code == 405) == (method in operations):
                wrong.append((method, path, answer.status_code))
            if answer.status_code == 405:
                assert answer.headers["allow"] == ", ".join(sorted(m.upper() for m in operations)), (method, path)
                assert answer.json()["code"] == "method_not_allowed"
    assert wrong == []


def test_every_operation_says_what_it_does_and_how_it_fails(description: dict[str, Any]) -> None:
    seen = []
    for operations in description["paths"].values():
        for operation in operations.values():
            seen.append(operation["operationId"])
            assert operation["summary"].endswith(".")
            assert {"400", "403", "503"} <= operation["responses"].keys()
            error = operation["responses"]["400"]["content"]["application/json"]["schema"]
            assert error == {"$ref": "#/components/schemas/ErrorAnswer"}
    assert len(seen) == len(set(seen))
    assert {"detail", "message", "code"} <= set(description["components"]["schemas"]["ErrorAnswer"]["required"])


def test_the_body_of_generate_is_the_model_that_validates_it(description: dict[str, Any]) -> None:
    body = description["components"]["schemas"]["GenerateRequest"]
    assert {"repo_url", "repo_path", "ai_provider", "provider", "ai_model", "model", "branch"} <= body["properties"].keys()
    assert body["additionalProperties"] is False
