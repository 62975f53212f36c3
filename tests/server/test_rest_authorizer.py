"""Jupyter's authoriser is asked for every route, with the resource ``docsfy`` and the method's action."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from servers import Server

from docsfy_jupyter.server.routes import ROUTES

ACTIONS = {"GET": "read", "POST": "execute", "DELETE": "write"}


def test_every_operation_is_authorised(start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    server = start_server("--ServerApp.authorizer_class=refusing.Refusing")
    operations = [(method, route.path) for route in ROUTES for method in route.operations if route.path != "/health"]
    assert len(operations) > 25
    for method, path in operations:
        answer = server.call(method, path.replace("{", "").replace("}", "").lstrip("/"))
        assert answer.status_code == 403, (method, path)
        assert answer.json()["code"] == "not_permitted"
        assert answer.json()["detail"].endswith(f"refuses {ACTIONS[method]} of docsfy.")
