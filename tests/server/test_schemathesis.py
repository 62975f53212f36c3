"""Requests made up from the published description: no 5xx, and every answer is as described."""

from __future__ import annotations

from contextlib import nullcontext, suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from servers import Server
from walking import MODEL, Walk, path_of

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
THRIFTY = settings(
    max_examples=5,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_made_up_request_breaks_the_server(shared_server: Server, mode: GenerationMode, request: pytest.FixtureRequest) -> None:
    more = request.config.getoption("examples") // 8
    thrifty = settings(THRIFTY, max_examples=max(5 if mode is GenerationMode.POSITIVE else 3, more))
    description = shared_server.call("GET", "api/openapi.json").json()
    schema = schemathesis.openapi.from_dict(description)
    headers = {"Authorization": f"token {shared_server.token}"}
    asked: set[str] = set()
    for found in schema.get_all_operations():
        operation = found.ok()

        @thrifty
        @given(case=operation.as_strategy(generation_mode=mode))
        def holds(case: schemathesis.Case) -> None:
            if isinstance(case.query.get("wait"), int | float):
                case.query["wait"] = min(case.query["wait"], 0.05)  # it would be waited for, half a minute each time
            case.call_and_validate(base_url=shared_server.url + "docsfy", headers=headers, checks=CHECKS, timeout=120)
            asked.add(case.operation.label)

        with suppress(Unsatisfiable) if mode is GenerationMode.NEGATIVE else nullcontext():  # where nothing can be wrong
            holds()
    every = sum(len(operations) for operations in description["paths"].values())
    assert len(asked) == every if mode is GenerationMode.POSITIVE else len(asked) > every / 2


def test_real_answers_are_as_described(walk: Walk, shared_server: Server) -> None:
    schema = schemathesis.openapi.from_dict(shared_server.call("GET", "api/openapi.json").json())
    values = {
        "name": "described",
        "branch": "main",
        "provider": "fake",
        "model": MODEL,
        "path": "index.html",
        "asset": "panel.css",
    }
    batch = [{"repo_path": str(walk.repo), "provider": "fake", "model": "pages=1", "name": "described-batch", "branch": "main"}]
    values["batch_id"] = shared_server.call("POST", "api/generate", json=batch).json()["batch_id"]
    values["generation_id"] = walk.generate(name="described").json()["generation_id"]
    shared_server.ended(path_of("described", "main", "fake", MODEL))
    body = {"repo_path": str(walk.repo), "provider": "fake", "model": "pages=1,sleep=60", "name": "described"}

    def ask(operation: schemathesis.schemas.APIOperation, values: dict[str, str]) -> int:
        case = operation.Case(
            path_parameters={parameter.name: values[parameter.name] for parameter in operation.path_parameters},
            query={parameter.name: values[parameter.name] for parameter in operation.query if parameter.is_required},
            **({"body": body, "media_type": "application/json"} if operation.body else {}),
        )
        headers = {"Authorization": f"token {shared_server.token}"}
        answer = case.call_and_validate(base_url=shared_server.url + "docsfy", headers=headers, checks=CHECKS)
        return int(answer.status_code)

    # the WebSocket wants an upgrade; a branch with a slash, which a proxy has decoded, is not there
    refused = {"GET /api/ws": 400, "GET /status/{name}/{branch}/{provider}/{model}/{path}": 404}
    operations = {operation.label: operation for operation in (found.ok() for found in schema.get_all_operations())}
    deleting = [label for label in operations if label.startswith("DELETE")]
    whole_batch = "POST /api/batches/{batch_id}/abort"
    aborting = [label for label in operations if label.endswith("/abort") and label != whole_batch]
    for label in operations.keys() - {*deleting, *aborting, "POST /api/generate"}:
        assert ask(operations[label], values) == refused.get(label, 200), label
    for label in aborting:
        assert ask(operations["POST /api/generate"], values) == 202
        assert ask(operations[label], {**values, "model": str(body["model"])}) == 200, label
        assert ask(operations[label], {**values, "model": str(body["model"])}) in (404, 409), label
    assert {ask(operations[label], values) for label in deleting} == {200, 404}
